// Package tui is the dashboard: one model, one file per view. It draws what a Source gives it and asks
// the Source to act; it knows neither the fleet nor the socket.
package tui

import (
	"context"
	"time"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// Source is a fleet to look at and to act on: the one in this process, or the one behind the socket.
type Source interface {
	Snapshot(ctx context.Context) (state.Snapshot, error)
	// Follow calls fn with every event after that sequence number until ctx ends or fn fails.
	Follow(ctx context.Context, after uint64, fn func(state.Event) error) error
	Edges(ctx context.Context) ([]state.Edge, error)

	Start(ctx context.Context, names []string) error
	Stop(ctx context.Context, names []string) error
	Restart(ctx context.Context, names []string) error
	Scale(ctx context.Context, service string, n int) error

	// AddFaults puts faults on what they name, all or none, and returns them as they act.
	AddFaults(ctx context.Context, faults []state.Fault) ([]state.Fault, error)
	RemoveFaults(ctx context.Context, ids []string) (int, error)
	// ClearFaults lifts the faults of a target, "" of all, and returns how many there were.
	ClearFaults(ctx context.Context, target string) (int, error)
	Faults(ctx context.Context) ([]state.Fault, error)

	// Lines calls fn with what a unit printed, from since on, and goes on with new lines until ctx ends.
	Lines(ctx context.Context, unit string, since time.Time, fn func([]output.Line) error) error

	// Contracts says of each edge between services what its pact needs, and what verifications found.
	Contracts(ctx context.Context) (Contracts, error)

	Telemetry
}

// Telemetry answers what the spans and logs of the stack say.
type Telemetry interface {
	Traces(ctx context.Context, q telemetry.Query) (telemetry.TracePage, error)
	Trace(ctx context.Context, id string) (telemetry.Trace, error)
	Logs(ctx context.Context, q telemetry.Query) (telemetry.LogPage, error)
	Map(ctx context.Context, since, until time.Time) (telemetry.Map, error)
	Advise(ctx context.Context, since time.Time) ([]telemetry.Finding, error)
	Why(ctx context.Context, trace string, since time.Time) (telemetry.Reason, error)
}
