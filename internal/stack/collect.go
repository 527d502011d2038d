package stack

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/agnivade/levenshtein"
)

// collector gathers every mistake of a load.
type collector struct {
	errs     Errors
	warnings Errors
	more     int          // mistakes beyond maxErrors
	broken   map[Pos]bool // mappings with a mistake inside: what they lack may only be misspelt
}

// breaks remembers that the mapping at pos has a mistake inside if there are more than before.
func (c *collector) breaks(pos Pos, before int) {
	if len(c.errs)+c.more == before {
		return
	}
	if c.broken == nil {
		c.broken = map[Pos]bool{}
	}
	c.broken[pos] = true
}

func (c *collector) add(e *Error) {
	if len(c.errs) >= maxErrors {
		c.more++
		return
	}
	c.errs = append(c.errs, e)
}

func (c *collector) fail(pos Pos, hint, format string, args ...any) {
	c.add(&Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

func (c *collector) warn(pos Pos, hint, format string, args ...any) {
	if len(c.warnings) < maxErrors {
		c.warnings = append(c.warnings, &Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
	}
}

// full reports that more mistakes are only counted, so that hints need not be searched for them.
func (c *collector) full() bool { return len(c.errs) >= maxErrors }

// result returns the mistakes in file order, or nil.
func (c *collector) result(files []string) error {
	if len(c.errs) == 0 {
		return nil
	}
	c.errs = c.errs.InOrder(files...)
	if c.more > 0 {
		last := c.errs[len(c.errs)-1].Pos
		c.errs = append(c.errs, &Error{Pos: last, Msg: fmt.Sprintf("and %d mistakes more", c.more)})
	}
	return c.errs
}

// InOrder sorts mistakes by where they are, those of files in their order, and returns each once: an alias that is
// used twice has its mistake twice. It changes es.
func (es Errors) InOrder(files ...string) Errors {
	inFileOrder(es, files)
	return slices.CompactFunc(es, func(a, b *Error) bool { return a.Pos == b.Pos && a.Msg == b.Msg })
}

func inFileOrder(es Errors, files []string) {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.Pos.File), slices.Index(files, b.Pos.File)),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}

// maxCandidates bounds the search for a suggestion.
const maxCandidates = 500

// suggest returns "did you mean x?" for the known word nearest to what was written, or "".
func suggest(word string, known []string) string {
	best, least := "", min(3, len(word)/2)
	for _, k := range known[:min(len(known), maxCandidates)] {
		if diff := len(k) - len(word); diff > least || -diff > least || len(word) > 64 {
			continue
		}
		if d := levenshtein.ComputeDistance(word, k); d < least || d == least && d > 0 && best == "" {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}
