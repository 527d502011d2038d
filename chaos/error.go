package chaos

import (
	"fmt"

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

// meant returns a hint at the known word that is nearest, or else.
func meant(word string, known []string, otherwise string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(word, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return otherwise
	}
	return "did you mean " + best + "?"
}
