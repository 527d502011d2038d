// Package control lets commands talk to a running fleet: HTTP and JSON over a unix socket that only its
// owner can reach, with streams as one JSON object per line.
package control

import (
	"context"
	"errors"
	"time"

	"msctl.dev/msctl/internal/state"
)

// Protocol is the version of the routes and their bodies. Fields and routes are only ever added under
// one number; a client and a server with different numbers refuse each other.
const Protocol = 1

// Answer is how long a client waits for the first byte of an answer that needs no work.
const Answer = 2 * time.Second

// Fleet is what the server controls.
type Fleet interface {
	Snapshot() state.Snapshot
	Follow(ctx context.Context, after uint64) <-chan state.Event
	Start(ctx context.Context, names []string) error // with what they need
	Stop(ctx context.Context, names []string) error
	Restart(ctx context.Context, names []string) error
	Scale(ctx context.Context, service string, n int) error
	Reload(ctx context.Context) error
	Environment(ctx context.Context, unit string) (state.Environment, error)
	Edges() []state.Edge
	Faults(ctx context.Context) ([]state.Fault, error)
	AddFaults(ctx context.Context, faults []state.Fault) ([]state.Fault, error) // all or none; returns them with id, seed and end
	RemoveFaults(ctx context.Context, ids []string) (int, error)
	ClearFaults(ctx context.Context, target string) (int, error) // "" is all
	KeepLease(ctx context.Context, name string) error
	Down(volumes bool) // makes the fleet's Run return after everything ended
}

// Info says who answers on a socket.
type Info struct {
	Protocol int       `json:"protocol"`
	Version  string    `json:"version"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Detached bool      `json:"detached"` // runs without a terminal (up -d)
	Watch    bool      `json:"watch"`    // rebuilds what is edited (up --watch)
}

// Ended says how the fleet ended.
type Ended struct {
	Left  int    `json:"left"`            // processes and containers counted after the end
	Error string `json:"error,omitempty"` // what went wrong on the way down
}

// What a client may test for.
var (
	ErrNotRunning   = errors.New("not running")
	ErrNotAnswering = errors.New("not answering")
	ErrProtocol     = errors.New("speaks another protocol")
	ErrUnsafe       = errors.New("unsafe socket")
)

// Refusal is an answer of the server that says no, with its own words.
type Refusal struct {
	Status int    `json:"-"`
	Text   string `json:"error"`
	Hint   string `json:"hint,omitempty"`
}

func (r *Refusal) Error() string { return r.Text }

// Advice is the hint, "" where there is none.
func (r *Refusal) Advice() string { return r.Hint }

type namesRequest struct {
	Names []string `json:"names"`
}

type scaleRequest struct {
	Service  string `json:"service"`
	Replicas int    `json:"replicas"`
}

type downRequest struct {
	Volumes bool `json:"volumes"`
}
