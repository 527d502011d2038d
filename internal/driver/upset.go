package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Upset is what is done to a unit that runs, on purpose, to see what others make of it. Its zero value is
// nothing.
type Upset struct {
	Signal  string  `json:",omitempty"` // is sent once: "KILL" to the whole tree, any other to its leader
	Pause   bool    `json:",omitempty"` // nothing of it runs
	Restart bool    `json:",omitempty"` // it is run anew, which is for who keeps it and not for its driver
	CPU     float64 `json:",omitempty"` // cores that it may use
	Memory  int64   `json:",omitempty"` // bytes; with more it is killed

	Disconnect bool   `json:",omitempty"` // a container has no network
	Network    *Netem `json:",omitempty"` // a container's network is bad
}

// Netem is what the kernel does to the packets that leave a container.
type Netem struct {
	Delay, Jitter            time.Duration
	Loss, Corrupt, Duplicate float64 // share of packets
}

// Once reports an upset that is over when it is done: nothing is left to undo.
func (u Upset) Once() bool { return u.Signal != "" || u.Restart }

// String says what it does: "pause", "cpu 0.2".
func (u Upset) String() string {
	var words []string
	add := func(on bool, format string, args ...any) {
		if on {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(u.Signal != "", "signal %s", u.Signal)
	add(u.Pause, "pause")
	add(u.Restart, "restart")
	add(u.CPU > 0, "cpu %v", u.CPU)
	add(u.Memory > 0, "memory %d", u.Memory)
	add(u.Disconnect, "disconnect")
	add(u.Network != nil, "netem")
	return strings.Join(words, ", ")
}

// Upsetter is the optional power of a driver to upset a unit, and to undo that from any later process.
type Upsetter interface {
	// Upset does u to what runs of the unit now. Before it changes anything that stays, it calls write with
	// what [Upsetter.Calm] needs; an error of write ends it with nothing done. It returns [ErrNotRunning]
	// where nothing runs, and wraps [ErrCannot] where this machine or sort of unit has no such thing.
	Upset(ctx context.Context, unit string, u Upset, write func(inverse []byte) error) error

	// Calm undoes an upset by its inverse, any number of times. That nothing of it is left is no error.
	Calm(ctx context.Context, inverse []byte) error
}

// Inheritor is the optional power of an [Upsetter] whose inverses say how the unit was before: while something
// is done to it already, it is not as it was.
type Inheritor interface {
	// Inherit returns a fresh inverse with what the inverses that are left of the unit, its own earlier one
	// too, say of how it was before any of them.
	Inherit(fresh []byte, left [][]byte) ([]byte, error)
}

// What an [Upsetter] returns.
var (
	ErrNotRunning = errors.New("it does not run")
	ErrCannot     = errors.New("it cannot be done here")
)
