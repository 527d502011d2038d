package cli

import (
	"context"
	"slices"
	"sync"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

// overheard is what a fleet says while a command changes it: what it builds, of which units that run on
// meanwhile show nothing, and what the user should read of the units of that command.
type overheard struct {
	of   []string
	more chan struct{} // one token when seen grew

	mu      sync.Mutex // guards what follows
	build   string
	notices []string
	seen    uint64 // the last event
}

// follow listens until ctx ends.
func (h *overheard) follow(ctx context.Context, c *control.Client, after uint64) {
	c.Follow(ctx, after, func(ev state.Event) error {
		h.take(ev)
		select {
		case h.more <- struct{}{}:
		default:
		}
		return nil
	})
}

func (h *overheard) take(ev state.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = max(h.seen, ev.Seq)
	switch {
	case ev.Kind == state.KindBuild && ev.Unit == nil:
		h.build = ": " + clean(ev.Text)
	case ev.Kind == state.KindNotice && ev.Unit != nil && (slices.Contains(h.of, ev.Unit.Name) || slices.Contains(h.of, ev.Unit.Service)):
		h.notices = append(h.notices, ev.Text)
	}
}

// await blocks until all was heard that has happened by now, for a moment at most.
func (h *overheard) await(ctx context.Context, c *control.Client) {
	ctx, cancel := context.WithTimeout(ctx, control.Answer)
	defer cancel()
	snap, err := c.Snapshot(ctx)
	for err == nil && h.last() < snap.Seq {
		select {
		case <-h.more:
		case <-ctx.Done():
			return
		}
	}
}

func (h *overheard) last() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen
}

func (h *overheard) building() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.build
}
