package cli

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/telemetry"
)

// recorder turns the calls that went over edges into spans, and stores them some at a time. A call that
// finds it too busy is dropped and counted: nothing waits for it.
type recorder struct {
	calls   chan proxy.Call
	mask    func(string) string
	dropped atomic.Int64
}

const (
	callsWaiting = 8192
	callsAtOnce  = 512
	callsDelay   = 200 * time.Millisecond // until the first of a batch is stored
)

func newRecorder(mask func(string) string) *recorder {
	return &recorder{calls: make(chan proxy.Call, callsWaiting), mask: mask}
}

// record takes a call. It does not block.
func (r *recorder) record(c proxy.Call) {
	select {
	case r.calls <- c:
	default:
		r.dropped.Add(1)
	}
}

// run stores what was recorded until ctx ends, and then what is left.
func (r *recorder) run(ctx context.Context, store interface{ AddSpans([]telemetry.Span) error }) {
	for ctx.Err() == nil {
		var first []proxy.Call
		select {
		case c := <-r.calls:
			first = append(first, c)
		case <-ctx.Done():
		}
		r.store(store, r.gather(ctx, first))
	}
	r.store(store, r.gather(ctx, nil))
}

// gather adds to what has come what comes soon after, or where ctx has ended what is there.
func (r *recorder) gather(ctx context.Context, calls []proxy.Call) []proxy.Call {
	soon := time.NewTimer(callsDelay)
	defer soon.Stop()
	for len(calls) < callsAtOnce && ctx.Err() == nil {
		select {
		case c := <-r.calls:
			calls = append(calls, c)
		case <-soon.C:
			return calls
		case <-ctx.Done():
		}
	}
	for ctx.Err() != nil && len(r.calls) > 0 {
		calls = append(calls, <-r.calls)
	}
	return calls
}

func (r *recorder) store(store interface{ AddSpans([]telemetry.Span) error }, calls []proxy.Call) {
	if len(calls) == 0 {
		return
	}
	spans := make([]telemetry.Span, len(calls))
	for i, c := range calls {
		spans[i] = r.span(c)
	}
	if err := store.AddSpans(spans); err != nil {
		r.dropped.Add(int64(len(spans)))
	}
}

// edgeScope is the instrumentation scope of the spans that msctl itself records.
const edgeScope = "msctl"

// span is what the store keeps of a call: a span of the caller, or for a call from outside one of the
// service that was called.
func (r *recorder) span(c proxy.Call) telemetry.Span {
	s := telemetry.Span{
		Trace: c.Trace, ID: c.Span, Parent: c.Parent, Service: c.From, Name: r.mask(c.Name), Kind: kindOf(c.Kind),
		Start: c.Start, Duration: c.Duration, Edge: c.From + ":" + c.To, Scope: edgeScope,
		Attrs: []telemetry.Attr{{Key: "peer.service", Value: c.To}, {Key: "network.protocol.name", Value: c.Protocol}},
	}
	if c.From == "" {
		s.Service, s.Kind, s.Instance = c.To, telemetry.Server, c.Unit
	}
	if c.Err != "" {
		s.Status, s.Message = telemetry.Failed, r.mask(c.Err)
	}
	for _, a := range c.Attrs {
		s.Attrs = append(s.Attrs, telemetry.Attr{Key: a.Key, Value: r.value(a)})
	}
	say := func(key string, value any, when bool) {
		if when {
			s.Attrs = append(s.Attrs, telemetry.Attr{Key: key, Value: value})
		}
	}
	say("rpc.grpc.status_code", int64(c.Code), c.Protocol == "grpc")
	say("msctl.unit", c.Unit, c.Unit != "")
	say("msctl.sent", c.Sent, c.Sent > 0)
	say("msctl.received", c.Received, c.Received > 0)
	say("msctl.inferred", true, c.Inferred)
	say("msctl.faults", strings.Join(c.Faults, ", "), len(c.Faults) > 0)
	return s
}

// value is an attribute's value in the type that OpenTelemetry gives it.
func (r *recorder) value(a proxy.Attr) any {
	switch a.Key {
	case "http.response.status_code", "server.port", "messaging.batch.message_count":
		if n, err := strconv.ParseInt(a.Value, 10, 64); err == nil {
			return n
		}
	}
	return r.mask(a.Value)
}

func kindOf(k proxy.Kind) telemetry.Kind {
	switch k {
	case proxy.Producer:
		return telemetry.Producer
	case proxy.Consumer:
		return telemetry.Consumer
	}
	return telemetry.Client
}
