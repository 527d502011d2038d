package explore

import (
	"slices"
	"strings"
)

// Fault is one mode of failure at one call.
type Fault struct {
	Point Point  `json:"point"`
	Mode  string `json:"mode"`
	Edge  string `json:"edge"` // of the call, as its operation and its number there
	Op    string `json:"op"`
	Nth   int    `json:"nth"` // 0: each of them
	Proto string `json:"proto"`
}

func faultAt(c Call, mode string) Fault {
	return Fault{Point: c.Point, Mode: mode, Edge: c.Edge, Op: c.Op, Nth: c.Nth, Proto: c.Proto}
}

// String returns "refuse at payments Capture #1".
func (f Fault) String() string { return f.Mode + " at " + string(f.Point) }

// Set is faults that act in one run, in the order in which the search added them.
type Set []Fault

// key is the same for the same faults in any order.
func (s Set) key() string {
	words := make([]string, len(s))
	for i, f := range s {
		words[i] = string(f.Point) + "\x00" + f.Mode
	}
	slices.Sort(words)
	return strings.Join(words, "\x01")
}

// String lists the faults.
func (s Set) String() string {
	if len(s) == 0 {
		return "no fault"
	}
	words := make([]string, len(s))
	for i, f := range s {
		words[i] = f.String()
	}
	return strings.Join(words, "; ")
}

// with returns the set and one fault more.
func (s Set) with(f Fault) Set { return append(slices.Clip(s), f) }

// mode is the one of the set at a point, "" none.
func (s Set) mode(p Point) string {
	for _, f := range s {
		if f.Point == p {
			return f.Mode
		}
	}
	return ""
}

// contains reports that every fault of t is one of s.
func (s Set) contains(t Set) bool {
	for _, f := range t {
		if s.mode(f.Point) != f.Mode {
			return false
		}
	}
	return true
}
