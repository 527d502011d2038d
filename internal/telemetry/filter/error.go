package filter

import "fmt"

// Error says what is wrong with the text of a filter and where.
type Error struct {
	Column int    // of the character, from 1
	Msg    string // what is wrong
	Hint   string // what to write instead; "" none
}

// Error returns the column and what is wrong there.
func (e *Error) Error() string {
	if e.Hint == "" {
		return fmt.Sprintf("filter, column %d: %s", e.Column, e.Msg)
	}
	return fmt.Sprintf("filter, column %d: %s (%s)", e.Column, e.Msg, e.Hint)
}
