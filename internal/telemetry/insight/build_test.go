package insight

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"go.uber.org/goleak"
	"msctl.dev/msctl/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when every trace of the tests begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// weave makes the spans of traces.
type weave struct {
	spans []telemetry.Span
	next  uint64
	trace telemetry.TraceID
	at    time.Time // start of the trace
}

// begin starts a new trace, after noon.
func (w *weave) begin(after time.Duration) {
	w.next++
	binary.BigEndian.PutUint64(w.trace[:], w.next)
	w.at = noon.Add(after)
}

// span adds a span that runs from one offset of the trace to another and returns its id.
func (w *weave) span(parent telemetry.SpanID, service, name string, kind telemetry.Kind, from, to time.Duration, attrs ...string) telemetry.SpanID {
	w.next++
	var id telemetry.SpanID
	binary.BigEndian.PutUint64(id[:], w.next)
	s := telemetry.Span{Trace: w.trace, ID: id, Parent: parent, Service: service, Name: name, Kind: kind, Start: w.at.Add(from), Duration: to - from}
	for i := 0; i+1 < len(attrs); i += 2 {
		switch attrs[i] {
		case "edge":
			s.Edge = attrs[i+1]
		case "failed":
			s.Status, s.Message = telemetry.Failed, attrs[i+1]
		default:
			s.Attrs = append(s.Attrs, telemetry.Attr{Key: attrs[i], Value: attrs[i+1]})
		}
	}
	w.spans = append(w.spans, s)
	return id
}

// edge adds what the edge between two records.
func (w *weave) edge(parent telemetry.SpanID, from, to, name string, begin, end time.Duration, attrs ...string) telemetry.SpanID {
	return w.span(parent, from, name, telemetry.Client, begin, end, append([]string{"edge", from + ":" + to, "network.protocol.name", "http"}, attrs...)...)
}

const ms = time.Millisecond

var none telemetry.SpanID

// shop is the stack of the tests.
func shop() *Topology {
	return &Topology{
		Services:  []string{"gateway", "orders", "payments", "stock", "mailer"},
		Resources: map[string]string{"orders-db": "postgres", "broker": "rabbitmq", "cache": "redis"},
		Edges: []Declared{
			{"gateway", "orders", "http", true}, {"orders", "payments", "http", true}, {"orders", "stock", "http", true},
			{"orders", "orders-db", "postgres", true}, {"orders", "broker", "rabbitmq", true}, {"mailer", "broker", "rabbitmq", true},
		},
		Addrs: map[string]string{"127.0.0.1:7001": "payments", "127.0.0.1:7002": "orders-db"},
	}
}

// flows is what a store tells of these spans.
func flows(t interface {
	Fatal(...any)
	TempDir() string
}, spans []telemetry.Span) []telemetry.Flow {
	s, err := telemetry.Open(t.TempDir(), telemetry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddSpans(spans); err != nil {
		t.Fatal(err)
	}
	all, err := s.Traffic(context.Background(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
