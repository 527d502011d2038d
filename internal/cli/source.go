package cli

import (
	"context"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

// source is a fleet to look at: the one in this process, or the one behind the socket.
type source interface {
	Snapshot(ctx context.Context) (state.Snapshot, error)
	Follow(ctx context.Context, after uint64, fn func(state.Event) error) error
	Edges(ctx context.Context) ([]state.Edge, error)
}

// here is a fleet in this process as a source.
type here struct{ fleet control.Fleet }

func (h here) Snapshot(context.Context) (state.Snapshot, error) { return h.fleet.Snapshot(), nil }

func (h here) Edges(context.Context) ([]state.Edge, error) { return h.fleet.Edges(), nil }

func (h here) Follow(ctx context.Context, after uint64, fn func(state.Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	events := h.fleet.Follow(ctx, after)
	defer func() {
		cancel()
		for range events { // its sender ends when ctx does
		}
	}()
	for ev := range events {
		if err := fn(ev); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}
