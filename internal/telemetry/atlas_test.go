package telemetry

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestAtlasPacks gives back what charts took that have gone, and still joins what comes to the traces of those
// that stayed.
func TestAtlasPacks(t *testing.T) {
	d := newMemoryDisk()
	s := reopen(t, d)
	s.atlas.max = 0
	span := func(hour, trace int) Span {
		return Span{Trace: TraceID{1, byte(hour), byte(trace)}, ID: SpanID{1}, Service: "a", Name: "ask", Kind: Client,
			Start: noon.Add(time.Duration(hour) * time.Hour), Duration: time.Duration(trace+1) * time.Millisecond}
	}
	const hours, traces = 20, 3
	add := func(spans ...Span) {
		t.Helper()
		if err := s.AddSpans(spans); err != nil {
			t.Fatal(err)
		}
		settle(t, s, true)
	}
	for hour := range hours {
		add(span(hour, 0), span(hour, 1), span(hour, 2))
	}
	last := noon.Add((hours - 1) * time.Hour)
	for _, since := range []time.Time{{}, last} {
		if _, err := s.Traffic(t.Context(), since, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.atlas.places); n > traces+1 {
		t.Errorf("%d places are held for %d traces", n, traces)
	}
	below := span(hours-1, 2)
	below.ID, below.Parent, below.Service, below.Kind = SpanID{2}, below.ID, "b", Server
	add(below)
	got, err := s.Traffic(t.Context(), last, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := reopen(t, d).Traffic(t.Context(), last, time.Time{})
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(Spread{}, step{})); diff != "" || err != nil || len(got) != 1 {
		t.Errorf("%v %s", err, diff)
	}
}
