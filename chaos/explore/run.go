package explore

import (
	"context"
	"slices"
)

// Run is what one run showed.
type Run struct {
	Trace  string   `json:"trace,omitempty"`
	Calls  []Call   `json:"calls"`            // in the order in which they started
	Answer string   `json:"answer"`           // what the request got: "201", "timeout"
	Broken []string `json:"broken,omitempty"` // what did not hold; none: all held
	Idle   bool     `json:"idle,omitempty"`   // a fault of the set did not act: its call was not made
}

// Held reports that nothing was broken.
func (r Run) Held() bool { return len(r.Broken) == 0 }

// call returns the call at a point.
func (r Run) call(p Point) (Call, bool) {
	i := slices.IndexFunc(r.Calls, func(c Call) bool { return c.Point == p })
	if i < 0 {
		return Call{}, false
	}
	return r.Calls[i], true
}

// Runner makes one run in which the faults of the set act.
type Runner func(ctx context.Context, s Set) (Run, error)

// Mode is one way in which a call can fail.
type Mode struct {
	Name string
	Doc  string
	Acts bool // the callee does what it was asked to; only its answer is lost
}
