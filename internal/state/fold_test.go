package state

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestFold: a fold is after any events what Apply makes of them, and leaves what it started from alone.
func TestFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SampledFrom([]string{"a", "b", "b-2", "c"})
		phases := rapid.SampledFrom([]Phase{Pending, Starting, Ready, Failed})
		kinds := rapid.SampledFrom([]Kind{KindPhase, KindUsage, KindGone, KindGap, KindFleet})
		start := Snapshot{Units: []Unit{{Name: "a", Service: "a"}, {Name: "b", Service: "b"}}}
		want, fold := start, NewFold(start)
		for range rapid.IntRange(1, 20).Draw(t, "events") {
			e := Event{Seq: uint64(rapid.IntRange(1, 30).Draw(t, "seq")), Kind: kinds.Draw(t, "kind")}
			name := names.Draw(t, "name")
			switch {
			case e.Kind == KindGap:
				e.Snapshot = &Snapshot{Units: []Unit{{Name: name, Service: name[:1]}}}
			case e.Kind != KindFleet:
				e.Unit = &Unit{Name: name, Service: name[:1], Phase: phases.Draw(t, "phase")}
			}
			want = Apply(want, e)
			fold.Apply(e)
			if diff := cmp.Diff(want, fold.Now()); diff != "" {
				t.Fatalf("after %+v, -Apply +Fold:\n%s", e, diff)
			}
		}
		if diff := cmp.Diff([]Unit{{Name: "a", Service: "a"}, {Name: "b", Service: "b"}}, start.Units); diff != "" {
			t.Fatalf("the first snapshot was changed:\n%s", diff)
		}
	})
}

// BenchmarkFold is one event of 500 units.
func BenchmarkFold(b *testing.B) {
	s := Snapshot{Units: make([]Unit, 500)}
	for i := range s.Units {
		s.Units[i].Name = string(rune('a' + i))
	}
	last := s.Units[len(s.Units)-1]
	b.Run("fold", func(b *testing.B) {
		b.ReportAllocs()
		f, seq := NewFold(s), uint64(0)
		for b.Loop() {
			seq++
			f.Apply(Event{Seq: seq, Kind: KindPhase, Unit: &last})
		}
	})
	b.Run("apply", func(b *testing.B) {
		b.ReportAllocs()
		now, seq := s, uint64(0)
		for b.Loop() {
			seq++
			now = Apply(now, Event{Seq: seq, Kind: KindPhase, Unit: &last})
		}
	})
}
