package state

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Fault is what is done to a target, until it is lifted, in words. Package chaos says what they mean.
type Fault struct {
	ID       string            `json:"id"`                 // unique in the fleet: a name that the user gave, else "latency-1"; "" where it is asked for
	Target   string            `json:"target"`             // edges, see [Fault.On]; of kinds that act on processes a service, replica or resource: "orders", "orders-2"
	Kind     string            `json:"kind"`               // name of a row of chaos.Kinds: "latency"
	Params   map[string]string `json:"params,omitempty"`   // of the kind, as typed: {"delay":"300ms","jitter":"50ms"}
	Match    map[string]string `json:"match,omitempty"`    // which requests: path, method, header, operation; empty: all
	Stream   string            `json:"stream,omitempty"`   // "up" (caller to callee) or "down"; "" is the kind's default
	Toxicity float64           `json:"toxicity,omitempty"` // share of connections or requests that it acts on; 0 means 1
	Seed     uint64            `json:"seed,omitempty"`     // of its coins; 0 where it is asked for: the fleet draws one and says it
	For      time.Duration     `json:"for,omitempty"`      // how long; 0 where it is asked for: [FaultTime], unless there is a Lease
	Lease    string            `json:"lease,omitempty"`    // it is lifted when the lease of that name is not renewed for [LeaseTime]
	Until    time.Time         `json:"until,omitzero"`     // when it is lifted, unless its lease is renewed

	Acted int64    `json:"acted,omitempty"` // connections or requests that it has acted on
	Also  []string `json:"also,omitempty"`  // resources on the same server as the target: they feel it too
	Was   *Fault   `json:"was,omitempty"`   // what acted under its id until it was put; only where it is put
}

// Ends of faults.
const (
	FaultTime = 10 * time.Minute // of one that says neither For nor Lease
	LeaseTime = 5 * time.Second
)

// What a client may test for.
var (
	ErrUnknownFault  = errors.New("no such fault")
	ErrUnknownTarget = errors.New("no such target")
)

// Partition is the kind that cuts both ways between the two sides of its target.
const Partition = "partition"

// OnEdge reports whether the target is edges; else it is something that runs.
func (f Fault) OnEdge() bool { return f.Kind == Partition || strings.Contains(f.Target, ":") }

// On reports whether the fault means an edge to that listener of the callee. A target is CALLER:CALLEE, with
// the callee's port CALLER:CALLEE/PORT. Each side may be several names, "orders+users:payments", or "*",
// which is everybody; a caller "" or "outside" is whoever calls from outside. A target of one side is cut from everybody.
func (f Fault) On(from, to, listen string) bool {
	target, port, ported := strings.Cut(f.Target, "/")
	a, b, pair := strings.Cut(target, ":")
	if !pair {
		b = "*"
	}
	if ported && port != listen {
		return false
	}
	return side(a, from) && side(b, to) || f.Kind == Partition && side(a, to) && side(b, from)
}

// side reports whether a name is on a side of a target.
func side(names, name string) bool {
	for one := range strings.SplitSeq(names, "+") {
		if one == name || one == "*" || name == "" && one == outside {
			return true
		}
	}
	return false
}

// String says what it does, without its target and its end: "latency delay=300ms,jitter=50ms".
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Kind)
	sign := " "
	for _, key := range sortedKeys(f.Params) {
		b.WriteString(sign + key + "=" + f.Params[key])
		sign = ","
	}
	return b.String()
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
