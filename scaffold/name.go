package scaffold

import (
	"fmt"
	"regexp"
	"strings"
)

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// devices are names that Windows keeps for itself, whatever follows the dot.
var devices = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)

// ValidName reports a good name of a service: letters of a to z, digits and - between them, at most 63.
func ValidName(name string) bool { return nameForm.MatchString(name) && !devices.MatchString(name) }

var modulePath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9_][A-Za-z0-9._~-]*)*$`)

// ValidModule reports a path that a Go module can have.
func ValidModule(path string) bool { return len(path) <= 200 && modulePath.MatchString(path) }

// kept are folders that are not a template's to write, in any case of letters.
var kept = map[string]string{
	".git": "git's own", ".hg": "Mercurial's own", ".svn": "Subversion's own", ".msctl": "msctl's own",
}

// CheckPath returns why a file cannot be written at path, which is relative to the stack's folder: it must
// stay below it, on every system, and out of the folders of version control.
func CheckPath(path string) error {
	refuse := func(why string) error { return fmt.Errorf("write %q: %s", path, why) }
	if path == "" || len(path) > 300 {
		return refuse("it is empty or over 300 bytes")
	}
	if strings.HasPrefix(path, "/") || strings.Contains(path, `\`) || strings.Contains(path, ":") {
		return refuse("it is not relative with slashes")
	}
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return refuse("it has an element that is empty, . or ..")
		case !partForm.MatchString(part):
			return refuse("an element has other than letters, digits and ._@+-, begins with - or ends with a dot")
		case devices.MatchString(part):
			return refuse("Windows keeps that name for itself")
		case kept[strings.ToLower(part)] != "":
			return refuse(part + " is " + kept[strings.ToLower(part)])
		}
	}
	return nil
}

var partForm = regexp.MustCompile(`^[A-Za-z0-9._@+]([A-Za-z0-9._@+-]*[A-Za-z0-9_@+-])?$`)

func oneLine(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// spoken are words that begin with the letter u and are not spoken so: user, unit, utility.
var spoken = regexp.MustCompile(`^u[bcdfghjklmnpqrstvwxyz][aeiou]`)

// an is a noun with its article: an item, a user.
func an(noun string) string {
	if noun != "" && strings.Contains("aeiou", noun[:1]) && !spoken.MatchString(noun) {
		return "an " + noun
	}
	return "a " + noun
}
