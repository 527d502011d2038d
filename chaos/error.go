package chaos

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Error is what is wrong with a fault that was written, and what to write instead.
type Error struct{ Text, Hint string }

func (e *Error) Error() string { return e.Text }

// Advice is the hint.
func (e *Error) Advice() string { return e.Hint }

func wrong(hint, format string, args ...any) *Error {
	return &Error{fmt.Sprintf(format, args...), hint}
}

// maxMeant bounds the words for which a near one is searched: the time goes with their length, and nothing that is
// known is as long.
const maxMeant = 64

// Meant returns a hint at the known word that is nearest to what was written, or that alone begins with it, or otherwise
// where none is near. Capitals and small letters are the same.
func Meant(word string, known []string, otherwise string) string {
	if len(word) >= maxMeant {
		return otherwise
	}
	low := strings.ToLower(word)
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(low, strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		best = begun(low, known)
	}
	if best == "" {
		return otherwise
	}
	return "did you mean " + best + "?"
}

// begun returns the only known word that begins so, or "".
func begun(low string, known []string) (only string) {
	if len(low) < 3 { // letters, of which many words begin with the same
		return ""
	}
	for _, k := range known {
		switch {
		case !strings.HasPrefix(strings.ToLower(k), low):
		case only != "":
			return ""
		default:
			only = k
		}
	}
	return only
}
