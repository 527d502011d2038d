// Package otlp receives what services send over OpenTelemetry's protocol, on HTTP and gRPC, and hands it
// on undecoded. It also passes it on to another endpoint, shows metrics to Prometheus, and serves what
// else is to be found at the same address.
package otlp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/internal/telemetry"
)

// Store keeps spans and logs. A body is an Export…ServiceRequest in protobuf that is not kept beyond the
// call. An error of [telemetry.ErrFull] makes the sender try again later; any other says that the body is
// malformed.
type Store interface {
	IngestTraces(body []byte) (telemetry.Result, error)
	IngestLogs(body []byte) (telemetry.Result, error)
}

// Metrics keeps metrics, see [Store]. Last returns each series that has a point since then, with its last
// point only.
type Metrics interface {
	IngestMetrics(body []byte) (telemetry.Result, error)
	Last(since time.Time) []telemetry.Series
}

// Receiver listens for exports. Its fields are set before Run and not changed after.
type Receiver struct {
	Store   Store
	Metrics Metrics      // nil: metrics are accepted and dropped
	HTTP    net.Listener // on loopback; nil: no OTLP/HTTP
	GRPC    net.Listener // on loopback; nil: no OTLP/gRPC
	Handler http.Handler // what HTTP serves below /api/: Jaeger's query API; nil: nothing

	Forward       string      // http, https, grpc or grpcs URL to which everything is passed on; "" none
	ForwardHeader http.Header // sent along, as OTEL_EXPORTER_OTLP_HEADERS would be

	Edges   func() []Edge  // what /metrics says of msctl's edges; nil: nothing
	Dropped func() Dropped // what was lost on the way to the store, for /metrics; nil: nothing is said
	Hosts   []string       // names beside localhost, 127.0.0.1 and [::1] under which it may be called

	MaxBytes int // of one body after decompression; 0 means 16 MiB
	MaxConns int // of each listener; beyond it the least recently used is closed; 0 means 1024

	Timeout time.Duration // in which a request must have arrived; 0 means 10 seconds

	Log *slog.Logger // nil: none

	counts counters
}

// Dropped counts what was taken and is not kept.
type Dropped struct {
	Edges int64 // calls over msctl's edges that found too much waiting
	Store int64 // spans and records that the disk did not take
}

// Counts says what a receiver has done since it was started.
type Counts struct {
	Requests  int64 // accepted, wholly or in part
	Full      int64 // refused because the store was full
	Malformed int64 // refused because of what they contain
	TooLarge  int64 // refused because of their size
	Rejected  int64 // spans, records and points dropped from accepted requests
	Evicted   int64 // connections closed to make room for others
	Forwarded int64 // requests passed on
	Dropped   int64 // requests not passed on: the other side was too slow, or refused them
}

type counters struct {
	requests, full, malformed, tooLarge, rejected, evicted, forwarded, dropped atomic.Int64
}

// Counts returns the current figures. It is safe to call at any time.
func (r *Receiver) Counts() Counts {
	c := &r.counts
	return Counts{
		Requests: c.requests.Load(), Full: c.full.Load(), Malformed: c.malformed.Load(), TooLarge: c.tooLarge.Load(),
		Rejected: c.rejected.Load(), Evicted: c.evicted.Load(), Forwarded: c.forwarded.Load(), Dropped: c.dropped.Load(),
	}
}

// drainTime is for requests that are under way when the receiver is told to end.
const drainTime = 2 * time.Second

// maxLarge is how many large bodies are held at once.
const maxLarge = 2

// server is a running receiver.
type server struct {
	*Receiver
	max     int
	timeout time.Duration
	log     *slog.Logger
	forward *forwarder    // nil: none
	decoded chan struct{} // held while a body is decoded into structs, which takes a multiple of its size
	large   chan struct{} // held by each large body
	bodies  sync.Pool     // of *body, small
	buffers sync.Pool     // of *[]byte, as large as any body may be
}

// Run serves until ctx ends and closes both listeners. What was received before is then stored; what waits
// to be passed on is dropped after a short while. An error at once is of Forward, see [CheckForward].
func (r *Receiver) Run(ctx context.Context) error {
	s, err := r.server()
	if err != nil {
		r.closeListeners()
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	if s.forward != nil {
		g.Go(func() error { return s.forward.run(ctx) })
	}
	if r.HTTP != nil {
		g.Go(func() error { return s.serveHTTP(ctx) })
	}
	if r.GRPC != nil {
		g.Go(func() error { return s.serveGRPC(ctx) })
	}
	return g.Wait()
}

func (r *Receiver) closeListeners() {
	for _, ln := range []net.Listener{r.HTTP, r.GRPC} {
		if ln != nil {
			ln.Close()
		}
	}
}

func (r *Receiver) server() (*server, error) {
	s := &server{
		Receiver: r,
		max:      cmp.Or(r.MaxBytes, 16<<20),
		timeout:  cmp.Or(r.Timeout, 10*time.Second),
		log:      cmp.Or(r.Log, slog.New(slog.DiscardHandler)),
		decoded:  make(chan struct{}, 1),
		large:    make(chan struct{}, maxLarge),
	}
	s.bodies.New = func() any { return new(body) }
	s.buffers.New = func() any {
		b := make([]byte, 0, s.max+1)
		return &b
	}
	if r.Forward == "" {
		return s, nil
	}
	f, err := newForwarder(r.Forward, r.ForwardHeader, &r.counts, s.log)
	s.forward = f
	return s, err
}

// listen bounds the connections of a listener.
func (s *server) listen(ln net.Listener) *listener {
	return &listener{Listener: ln, max: cmp.Or(s.MaxConns, 1024), evicted: &s.counts.evicted, conns: map[*conn]struct{}{}}
}

// ingest stores one request and passes it on.
func (s *server) ingest(sig signal, body []byte) (res telemetry.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("export not decoded", "err", fmt.Sprint(p))
			err = errors.New("decode request: it breaks the decoder")
		}
		s.count(res, err)
	}()
	res, err = s.hand(sig, body)
	if err == nil && s.forward != nil {
		s.forward.add(sig, body)
	}
	return res, err
}

func (s *server) hand(sig signal, body []byte) (telemetry.Result, error) {
	switch sig {
	case traces:
		return s.Store.IngestTraces(body)
	case logs:
		return s.Store.IngestLogs(body)
	}
	if s.Metrics == nil {
		return telemetry.Result{}, nil
	}
	s.decoded <- struct{}{}
	defer func() { <-s.decoded }()
	return s.Metrics.IngestMetrics(body)
}

func (s *server) count(res telemetry.Result, err error) {
	switch {
	case errors.Is(err, telemetry.ErrFull):
		s.counts.full.Add(1)
	case err != nil:
		s.counts.malformed.Add(1)
	default:
		s.counts.requests.Add(1)
		s.counts.rejected.Add(res.Rejected)
	}
}
