package filter

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the one of known that is most like word, or "" when none is near.
func Nearest(word string, known []string) string {
	best, least := "", min(len(word)/2, 3)+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// Unknown returns an error with a suggestion for each key of n that known does not have although it has
// one much like it. A filter with such a key is valid: it only finds nothing.
func Unknown(n *Node, known []string) []*Error {
	if n == nil {
		return nil
	}
	var errs []*Error
	if n.Key != "" && len(n.Key) > 2 && !slices.Contains(known, n.Key) {
		if near := Nearest(n.Key, known); near != "" {
			errs = append(errs, &Error{Column: n.Column, Msg: "nothing has the key " + n.Key, Hint: "did you mean " + near + "?"})
		}
	}
	for _, k := range n.Kids {
		errs = append(errs, Unknown(k, known)...)
	}
	return errs
}

// Complete returns what the word at the cursor could become, and the byte at which that word starts: keys
// that begin with it, each with "=" after it, or after an operator the values of a key that has only a few.
// The cursor is a byte of the text.
func Complete(text string, cursor int, keys []string) (from int, options []string) {
	cursor = max(0, min(cursor, len(text)))
	for cursor > 0 && cursor < len(text) && !utf8.RuneStart(text[cursor]) {
		cursor--
	}
	head := text[:cursor]
	from = strings.LastIndexAny(head, " \t\n(") + 1
	if strings.HasPrefix(head[from:], "-") {
		from++
	}
	word := head[from:]
	if i := strings.IndexAny(word, "=!<>~:"); i >= 0 {
		op := opAt(word[i:])
		at := i + max(len(op), 1)
		return from + at, begin(names(word[:i]), word[at:], "")
	}
	return from, begin(keys, word, "=")
}

func begin(all []string, prefix, suffix string) []string {
	var found []string
	for _, s := range all {
		if strings.HasPrefix(s, prefix) && (s != prefix || suffix != "") {
			found = append(found, s+suffix)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
