package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/desk"
	"msctl.dev/msctl/internal/telemetry/jaeger"
	"msctl.dev/msctl/internal/telemetry/otlp"
)

// metrics is the file of the metrics of a place.
func (p place) metrics() string { return filepath.Join(p.telemetry(), "metrics") }

// receiving is what takes and keeps the telemetry of a running fleet, and answers questions about it.
type receiving struct {
	store    *telemetry.Store
	metrics  *telemetry.MetricStore
	receiver *otlp.Receiver
	recorder *recorder
	facts    *facts
	desk     *desk.Desk
	mask     func(string) string // hides the secrets of the stack in answers

	end   context.CancelFunc
	ended sync.WaitGroup
}

// receive opens the store and listens where the services of the fleet send to. A stack with telemetry off
// has none: then nil is returned.
func (s *supervisor) receive() (*receiving, error) {
	http, grpc := s.fleet.Receiver()
	if http == 0 {
		return nil, nil
	}
	t := s.fleet.Stack().Telemetry
	store, err := telemetry.Open(s.place.telemetry(), telemetry.Options{Disk: t.Keep, Age: t.Age, Log: s.log})
	if err != nil {
		return nil, err
	}
	metrics := telemetry.OpenMetrics(s.place.metrics(), telemetry.MetricOptions{Log: s.log})
	r := &receiving{store: store, metrics: metrics, recorder: s.recorder, facts: &facts{}, mask: s.mask}
	r.receiver = &otlp.Receiver{Store: store, Metrics: hiddenMetrics{metrics, s.mask}, Forward: t.Forward, Edges: func() []otlp.Edge { return otlpEdges(s.fleet.Edges()) }, Log: s.log}
	r.receiver.Dropped = func() otlp.Dropped {
		return otlp.Dropped{Edges: r.recorder.dropped.Load(), Store: store.Counts().Dropped}
	}
	if r.receiver.HTTP, err = listenLocal(http); err != nil {
		return nil, fmt.Errorf("listen for OTLP/HTTP: %w", err)
	}
	if r.receiver.GRPC, err = listenLocal(grpc); err != nil {
		r.receiver.HTTP.Close()
		return nil, fmt.Errorf("listen for OTLP/gRPC: %w", err)
	}
	r.desk = s.app.desk(s.place, store, s.fleet)
	r.desk.Series, r.desk.Facts = metrics, r.facts.all
	r.desk.Printed = maskedPrinted{r.desk.Printed, s.mask}
	r.receiver.Handler = hidden(&jaeger.Handler{Store: store, Map: r.desk.Map}, s.mask)
	return r, nil
}

func listenLocal(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// run begins to receive. [receiving.stop] ends it.
func (r *receiving) run(ctx context.Context, s *supervisor) {
	ctx, r.end = context.WithCancel(ctx)
	keep, kept := context.WithCancel(context.WithoutCancel(ctx))
	var writers sync.WaitGroup
	writers.Go(func() { r.recorder.run(ctx, r.store) })
	writers.Go(func() {
		if err := r.receiver.Run(ctx); err != nil {
			s.log.Error("telemetry receiver ended", "err", err)
		}
	})
	r.ended.Go(func() {
		if err := r.store.Run(keep); err != nil {
			s.log.Error("telemetry store ended", "err", err)
		}
	})
	r.ended.Go(func() {
		if err := r.metrics.Run(keep); err != nil {
			s.log.Error("metrics not kept", "err", err)
		}
	})
	r.ended.Go(func() { r.facts.follow(ctx, s.fleet) })
	r.ended.Go(func() { // what was taken is kept before the store closes
		writers.Wait()
		kept()
	})
}

// stop returns when all that came is kept. A nil one has nothing to stop.
func (r *receiving) stop() {
	if r == nil {
		return
	}
	r.end()
	r.ended.Wait()
}

// ask answers a question that came over the control socket.
func (r *receiving) ask(ctx context.Context, verb string, body []byte) (any, error) {
	answer, err := r.desk.Answer(ctx, verb, body)
	switch {
	case errors.Is(err, desk.ErrUnknownVerb):
		return nil, fmt.Errorf("%w: %w", control.ErrUnknownQuestion, err)
	case errors.Is(err, desk.ErrQuestion):
		return nil, fmt.Errorf("%w: %w", control.ErrBadQuestion, err)
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("answer %s: %w", verb, err)
	}
	text, err = hideJSON(text, r.mask)
	return json.RawMessage(text), err
}

// otlpEdges is what /metrics says of the edges that msctl stands in.
func otlpEdges(edges []state.Edge) []otlp.Edge {
	var out []otlp.Edge
	for _, e := range edges {
		if e.Mesh {
			out = append(out, otlp.Edge{
				From: e.From, To: e.To, Protocol: e.Protocol, Requests: e.Requests, Errors: e.Errors, InFlight: e.InFlight, Open: e.Open,
				Sent: e.Sent, Received: e.Received, P50: e.P50, P95: e.P95, P99: e.P99,
			})
		}
	}
	return out
}

// maskedPrinted is what services printed, with secrets masked.
type maskedPrinted struct {
	desk.Printed
	mask func(string) string
}

// Read calls fn with every line of a unit since then.
func (m maskedPrinted) Read(ctx context.Context, unit string, since time.Time, fn func(time.Time, string) error) error {
	return m.Printed.Read(ctx, unit, since, func(at time.Time, text string) error { return fn(at, m.mask(text)) })
}
