package fleet

import (
	"errors"

	"msctl.dev/msctl/internal/output"
)

// shownLines is how many last lines of output a failed unit's state carries.
const shownLines = 10

// begin notes that the output of the run that begins now follows the line of that number: the unit's log
// goes on over all runs, and its times may jump.
func (u *unit) begin(after uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.after = after
}

// lastSeq returns the number of the last line in the unit's log, or 0.
func (u *unit) lastSeq() uint64 {
	lines, err := output.Tail(u.f.logDir(u.name), 1)
	if err != nil || len(lines) == 0 {
		return 0
	}
	return lines[len(lines)-1].Seq
}

// lastLines is the end of what the unit printed in its last run, or of what its build did.
func (u *unit) lastLines(out outcome) []string {
	var b *buildError
	if errors.As(out.err, &b) {
		return b.lines
	}
	lines, err := output.Tail(u.f.logDir(u.name), shownLines)
	if err != nil {
		return nil
	}
	u.mu.Lock()
	after := u.after
	u.mu.Unlock()
	var text []string
	for _, l := range lines {
		if l.Seq > after {
			text = append(text, output.Clean([]byte(u.f.Mask(string(l.Text))))) // masked before it is changed in any way
		}
	}
	return text
}
