package chaos

import (
	"strings"
	"time"

	"msctl.dev/msctl/internal/state"
)

// Args is the fault that a kind is made for. What it returns was checked before.
type Args struct {
	state.Fault // with the stream in place
	kind        *Kind
}

// Text is a parameter as it was typed, or its default.
func (a Args) Text(name string) string {
	if v, given := a.Params[name]; given {
		return v
	}
	if p := a.kind.Param(name); p != nil {
		return p.Default
	}
	return ""
}

// Given reports whether a parameter was typed.
func (a Args) Given(name string) bool { _, given := a.Params[name]; return given }

// Duration is a parameter of that type.
func (a Args) Duration(name string) time.Duration {
	d, _ := readDuration(a.Text(name)) // "" is 0
	return d
}

// Size is a parameter of type size or rate, in bytes.
func (a Args) Size(name string) int64 {
	n, _ := readSize(strings.TrimSuffix(a.Text(name), "/s"))
	return n
}

// Count is a parameter of that type.
func (a Args) Count(name string) int {
	n, _ := readCount(a.Text(name))
	return int(n)
}

// Share is a parameter of that type.
func (a Args) Share(name string) float64 {
	n, _ := readShare(a.Text(name))
	return n
}

// Flag is a parameter of that type.
func (a Args) Flag(name string) bool { return a.Text(name) == "true" }
