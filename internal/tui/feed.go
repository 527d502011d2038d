package tui

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/state"
)

// news is what was fed since the last pulse.
type news struct {
	snap   state.Snapshot
	events []state.Event
	lines  []*line
	lost   int  // lines that came faster than they could be kept
	ended  bool // the fleet is gone
}

// pulsed says that there is news. The feed keeps it until the loop fetches it, so that whoever feeds
// never waits for the loop.
type pulsed struct{}

// Most that waits for the loop, and the pause between two pulses.
const (
	maxWaiting = 20000
	pulseGap   = 100 * time.Millisecond
)

// feed follows the source in its own goroutines and gathers what comes.
type feed struct {
	source Source
	since  time.Time // lines before are not fetched
	moved  chan struct{}

	mu    sync.Mutex
	news  news
	units map[string]bool // whose lines are followed
	wg    sync.WaitGroup
	wake  func(error) // ends the program with a crash
}

func newFeed(s Source, since time.Time) *feed {
	return &feed{source: s, since: since, moved: make(chan struct{}, 1), units: map[string]bool{}}
}

// run follows the source from snap on until ctx ends, and posts pulses. post may block.
func (f *feed) run(ctx context.Context, snap state.Snapshot, post func(any)) {
	defer f.wg.Wait()
	f.wake = func(err error) { post(err) }
	f.take(func(n *news) { n.snap = snap })
	f.followLines(ctx, snap)
	f.spawn(func() { f.events(ctx, snap) })
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.moved:
		}
		post(pulsed{})
		select {
		case <-ctx.Done():
			return
		case <-time.After(pulseGap):
		}
	}
}

// spawn starts a goroutine whose panic ends the program, not the process.
func (f *feed) spawn(work func()) {
	f.wg.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				f.wake(crashed(r))
			}
		}()
		work()
	})
}

// take changes the news and says so.
func (f *feed) take(change func(n *news)) {
	f.mu.Lock()
	change(&f.news)
	f.mu.Unlock()
	select {
	case f.moved <- struct{}{}:
	default:
	}
}

// fetch returns the news and begins anew.
func (f *feed) fetch() news {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.news
	f.news = news{snap: n.snap, ended: n.ended}
	return n
}

// events follows what happens. When the stream breaks while ctx lives, the fleet is gone.
func (f *feed) events(ctx context.Context, snap state.Snapshot) {
	err := f.source.Follow(ctx, 0, func(e state.Event) error { // from the first that is kept: the view of events shows them
		snap = state.Apply(snap, e)
		next := snap
		f.take(func(n *news) {
			n.snap = next
			if e.Kind != state.KindUsage && (e.Kind != state.KindGap || e.Text != "") {
				n.events = append(n.events, e)
			}
			n.events = n.events[max(0, len(n.events)-maxEvents):]
		})
		if e.Unit != nil && !f.units[e.Unit.Name] || e.Snapshot != nil {
			f.followLines(ctx, snap)
		}
		return nil
	})
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		f.take(func(n *news) { n.ended = true })
	}
}

// followLines follows the units that are not followed yet. Only one goroutine calls it at a time.
func (f *feed) followLines(ctx context.Context, snap state.Snapshot) {
	for _, u := range snap.Units {
		if f.units[u.Name] || u.Sort == state.Resource {
			continue
		}
		f.units[u.Name] = true
		f.spawn(func() {
			f.source.Lines(ctx, u.Name, f.since, func(lines []output.Line) error {
				f.addLines(u.Name, lines)
				return ctx.Err()
			})
		})
	}
}

// addLines takes in what a unit printed. It never waits: what the loop does not fetch in time is dropped,
// oldest first, and counted.
func (f *feed) addLines(unit string, lines []output.Line) {
	if len(lines) == 0 {
		return
	}
	made := make([]*line, len(lines))
	for i, l := range lines {
		made[i] = &line{unit: unit, at: l.At, stream: l.Stream, text: l.Text, cut: l.Cut}
	}
	f.take(func(n *news) {
		n.lines = append(n.lines, made...)
		if over := len(n.lines) - maxWaiting; over > maxWaiting/4 {
			n.lines = slices.Clone(n.lines[over:])
			n.lost += over
		}
	})
}
