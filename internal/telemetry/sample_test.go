package telemetry

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sampleBoth compares what a sample reads where there is room for all with a walk over all spans, and what it
// counts where there is not.
func sampleBoth(t *rapid.T, s *Store, since, until time.Time) {
	ctx := context.Background()
	line := func(s *Span) string {
		return fmt.Sprint(s.Trace, s.ID, s.Parent, s.Service, s.Edge, s.Kind, s.Status, s.Start, s.Duration, s.Attrs)
	}
	var want, got []string
	err := s.ScanKeys(ctx, since, until, callKeys[:], func(s *Span) bool {
		want = append(want, line(s))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Sample(ctx, since, until, callKeys[:], 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all.Groups {
		for _, trace := range g.Traces {
			for i := range trace {
				got = append(got, line(&trace[i]))
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := gocmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if since.IsZero() {
		sampleCounts(t, s)
	}
}

// sampleCounts compares how many traces a sample counts with how many there are.
func sampleCounts(t *rapid.T, s *Store) {
	type counts struct{ All, Asked, Broke int }
	traces := map[TraceID]counts{}
	_ = s.ScanKeys(context.Background(), time.Time{}, time.Time{}, nil, func(s *Span) bool {
		c := traces[s.Trace]
		b := badgeOf(s)
		traces[s.Trace] = counts{1, max(c.Asked, int(b&badgeAsked/badgeAsked)), max(c.Broke, int(b&badgeBroke/badgeBroke))}
		return true
	})
	var want, got counts
	for _, c := range traces {
		want = counts{want.All + 1, want.Asked + c.Asked, want.Broke + c.Broke}
	}
	some, err := s.Sample(context.Background(), time.Time{}, time.Time{}, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range some.Groups {
		got.All += g.Count
		if g.Asked {
			got.Asked += g.Count
		}
		if g.Broke {
			got.Broke += g.Count
		}
	}
	if got != want {
		t.Fatalf("counted %+v, want %+v", got, want)
	}
}

// TestSampleIsSmall reads few spans of many, few segments, and every group.
func TestSampleIsSmall(t *testing.T) {
	s, err := Open(t.TempDir(), Options{Rows: 1024, Chunk: 256})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	c := newCorpus(3)
	for range 4000 {
		spans := c.trace(nil)
		switch c.n {
		case 2000:
			spans[0].Duration = time.Hour
		case 3000:
			spans = []Span{c.one(TraceID{9}, SpanID{}, 3, Client, "AUDIT", "/", noon.Add(3*time.Second), time.Microsecond)}
			spans[0].Edge = "inventory:audit"
		}
		for err := s.AddSpans(spans); err != nil; err = s.AddSpans(spans) {
			if err != ErrFull {
				t.Fatal(err)
			}
		}
	}
	const about = 3000
	got, err := s.Sample(ctx, time.Time{}, time.Time{}, nil, about)
	if err != nil {
		t.Fatal(err)
	}
	read, count, slowest, rare := 0, 0, false, false
	for _, g := range got.Groups {
		count += g.Count
		for _, trace := range g.Traces {
			read += len(trace)
			slowest = slowest || slices.ContainsFunc(trace, func(s Span) bool { return s.Duration == time.Hour })
			rare = rare || trace[0].Edge != ""
		}
	}
	if read > 4*about || read < about/4 || count != 4000 || !slowest || !rare {
		t.Errorf("read %d spans for %d traces, the slowest: %v, the rare call: %v", read, count, slowest, rare)
	}
	if len(got.Speaks) != len(fleet) {
		t.Errorf("%q speak", got.Speaks)
	}
}

// TestSampleDrawsTheNewest draws what came last, and what is drawn already stays.
func TestSampleDrawsTheNewest(t *testing.T) {
	s := reopen(t, newMemoryDisk())
	for i := range 4 {
		if err := s.AddSpans([]Span{{Trace: TraceID{1, byte(i)}, ID: SpanID{1}, Service: "a", Start: noon.Add(time.Duration(i) * time.Second)}}); err != nil {
			t.Fatal(err)
		}
		settle(t, s, true)
	}
	numbers := func(most int) (out []uint64) {
		blocks, done := s.spans.blocks()
		defer done()
		for _, v := range s.atlas.newest(volumesOf(blocks), windowOf(time.Time{}, time.Time{}), most) {
			out = append(out, v.seq)
		}
		return out
	}
	all := numbers(4)
	if len(all) != 4 || all[0] < all[3] {
		t.Fatalf("got %d", all)
	}
	for most, want := range []int{1, 1, 2, 3} {
		if got := numbers(most); !slices.Equal(got, all[:want]) {
			t.Errorf("of %d rows: got %d, want %d", most, got, all[:want])
		}
	}
	blocks, done := s.spans.blocks()
	err := s.atlas.draw(t.Context(), volumesOf(blocks)[:2], windowOf(time.Time{}, time.Time{}))
	done()
	if got := numbers(2); err != nil || !slices.Equal(got, all[:2]) {
		t.Errorf("after a sample of two: got %d, %v: the next one draws others", got, err)
	}
	if _, err := s.Traffic(t.Context(), time.Time{}, noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := numbers(0); !slices.Equal(got, all) {
		t.Errorf("after a map: got %d, want %d", got, all)
	}
}
