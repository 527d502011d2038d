package state

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStoreIsFold checks on random histories that the store holds what Apply adds up to, event by event.
func TestStoreIsFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := Snapshot{Stack: "shop"}
		s, want := NewStore(start), start
		for n := rapid.IntRange(1, 60).Draw(t, "events"); n > 0; n-- {
			if rapid.IntRange(0, 9).Draw(t, "edit") == 0 {
				s.Edit(KindFleet, "edited", func(snap *Snapshot) { snap.Stopping = !snap.Stopping })
			} else {
				s.Publish(randomEvent(t))
			}
			want = Apply(want, last(s))
			if diff := cmp.Diff(want, s.Snapshot(), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("store differs from the fold (-want +got):\n%s", diff)
			}
			if again := Apply(want, last(s)); !cmp.Equal(want, again, cmpopts.EquateEmpty()) {
				t.Fatal("an event applied twice changed the snapshot")
			}
		}
	})
}

func last(s *Store) Event { return s.ring[s.slot(s.head.Seq)] }

func randomEvent(t *rapid.T) Event {
	service := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "service")
	u := &Unit{Name: service, Service: service, Phase: Starting}
	if r := rapid.IntRange(1, 3).Draw(t, "replica"); r > 1 {
		u.Name, u.Replica = fmt.Sprintf("%s-%d", service, r), r
	}
	kind := rapid.SampledFrom([]Kind{KindPhase, KindPhase, KindUsage, KindGone}).Draw(t, "kind")
	if rapid.IntRange(0, 5).Draw(t, "fleet") == 0 {
		return Event{Kind: KindFleet, Text: "up"}
	}
	return Event{Kind: kind, Unit: u}
}

func TestSnapshotIsImmutable(t *testing.T) {
	s := NewStore(Snapshot{Units: []Unit{{Name: "a", Phase: Pending}}})
	before := s.Snapshot()
	s.Publish(Event{Kind: KindPhase, Unit: &Unit{Name: "a", Phase: Ready}})
	if got, want := before.Units[0].Phase, Pending; got != want {
		t.Errorf("an old snapshot changed to %s, want %s", got, want)
	}
	if got, want := s.Snapshot().Units[0].Phase, Ready; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestFollow checks that a reader gets every event once and in order, from any point on.
func TestFollow(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := NewStore(Snapshot{})
	for range 10 {
		s.Publish(Event{Kind: KindNotice})
	}
	events := s.Follow(ctx, 4)
	go func() {
		for range 500 {
			s.Publish(Event{Kind: KindNotice})
		}
	}()
	for want := uint64(5); want <= 510; want++ {
		if got := <-events; got.Seq != want {
			t.Fatalf("got event %d, want %d", got.Seq, want)
		}
	}
	cancel()
	for range events {
	}
}

// TestSlowReader checks that a reader that stands still costs the publisher nothing and goes on from a gap.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := NewStore(Snapshot{})
		events := s.Follow(ctx, 0)
		for i := range kept + 500 {
			s.Publish(Event{Kind: KindUsage, Unit: &Unit{Name: "a", Restarts: i}})
		}
		synctest.Wait()
		var got Snapshot
		gaps := 0
		for got.Seq < kept+500 || gaps == 0 {
			e := <-events
			if e.Kind == KindGap {
				gaps++
			}
			got = Apply(got, e)
		}
		if diff := cmp.Diff(s.Snapshot(), got); diff != "" {
			t.Errorf("the reader ends elsewhere (-want +got):\n%s", diff)
		}
		if gaps != 1 {
			t.Errorf("got %d gaps, want 1", gaps)
		}
		cancel()
		synctest.Wait()
	})
}

// TestLateReader is told what happened long ago, although more usage was sampled since than is kept, and
// that something is missing only where it is.
func TestLateReader(t *testing.T) {
	s := NewStore(Snapshot{})
	s.Publish(Event{Kind: KindPhase, Text: "a is ready", Unit: &Unit{Name: "a", Phase: Ready}})
	for i := range 2 * kept {
		s.Publish(Event{Kind: KindUsage, Unit: &Unit{Name: "a", Phase: Ready, Memory: int64(i)}})
	}
	s.Publish(Event{Kind: KindNotice, Text: "look"})
	tale := func() (out string) {
		for _, e := range s.since(0) {
			out += fmt.Sprintf("%s %q, ", e.Kind, e.Text)
		}
		return out
	}
	if got, want := tale(), `phase "a is ready", notice "look", gap "", `; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i := range kept + storied {
		s.Publish(Event{Kind: KindNotice, Text: fmt.Sprint(i)})
	}
	all := s.since(0)
	if last := all[len(all)-1]; len(all) > storied+1 || last.Kind != KindGap || last.Text == "" {
		t.Errorf("%d events, the last is %+v", len(all), last)
	}
}

func BenchmarkPublish(b *testing.B) {
	var units []Unit
	for i := range 500 {
		units = append(units, Unit{Name: fmt.Sprint("s", i)})
	}
	s := NewStore(Snapshot{Units: units})
	for i := 0; b.Loop(); i++ {
		s.Publish(Event{Kind: KindPhase, Unit: &Unit{Name: units[i%500].Name}})
	}
}

// TestStoreMasks hides a secret in whatever an event carries, and leaves the writer's own values alone (K1).
func TestStoreMasks(t *testing.T) {
	s := NewStore(Snapshot{Units: []Unit{{Name: "a"}, {Name: "b"}}})
	s.Mask = func(text string) string { return strings.ReplaceAll(text, "canary", "***") }
	lines := []string{"its canary"}
	s.Update(KindPhase, "a", "a has a canary", func(u *Unit) bool {
		u.Reason, u.LastLines = "canary", lines
		return true
	})
	s.Publish(Event{Kind: KindNotice, Text: "canary", Unit: &Unit{Name: "b", Reason: "canary"}})
	s.Edit(KindFleet, "canary", func(snap *Snapshot) { snap.Units[1].Reason = "a canary" })
	shown := fmt.Sprintf("%+v", s.Snapshot())
	for _, e := range s.since(0) {
		shown += fmt.Sprintf("%+v %+v %+v", e, e.Unit, e.Snapshot)
	}
	if strings.Contains(shown, "canary") || strings.Count(shown, "***") < 6 {
		t.Errorf("got %s", shown)
	}
	if lines[0] != "its canary" {
		t.Errorf("the writer's line became %q", lines[0])
	}
}
