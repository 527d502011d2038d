package telemetry

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// calling draws spans of which many are parents of each other, some of them too far away to be.
var calling = rapid.Custom(func(t *rapid.T) Span {
	pick := func(name string, n int) int { return rapid.IntRange(0, n).Draw(t, name) }
	s := Span{Trace: TraceID{1, 15: byte(pick("trace", 3))}, ID: SpanID{1, 7: byte(pick("id", 12))}, Name: "x",
		Service: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "service"), Kind: Kind(pick("kind", 5)), Status: Status(pick("status", 2)),
		Duration: time.Duration(pick("dur", 1000)) * time.Millisecond, Start: noon.Add(time.Duration(pick("start", 20)) * 7 * time.Second)}
	if pick("root", 3) > 0 {
		s.Parent = SpanID{1, 7: byte(pick("parent", 12))}
	}
	s.Edge = rapid.SampledFrom([]string{"", "", "", "a:b", ":c", "odd"}).Draw(t, "edge")
	for _, key := range callKeys {
		if pick(key, 5) == 0 {
			s.Attrs = append(s.Attrs, Attr{key, rapid.SampledFrom([]any{"x", "localhost", int64(80)}).Draw(t, "value")})
		}
	}
	if pick("resource", 3) == 0 {
		s.Resource = []Attr{{"peer.service", "r"}}
	}
	return s
})

// flowsOf is what Traffic answers, as one would first write it.
func flowsOf(all []Span, since, until time.Time) []Flow {
	took := map[Call][]time.Duration{}
	flows := map[Call]*Flow{}
	for i := range all {
		s := &all[i]
		c, ok := callIn(all, s)
		if !ok || s.Start.Before(since) || !until.IsZero() && !s.Start.Before(until) {
			continue
		}
		f := flows[c]
		if f == nil {
			f = &Flow{Call: c}
			flows[c] = f
		}
		took[c] = append(took[c], s.Duration)
		list := &f.Fine
		if s.Status == Failed {
			f.Errors++
			list = &f.Failed
		}
		*list = append(*list, Example{s.Start.UnixNano(), s.Trace})
	}
	var out []Flow
	for c, f := range flows {
		for _, d := range took[c] {
			at := stepFrom(levelOf(int64(d)))
			f.Took.Add(&Spread{[]step{{levelOf(int64(d)), 1, uint64(int64(d) - at)}}})
		}
		f.Failed, f.Fine = firstFew(f.Failed), firstFew(f.Fine)
		out = append(out, *f)
	}
	return out
}

func firstFew(all []Example) (out []Example) {
	slices.SortFunc(all, func(a, b Example) int {
		return cmp.Or(cmp.Compare(a.At, b.At), bytes.Compare(a.Trace[:], b.Trace[:]))
	})
	for _, e := range all {
		if !slices.ContainsFunc(out, func(o Example) bool { return o.Trace == e.Trace }) && len(out) < maxExamples {
			out = append(out, e)
		}
	}
	return out
}

// callIn is the call that one span of many tells.
func callIn(all []Span, s *Span) (Call, bool) {
	c := roleOf(s).call
	var first *Span
	crossed, below := false, false
	for i := range all {
		o := &all[i]
		apart := max(o.Start.Sub(s.Start), s.Start.Sub(o.Start)) > time.Duration(near)
		if o.Trace != s.Trace || o.ID == s.ID || apart {
			continue
		}
		below = below || o.ID == s.Parent
		if o.Parent != s.ID {
			continue
		}
		crossed = crossed || o.Edge != ""
		if o.Edge == "" && o.Kind == Server && o.Service != s.Service {
			if first == nil || cmp.Or(o.Start.Compare(first.Start), strings.Compare(o.Service, first.Service)) < 0 {
				first = o
			}
		}
	}
	switch c.Sort {
	case Entered:
		return c, !below
	case Asked:
		if first != nil {
			c.To = first.Service
		}
		return c, !crossed && (c.To != "" || c.Peer != Peer{})
	}
	return c, c.Sort != 0
}

// TestTrafficLikeScan adds spans in any order, some of them twice, writes segments, removes them, opens the store
// again and forgets charts, and compares what is added up with a walk over all spans.
func TestTrafficLikeScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newMemoryDisk()
		s := reopen(t, d)
		forget := rapid.Bool().Draw(t, "forget")
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				if err := s.AddSpans(rapid.SliceOfN(calling, 1, 12).Draw(t, "spans")); err != nil {
					t.Fatal(err)
				}
			},
			"seal":  func(t *rapid.T) { settle(t, s, true) },
			"evict": func(t *rapid.T) { s.spans.evict() },
			"open": func(t *rapid.T) {
				settle(t, s, false)
				s = reopen(t, d)
			},
			"ask": func(t *rapid.T) {
				if forget {
					s.atlas.max = 0
				}
				since := noon.Add(time.Duration(rapid.IntRange(-1, 20).Draw(t, "since")) * 7 * time.Second)
				until := since.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "long")) * 7 * time.Second)
				if rapid.Bool().Draw(t, "all") {
					since, until = time.Time{}, time.Time{}
				}
				trafficBoth(t, s, since, until)
				sampleBoth(t, s, since, until)
			},
		})
	})
}

func trafficBoth(t *rapid.T, s *Store, since, until time.Time) {
	var all []Span
	err := s.ScanKeys(context.Background(), time.Time{}, time.Time{}, callKeys[:], func(s *Span) bool {
		all = append(all, *s)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Traffic(context.Background(), since, until)
	if err != nil {
		t.Fatal(err)
	}
	want := flowsOf(all, since, until)
	order := func(a, b Flow) int { return a.compare(&b.Call) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if d := gocmp.Diff(want, got, gocmp.AllowUnexported(Spread{}, step{}), cmpopts.EquateEmpty()); d != "" {
		t.Fatal(d)
	}
}

// TestTrafficWhileSpansCome asks while spans are added and segments are written: no number ever falls, and the
// last is right.
func TestTrafficWhileSpansCome(t *testing.T) {
	s, err := Open(t.TempDir(), Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { _ = s.Run(ctx) })
	const rounds, size = 200, 16
	sent := make(chan struct{})
	all.Go(func() {
		defer close(sent)
		for n := 0; n < rounds && ctx.Err() == nil; {
			spans := make([]Span, size)
			for i := range spans {
				spans[i] = Span{Trace: TraceID{1, byte(i)}, ID: SpanID{1, byte(n), byte(i)}, Service: "a", Edge: "a:b", Kind: Client, Start: noon, Duration: time.Millisecond}
			}
			if s.AddSpans(spans) == nil {
				n++
			}
		}
	})
	last := int64(0)
	for more := true; more; {
		select {
		case <-sent:
			more = false
		default:
		}
		flows, err := s.Traffic(ctx, time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if len(flows) > 0 {
			if n := flows[0].Took.Count(); n < last || len(flows) > 1 {
				t.Fatalf("%d calls after %d, %d flows", n, last, len(flows))
			} else {
				last = n
			}
		}
	}
	if last != rounds*size {
		t.Errorf("%d calls, want %d", last, rounds*size)
	}
}
