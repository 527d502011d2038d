package cli

import (
	"fmt"
	"slices"

	"github.com/agnivade/levenshtein"
)

// nearest returns the known name that was probably meant, or "".
func nearest(name string, known []string) string {
	best, distance := "", max(2, len(name)/3)+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// checkNames refuses names that the stack does not have, with what was probably meant.
func checkNames(names, known []string) error {
	for _, n := range names {
		if slices.Contains(known, n) {
			continue
		}
		hint := "there is " + someOf(known)
		if near := nearest(n, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		return usage(hint, "unknown service %q", n)
	}
	return nil
}

// maxNames is how many names a hint lists.
const maxNames = 20

// someOf lists names, each once, up to [maxNames].
func someOf(names []string) string {
	all := once(names)
	if len(all) <= maxNames {
		return list(all)
	}
	return fmt.Sprintf("%s and %d more", list(all[:maxNames]), len(all)-maxNames)
}
