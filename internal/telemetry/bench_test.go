package telemetry

import (
	"context"
	"encoding/binary"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// stock fills a store with n spans as its senders do: who is refused tries again.
func stock(b *testing.B, s *Store, n int) {
	b.Helper()
	bodies, k := newCorpus(1).batches(200_000)
	marks := marksOf(bodies)
	for gen := 0; gen*k < n; gen++ {
		send(s, bodies, marks, gen)
	}
}

// send sends every request once, with ids of its own for each round.
func send(s *Store, bodies [][]byte, marks [][]int, round int) {
	for i, body := range bodies {
		for _, at := range marks[i] {
			binary.BigEndian.PutUint32(body[at:], uint32(round))
		}
		for _, err := s.IngestTraces(body); err != nil; _, err = s.IngestTraces(body) {
			time.Sleep(time.Millisecond)
		}
	}
}

// BenchmarkIngest tells the CPU time of a million spans from the request to the segment on the disk.
func BenchmarkIngest(b *testing.B) {
	bodies, n := newCorpus(1).batches(200_000)
	marks := marksOf(bodies)
	s, stop := running(b, b.TempDir())
	began, spans := cpu(), 0
	for gen := 0; b.Loop(); gen++ {
		send(s, bodies, marks, gen)
		spans += n
	}
	stop()
	used := cpu() - began
	c := s.Counts()
	b.ReportMetric(used.Seconds()*1e6/float64(spans), "cpu-s/M")
	b.ReportMetric(float64(c.Bytes)/float64(c.Spans), "disk-B/span")
	b.ReportMetric(float64(spans)/b.Elapsed().Seconds(), "spans/s")
	b.ReportMetric(float64(c.Memory)/1e6, "MB")
}

// marksOf finds the trace ids, of which each round changes four bytes.
func marksOf(bodies [][]byte) [][]int {
	out := make([][]int, len(bodies))
	for i, body := range bodies {
		for at := 0; at+18 < len(body); at++ {
			if body[at] == 0x0a && body[at+1] == 16 && body[at+18] == 0x12 && body[at+19] == 8 {
				out[i] = append(out[i], at+2+12)
				at += 18
			}
		}
	}
	return out
}

func running(b *testing.B, dir string) (*Store, func()) {
	b.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, func() { cancel(); <-ended }
}

// BenchmarkSearch asks a store of a million spans, or of TELEMETRY_SPANS.
func BenchmarkSearch(b *testing.B) {
	n := 1_000_000
	if v, err := strconv.Atoi(os.Getenv("TELEMETRY_SPANS")); err == nil {
		n = v
	}
	dir := b.TempDir()
	s, stop := running(b, dir)
	stock(b, s, n)
	stop()
	began := time.Now()
	s, stop = running(b, dir)
	defer stop()
	b.Logf("opened %d spans, %d bytes, in %v", s.Counts().Spans, s.Counts().Bytes, time.Since(began))
	page, err := s.Search(b.Context(), Query{Until: noon.Add(time.Second)})
	if err != nil || len(page.Traces) == 0 {
		b.Fatal(err, page)
	}
	old := page.Traces[0].ID
	for _, q := range []struct {
		name string
		Query
	}{{"list", Query{}}, {"attr", Query{Filter: "service=orders duration>5ms user.id=u-00042"}}, {"rare", Query{Filter: "order.id=o-000000001"}},
		{"errors", Query{Filter: "status=error service=email duration>20ms"}}, {"regexp", Query{Filter: `url.path~"/api/item/77.*1$" service=cart`}},
		{"text", Query{Filter: "u-00042 service=users"}}, {"slowest", Query{Sort: "duration", Filter: "service=reviews"}}} {
		b.Run(q.name+"/cold", func(b *testing.B) {
			began := cpu()
			defer func() { b.ReportMetric((cpu()-began).Seconds()*1e3/float64(b.N), "cpu-ms/op") }()
			for b.Loop() {
				s.cache.clear()
				if _, err := s.Search(b.Context(), q.Query); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(q.name+"/hot", func(b *testing.B) {
			began := cpu()
			defer func() { b.ReportMetric((cpu()-began).Seconds()*1e3/float64(b.N), "cpu-ms/op") }()
			for b.Loop() {
				if _, err := s.Search(b.Context(), q.Query); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("trace/cold", func(b *testing.B) {
		for b.Loop() {
			s.cache.clear()
			if _, err := s.Spans(b.Context(), old); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if err := s.Scan(b.Context(), time.Time{}, time.Time{}, func(*Span) bool { n++; return n < 200_000 }); err != nil {
				b.Fatal(err)
			}
		}
	})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.Logf("heap %d MB in use, %d MB from the system", m.HeapInuse>>20, m.Sys>>20)
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byKey, c.bytes = nil, 0
	c.order.Init()
}

// BenchmarkEncode writes one span as msctl's own edges record it.
func BenchmarkEncode(b *testing.B) {
	spans := make([]Span, 512)
	for i := range spans {
		spans[i] = Span{Trace: TraceID{1, byte(i)}, ID: SpanID{byte(i), 1}, Service: "orders", Name: "GET /v1/orders", Kind: Client, Start: noon, Duration: 1000, Edge: "orders:payments", Scope: "msctl",
			Attrs: []Attr{{"peer.service", "payments"}, {"http.request.method", "GET"}, {"http.response.status_code", int64(200)}, {"msctl.unit", "payments-1"}, {"msctl.received", int64(4711)}}}
	}
	b.ReportAllocs()
	for b.Loop() {
		EncodeSpans(spans)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(spans)), "ns/span")
}

// BenchmarkTraffic adds up the calls of a million spans: of some of them, after a few spans more, and from
// the start.
func BenchmarkTraffic(b *testing.B) {
	dir := b.TempDir()
	s, stop := running(b, dir)
	stock(b, s, 1_000_000)
	stop()
	s, stop = running(b, dir)
	defer stop()
	ask := func(since time.Time) {
		if _, err := s.Traffic(b.Context(), since, time.Time{}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		began := cpu()
		for b.Loop() {
			s.cache.clear()
			s.atlas = atlas{max: s.atlas.max}
			ask(time.Time{})
		}
		b.ReportMetric((cpu()-began).Seconds()*1e3/float64(b.N), "cpu-ms/op")
		size := int64(len(s.atlas.places)) * 48
		for _, c := range s.atlas.charts {
			size += c.bytes()
		}
		b.ReportMetric(float64(size)/1e6, "MB")
	})
	b.Run("window", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			ask(noon.Add(time.Duration(n%90) * time.Second / 10))
		}
	})
	bodies, _ := newCorpus(2).batches(200_000)
	b.Run("more", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			if _, err := s.IngestTraces(bodies[n%len(bodies)]); err != nil && err != ErrFull {
				b.Fatal(err)
			}
			ask(time.Time{})
		}
	})
}

// BenchmarkSample reads some traces of a million spans, with the columns that it needs in memory and without.
func BenchmarkSample(b *testing.B) {
	s, stop := running(b, b.TempDir())
	defer stop()
	stock(b, s, 1_000_000)
	if _, err := s.Traffic(b.Context(), time.Time{}, time.Time{}); err != nil {
		b.Fatal(err)
	}
	for _, way := range []string{"hot", "unpacked anew"} {
		b.Run(way, func(b *testing.B) {
			read, began := 0, cpu()
			for b.Loop() {
				if way != "hot" {
					s.cache.clear()
				}
				got, err := s.Sample(b.Context(), time.Time{}, time.Time{}, callKeys[:], 6000)
				if err != nil {
					b.Fatal(err)
				}
				read = 0
				for _, g := range got.Groups {
					for _, t := range g.Traces {
						read += len(t)
					}
				}
			}
			b.ReportMetric((cpu()-began).Seconds()*1e3/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(read), "spans")
		})
	}
}
