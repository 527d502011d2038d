package telemetry

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSpreadIsClose compares quantiles with those of all durations, in one spread and in two that are added.
func TestSpreadIsClose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		took := rapid.SliceOfN(rapid.Int64Range(0, 1<<rapid.IntRange(1, 62).Draw(t, "bits")), 1, 50).Draw(t, "took")
		var one, two scale
		half := len(took) / 2
		for i, ns := range took {
			if i < half {
				one.add(ns)
			} else {
				two.add(ns)
			}
		}
		s, more := one.take(), two.take()
		s.Add(&more)
		slices.Sort(took)
		for _, q := range []float64{0, 0.5, 0.95, 1} {
			want := time.Duration(took[min(int(q*float64(len(took))), len(took)-1)])
			if got := s.Quantile(q); max(got-want, want-got) > want/32 {
				t.Fatalf("quantile %v of %v: got %v, want %v", q, took, got, want)
			}
		}
		if got := s.Count(); got != int64(len(took)) {
			t.Fatalf("got %d durations, want %d", got, len(took))
		}
	})
}
