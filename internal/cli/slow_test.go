package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/state"
)

// hanging is a fleet of which nothing ever changes.
type hanging struct {
	source
	snap state.Snapshot
}

func (h hanging) Snapshot(context.Context) (state.Snapshot, error) { return h.snap, nil }

func (h hanging) Follow(ctx context.Context, _ uint64, _ func(state.Event) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestSlowAscent is F5: a unit that takes long is named with what it lacks, and ever more rarely.
func TestSlowAscent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		units := []state.Unit{
			{Name: "web", Phase: state.Starting, PID: 7, Started: time.Now(), Reason: "nothing listens on port http (127.0.0.1:24114)"},
			{Name: "early", Phase: state.Starting, PID: 8, Started: time.Now().Add(-time.Minute)},
			{Name: "seed", Phase: state.Starting, Sort: state.Job},
			{Name: "api", Phase: state.Pending, WaitsFor: []string{"web"}},
		}
		var b bytes.Buffer
		w := &ascent{liner: &liner{screen: screen{Writer: &b}}, begun: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		w.watch(ctx, hanging{snap: state.Snapshot{Units: units}})
		want := []string{
			"early: starting for 1m",
			"web: starting for 5s: nothing listens on port http (127.0.0.1:24114)",
			"seed: running for 5s",
			"web: starting for 15s: nothing listens on port http (127.0.0.1:24114)",
			"seed: running for 15s",
			"web: starting for 45s: nothing listens on port http (127.0.0.1:24114)",
			"seed: running for 45s",
		}
		got := strings.Split(strings.TrimSpace(b.String()), "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestManySlow checks that a fleet that is slow as a whole does not fill the screen, and that a unit that
// got on is timed anew.
func TestManySlow(t *testing.T) {
	var snap state.Snapshot
	for i := range 12 {
		snap.Units = append(snap.Units, state.Unit{Name: fmt.Sprint("s", i), Phase: state.Building})
	}
	late, begun := slow{}, time.Now()
	if got := late.look(snap, begun); len(got) > 0 {
		t.Errorf("at once: %q", got)
	}
	got := late.look(snap, begun.Add(impatience))
	if len(got) != maxSlow+1 || got[0] != "s0: building for 5s" || got[maxSlow] != "and 7 more" {
		t.Errorf("got %q", got)
	}
	snap.Units = snap.Units[:1]
	snap.Units[0].Phase = state.Ready
	late.look(snap, begun.Add(2*impatience))
	snap.Units[0].Phase = state.Starting
	if got := late.look(snap, begun.Add(10*impatience)); len(got) > 0 {
		t.Errorf("another start: %q", got)
	}
	if line := ascentStatus(snap, time.Second); line != "0 of 1 ready, 1.0s · s0 starting" {
		t.Errorf("status %q", line)
	}
	snap.Units[0].Reason = "nothing listens"
	if line := ascentStatus(snap, time.Second); line != "0 of 1 ready, 1.0s · s0 starting: nothing listens" {
		t.Errorf("status %q", line)
	}
}
