package telemetry

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"msctl.dev/msctl/internal/telemetry/filter"
	"pgregory.net/rapid"
)

// model is the store as one would first write it: a map of all spans, and a walk over it for each question.
type model struct{ spans map[[24]byte]Span }

func (m *model) add(s Span) {
	var k [24]byte
	copy(k[:], s.Trace[:])
	copy(k[16:], s.ID[:])
	m.spans[k] = s
}

func (m *model) trace(id TraceID) []Span {
	var out []Span
	for _, s := range m.spans {
		if s.Trace == id {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Span) int {
		return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return out
}

// search returns the ids of the traces that match, newest or longest first.
func (m *model) search(n *filter.Node, since, until time.Time, slow bool) (ids []TraceID) {
	lines := map[TraceID]TraceLine{}
	for _, s := range m.spans {
		if _, done := lines[s.Trace]; done {
			continue
		}
		spans := m.trace(s.Trace)
		line := lineOf(spans)
		if line.Start.Before(since) {
			continue
		}
		kind := Background
		if slices.ContainsFunc(spans, func(s Span) bool { return serves(s.Kind) || asks(&s) }) {
			kind = Request
		}
		value := func(key string, s *Span) (any, bool) {
			if key == "trace.kind" {
				return kind, true
			}
			return line.value(key, s)
		}
		if slices.ContainsFunc(spans, func(s Span) bool {
			in := !s.Start.Before(since) && (until.IsZero() || s.Start.Before(until))
			return in && n.Match(func(key string) (any, bool) { return value(key, &s) }, s.Text)
		}) {
			lines[s.Trace] = line
			ids = append(ids, s.Trace)
		}
	}
	slices.SortFunc(ids, func(a, b TraceID) int {
		c := lines[b].Start.Compare(lines[a].Start)
		if slow {
			c = cmp.Compare(lines[b].Duration, lines[a].Duration)
		}
		return cmp.Or(c, bytes.Compare(a[:], b[:]))
	})
	return ids
}

func lineOf(spans []Span) TraceLine {
	l := TraceLine{ID: spans[0].Trace, Start: spans[0].Start, Spans: len(spans), Services: []string{}, Partial: true}
	var end time.Time
	head := spans[0]
	for _, s := range spans {
		if e := s.Start.Add(s.Duration); e.After(end) {
			end = e
		}
		if s.Status == Failed {
			l.Errors++
		}
		if s.Parent == (SpanID{}) && l.Partial {
			head, l.Partial = s, false
		}
		if s.Service != "" && !slices.Contains(l.Services, s.Service) {
			l.Services = append(l.Services, s.Service)
		}
	}
	l.Duration, l.Service, l.Name = end.Sub(l.Start), head.Service, head.Name
	return l
}

var anyAttr = rapid.Custom(func(t *rapid.T) Attr {
	key := rapid.SampledFrom([]string{"a", "http.route", "n", "name", "list", "network.protocol.name"}).Draw(t, "key")
	return Attr{key, rapid.SampledFrom([]any{"x", "Xy", "", "http", int64(1), int64(7), 1.5, true, []any{"x", int64(7)}, []byte{1}, []Attr{{"in", "x"}}}).Draw(t, "value")}
})

var anySpan = rapid.Custom(func(t *rapid.T) Span {
	pick := func(name string, n int) int { return rapid.IntRange(0, n).Draw(t, name) }
	s := Span{Trace: TraceID{1, 15: byte(pick("trace", 5))}, ID: SpanID{1, 7: byte(pick("id", 6))},
		Service: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "service"), Name: rapid.SampledFrom([]string{"", "GET /x", "x"}).Draw(t, "name"),
		Kind: Kind(pick("kind", 5)), Status: Status(pick("status", 2)), Duration: time.Duration(pick("dur", 4)) * 100 * time.Millisecond,
		Start: noon.Add(time.Duration(pick("start", 20)) * 100 * time.Millisecond)}
	if pick("root", 1) == 1 {
		s.Parent = SpanID{1, 7: byte(pick("parent", 6))}
	}
	if s.Status == Failed {
		s.Message = rapid.SampledFrom([]string{"", "lost x"}).Draw(t, "message")
	}
	if pick("edge", 3) == 0 {
		s.Edge = "a:b"
	}
	s.Attrs = unique(rapid.SliceOfN(anyAttr, 0, 3).Draw(t, "attrs"))
	if pick("resource", 2) == 0 {
		s.Resource = unique(rapid.SliceOfN(anyAttr, 0, 2).Draw(t, "resource"))
	}
	if pick("event", 4) == 0 {
		s.Events = []SpanEvent{{Time: s.Start, Name: "retry", Attrs: []Attr{{"why", "x Y"}}}}
	}
	return s
})

var anyFilter = rapid.Custom(func(t *rapid.T) string {
	term := rapid.SampledFrom([]string{"service=a", "service!=a", "service:A", "service~^b$", "service=*", "-service=*", "name=x", `name=""`, "name:get", "kind=client", "status=error", "status!=error", "-status=error",
		"duration>200ms", "duration<=100ms", "a=x", "a!=x", "a=7", "a>1", "a:x", "a~^x", "a=*", "-a=*", "n=1", "n>=1.5", "list=7", "http.route=x", "edge=a:b", "edge=*", "message:lost", "message=*",
		"x", "retry", "trace.spans>2", "trace.errors=0", "-trace.errors=0", "trace.duration>1s", "trace.service=a", "trace.kind=request", "-trace.kind=request", "parent=*", "span=0100000000000003", "trace=01000000000000000000000000000002", "trace~02$"})
	one := func(name string) string { return term.Draw(t, name) }
	switch rapid.IntRange(0, 4).Draw(t, "shape") {
	case 0:
		return ""
	case 1:
		return one("a")
	case 2:
		return one("a") + " " + one("b")
	case 3:
		return "(" + one("a") + " OR " + one("b") + ") " + one("c")
	}
	return "-(" + one("a") + " " + one("b") + ") " + one("c")
})

// TestStoreLikeModel adds spans, writes segments and opens the store again in any order, and asks both the
// store and the model.
func TestStoreLikeModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newMemoryDisk()
		s := reopen(t, d)
		m := &model{spans: map[[24]byte]Span{}}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				spans := rapid.SliceOfN(anySpan, 1, 8).Draw(t, "spans")
				if err := s.AddSpans(spans); err != nil {
					t.Fatal(err)
				}
				for _, sp := range spans {
					m.add(sp)
				}
			},
			"seal": func(t *rapid.T) { settle(t, s, true) },
			"open": func(t *rapid.T) {
				settle(t, s, false)
				s = reopen(t, d)
			},
			"search": func(t *rapid.T) { searchBoth(t, s, m) },
			"spans": func(t *rapid.T) {
				id := TraceID{1, 15: byte(rapid.IntRange(0, 5).Draw(t, "of"))}
				got, err := s.Spans(context.Background(), id)
				want := m.trace(id)
				if (err == nil) != (len(want) > 0) || !sameSpans(got, want) {
					t.Fatalf("trace %v: got %+v, %v\nwant %+v", id, got, err, want)
				}
			},
		})
	})
}

func searchBoth(t *rapid.T, s *Store, m *model) {
	text := anyFilter.Draw(t, "filter")
	n, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := Query{Filter: text, Limit: rapid.IntRange(1, 4).Draw(t, "limit"), Since: noon.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "since")) * 100 * time.Millisecond)}
	if rapid.Bool().Draw(t, "until") {
		q.Until = q.Since.Add(time.Second)
	}
	slow := rapid.Bool().Draw(t, "slow")
	if slow {
		q.Sort = "duration"
	}
	want := m.search(n, q.Since, q.Until, slow)
	var got []TraceID
	for page := 0; ; page++ {
		p, err := s.Search(context.Background(), q)
		if err != nil || page > 10 {
			t.Fatal(page, err)
		}
		for _, l := range p.Traces {
			got = append(got, l.ID)
			if w := lineOf(m.trace(l.ID)); fmt.Sprint(w) != fmt.Sprint(l) {
				t.Fatalf("line %+v, want %+v", l, w)
			}
		}
		if q.Cursor = p.Next; p.Next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s since %v until %v: got %v, want %v", text, q.Since, q.Until, got, want)
	}
}
