package telemetry

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"
)

// TestHostileTimes stores spans of all times and asks for them (I7).
func TestHostileTimes(t *testing.T) {
	s := open(t, Options{Rows: 4})
	times := []time.Time{{}, time.Unix(0, 0), time.Unix(-5, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(-400, 1, 1, 0, 0, 0, 0, time.UTC), noon}
	for i, at := range times {
		sp := Span{Trace: TraceID{15: byte(i + 1)}, ID: SpanID{7: 1}, Service: "a", Name: "x", Start: at, Duration: math.MaxInt64}
		back := sp // ends before it starts
		back.ID, back.Duration = SpanID{7: 2}, -time.Hour
		if err := s.AddSpans([]Span{sp, back}); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []Query{{}, {Sort: "duration"}, {Filter: "duration>1s"}, {Limit: 1}} {
		n := 0
		for {
			page, err := s.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range page.Traces {
				if n++; l.Spans != 2 || l.Duration < 0 {
					t.Errorf("%+v", l)
				}
			}
			if q.Cursor = page.Next; page.Next == "" || n > 100 {
				break
			}
		}
		want := len(times)
		if q.Filter != "" {
			want-- // the year 9999 is brought down to the last moment there is, where nothing can last
		}
		if n != want {
			t.Errorf("%+v: paged through %d traces, want %d", q, n, want)
		}
	}
	if page, err := s.Search(t.Context(), Query{Since: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}); err != nil || len(page.Traces) != 1 {
		t.Errorf("around noon %d traces, %v, want 1", len(page.Traces), err)
	}
}

// TestHugeTrace has one trace of 100,000 spans, of which each is the parent of the next and the last that
// of the first, and sends the first half of them again (I7).
func TestHugeTrace(t *testing.T) {
	s := open(t, Options{})
	const n = 100_000
	var spans []Span
	for i := range n {
		sp := Span{Trace: TraceID{1}, Service: "a", Name: "x", Start: noon.Add(time.Duration(i)), Duration: 1}
		binary.BigEndian.PutUint64(sp.ID[:], uint64(i+1))
		binary.BigEndian.PutUint64(sp.Parent[:], uint64((i+1)%n+1))
		spans = append(spans, sp)
	}
	for from := 0; from < n; from += 5000 {
		for _, part := range [][]Span{spans[from : from+5000], spans[from/2 : from/2+2500]} {
			err := s.AddSpans(part)
			for ; errors.Is(err, ErrFull); err = s.AddSpans(part) {
				time.Sleep(time.Millisecond) // the sealer needs a moment
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := s.Spans(t.Context(), TraceID{1})
	if err != nil || len(got) != n {
		t.Fatalf("%d spans, %v, want %d", len(got), err, n)
	}
	page, err := s.Search(t.Context(), Query{Filter: "trace.spans=100000"})
	if err != nil || len(page.Traces) != 1 || !page.Traces[0].Partial {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestHostileRequests sends what is no request, or holds spans that are none: nothing panics, good spans are
// kept and bad ones counted (I1).
func TestHostileRequests(t *testing.T) {
	s := open(t, Options{})
	good := call(1, noon)
	deep := any("x")
	for range 10_000 {
		deep = []any{deep}
	}
	many := make([]Attr, 100_000)
	for i := range many {
		many[i] = Attr{string(rune('a'+i%26)) + string(rune(i)), int64(i)}
	}
	for name, spoil := range map[string]func(*Span){
		"deep":     func(s *Span) { s.Attrs = []Attr{{"deep", deep}} },
		"many":     func(s *Span) { s.Attrs = many },
		"long":     func(s *Span) { s.Name = string(make([]byte, 2<<20)) },
		"no trace": func(s *Span) { s.Trace = TraceID{} },
		"no id":    func(s *Span) { s.ID = SpanID{} },
		"NUL":      func(s *Span) { s.Attrs = []Attr{{reserved[className], "x"}} },
		"event":    func(s *Span) { s.Events = []SpanEvent{{Attrs: []Attr{{"deep", deep}}}} },
	} {
		spoiled := append([]Span{}, good...)
		spoil(&spoiled[1])
		r, err := s.IngestTraces(EncodeSpans(spoiled))
		if err != nil || r.Accepted != 2 || r.Rejected != 1 || r.Err == "" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	body := EncodeSpans(good)
	before := s.Counts()
	for n := 1; n < len(body); n++ {
		if _, err := s.IngestTraces(body[:n]); err == nil && n < len(body) && s.Counts().Accepted-before.Accepted > 0 {
			before = s.Counts() // cut between two resources: whole ones stand
		}
		_, _ = s.IngestLogs(body[:n])
		_, _ = s.IngestTraces(body[n:])
	}
	if spans, err := s.Spans(t.Context(), good[0].Trace); err != nil || len(spans) != 3 && len(spans) != 2 {
		t.Errorf("%d spans, %v", len(spans), err)
	}
}

// TestBounds fills a store whose disk is stuck, and one whose disk is small: memory and disk stay in
// their bounds, senders are refused and told so (I4, I9).
func TestBounds(t *testing.T) {
	bodies, _ := newCorpus(1).batches(10_000)
	stuck, err := Open(t.TempDir(), Options{Memory: 8 << 20, Rows: 1000}) // no Run: nothing is ever written
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, b := range bodies {
			_, _ = stuck.IngestTraces(b)
		}
	}
	if c := stuck.Counts(); c.Refused == 0 || c.Memory > 8<<20 || c.Accepted == 0 || c.Accepted != c.Spans {
		t.Errorf("stuck: %+v", c)
	}

	small := open(t, Options{Disk: 8 << 20, Rows: 1000})
	for range 16 {
		for _, b := range bodies {
			for _, err := small.IngestTraces(b); err != nil; _, err = small.IngestTraces(b) {
				time.Sleep(time.Millisecond)
			}
			if c := small.Counts(); c.Bytes > 8<<20*105/100 {
				t.Fatalf("%d bytes on disk, at most %d are wanted", c.Bytes, 8<<20)
			}
		}
	}
	if c := small.Counts(); c.Expired == 0 || c.Spans == 0 || c.Dropped != 0 {
		t.Errorf("small: %+v", c)
	}
}

// TestExpireWhileAsked removes every segment while a query reads them: the query sees all, and the files
// go when it has ended (I9).
func TestExpireWhileAsked(t *testing.T) {
	d := newMemoryDisk()
	now := noon
	s, err := Open("store", Options{disk: d, Rows: 16, now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for n := range byte(10) {
		if err := s.AddSpans(call(n+1, noon)); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, s, true)
	n, files := 0, len(d.files)
	err = s.Scan(t.Context(), time.Time{}, time.Time{}, func(*Span) bool {
		if n++; n == 1 {
			now = now.Add(8 * 24 * time.Hour)
			s.retain(0)
			if len(d.files) != files {
				t.Errorf("%d files while a query reads, want %d", len(d.files), files)
			}
		}
		return true
	})
	if err != nil || n != 30 || len(d.files) != 0 {
		t.Errorf("scanned %d spans, %v, %d files left", n, err, len(d.files))
	}
	if c := s.Counts(); c.Spans != 0 || c.Expired != 30 {
		t.Errorf("%+v", c)
	}
}
