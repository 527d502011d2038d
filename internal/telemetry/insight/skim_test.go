package insight

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// busy weaves many requests, of which a few fail, a few are slow on an edge, and a few ask again and again. Mixed
// ones hardly ever do the same twice.
func busy(n int, mixed bool) []telemetry.Span {
	var w weave
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		at := time.Duration(i) * 20 * ms
		switch {
		case i%400 == 7:
			order(&w, at, 0, true, "failed", "connection refused")
		case i > n/2 && i%25 == 3:
			order(&w, at, 300*ms, true)
		default:
			order(&w, at, time.Duration(i%7)*ms, true)
		}
		for k := range time.Duration(12) {
			if mixed && r.IntN(2) == 0 {
				w.edge(w.spans[len(w.spans)-1].Parent, "orders", fmt.Sprintf("part-%d", k), "GET /", (12+k)*ms, (13+k)*ms)
			}
		}
		if i%500 == 11 {
			r := w.edge(none, "gateway", "orders", "GET /carts", 0, 90*ms)
			for k := range time.Duration(9) {
				w.edge(r, "orders", "stock", "GET /stock/{id}", k*ms, (k+1)*ms)
			}
		}
		if i == 99 {
			w.begin(at)
			w.edge(none, "mailer", "payments", "GET /", 0, ms)
		}
	}
	return w.spans
}

// filled is a store of many segments with these spans.
func filled(t *testing.T, spans []telemetry.Span) *telemetry.Store {
	s, err := telemetry.Open(t.TempDir(), telemetry.Options{Rows: 2048})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	for part := range slices.Chunk(spans, 500) {
		for err := s.AddSpans(part); err != nil; err = s.AddSpans(part) {
			if err != telemetry.ErrFull {
				t.Fatal(err)
			}
		}
	}
	return s
}

// both reads a window by a sample and by all its spans.
func both(t *testing.T, s *telemetry.Store, since, until time.Time) (some, all *Window) {
	t.Helper()
	some, err := Skim(t.Context(), s, since, until)
	if err != nil {
		t.Fatal(err)
	}
	all, err = Look(t.Context(), s, since, until)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, tree := range some.traces {
		read += len(tree.spans)
	}
	if read > 3*sampled {
		t.Errorf("a sample has %d spans", read)
	}
	return some, all
}

// TestSkimLikeLook answers from a sample what all spans would.
func TestSkimLikeLook(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		t.Run(fmt.Sprint("mixed ", mixed), func(t *testing.T) { skimLikeLook(t, mixed) })
	}
}

func skimLikeLook(t *testing.T, mixed bool) {
	const n = 8_000
	s := filled(t, busy(n, mixed))
	half, end := noon.Add(n/2*20*ms), noon.Add(n*20*ms)
	some, all := both(t, s, half, end)
	someBefore, allBefore := both(t, s, noon, half)
	surveyLikeLook(t, s, allBefore, all)
	got, want := Why(Question{Asked: some, Before: someBefore}), Why(Question{Asked: all, Before: allBefore})
	if got.Total != want.Total || got.Failed != want.Failed || got.Slow != want.Slow {
		t.Errorf("got %d, %d failed, %d slow; want %d, %d, %d", got.Total, got.Failed, got.Slow, want.Total, want.Failed, want.Slow)
	}
	if len(got.Causes) != len(want.Causes) || len(want.Causes) == 0 {
		t.Fatalf("got %+v\nwant %+v", got.Causes, want.Causes)
	}
	for i, c := range want.Causes {
		if g := got.Causes[i]; g.Subject != c.Subject || math.Abs(g.Score-c.Score) > 0.05 || g.Evidence[0] != c.Evidence[0] {
			t.Errorf("got %+v\nwant %+v", g, c)
		}
	}
	found, wanted := some.Findings(shop(), Limits{}), all.Findings(shop(), Limits{})
	if !slices.Equal(kinds(found), kinds(wanted)) || !slices.Contains(kinds(found), "n+1 orders:stock") {
		t.Errorf("got %q\nwant %q", kinds(found), kinds(wanted))
	}
	for _, f := range found {
		i := slices.IndexFunc(wanted, func(w telemetry.Finding) bool { return w.Kind == f.Kind && w.Subject == f.Subject })
		if i >= 0 && math.Abs(float64(f.Count-wanted[i].Count)) > 0.2*float64(wanted[i].Count)+1 {
			t.Errorf("%s %s shows in %d traces, want %d", f.Kind, f.Subject, f.Count, wanted[i].Count)
		}
	}
}

// surveyLikeLook compares two windows by samples and by all their spans.
func surveyLikeLook(t *testing.T, s *telemetry.Store, before, after *Window) {
	t.Helper()
	var some [2]*Window
	for i, w := range []*Window{before, after} {
		var err error
		if some[i], err = Survey(t.Context(), s, w.Since, w.Until); err != nil {
			t.Fatal(err)
		}
	}
	got := map[operation]telemetry.DiffRow{}
	for _, r := range Compare(some[0], some[1]) {
		got[operation{r.Service, r.Name}] = r
	}
	close := func(a, b float64, part float64) bool { return math.Abs(a-b) <= part*math.Max(a, b) }
	for _, r := range Compare(before, after) {
		if r.CountA+r.CountB < 400 {
			continue
		}
		g := got[operation{r.Service, r.Name}]
		if !close(float64(g.CountA), float64(r.CountA), 0.1) || !close(float64(g.CountB), float64(r.CountB), 0.1) ||
			!close(float64(g.SelfA), float64(r.SelfA), 0.1) || !close(float64(g.SelfB), float64(r.SelfB), 0.1) {
			t.Errorf("got %+v\nwant %+v", g, r)
		}
	}
}
