package proxy

import "time"

// Call is one request, query, command or message that went over an edge. It is recorded when it has ended.
type Call struct {
	From, To string // of the edge; From "" is outside
	Protocol string // "http", "grpc", "postgres", "redis", "amqp", "nats", "tcp"
	Unit     string // the replica that answered: "orders-2"
	Kind     Kind

	Trace    [16]byte
	Span     [8]byte // of this call
	Parent   [8]byte // zero: it is a root
	Sampled  bool
	Inferred bool // the parent was not sent by the caller: it is the only request that the caller had in flight

	Name     string // "GET /v1/orders", "SELECT orders", "publish email.queue", "GET"
	Start    time.Time
	Duration time.Duration
	Code     int    // HTTP status or gRPC code; 0 where there is none
	Err      string // why it failed; "" it did not
	Sent     int64  // bytes of the request
	Received int64  // bytes of the answer

	Attrs  []Attr   // read-only: calls may share them
	Faults []string // that acted on it
}

// Attr is one attribute of a call, under the names of OpenTelemetry's semantic conventions.
type Attr struct{ Key, Value string }

// Kind says which part of a conversation a call is.
type Kind uint8

// The kinds of calls.
const (
	Client   Kind = iota // a question with its answer
	Producer             // a message that the caller handed over
	Consumer             // a message that the caller was given
)
