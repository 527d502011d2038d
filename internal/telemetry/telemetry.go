// Package telemetry keeps what the services of a stack say of themselves, and what msctl saw on the edges
// between them: spans, logs and metrics. It imports nothing of msctl but its own sub-packages.
package telemetry

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// TraceID is the id of one trace. The zero value is none.
type TraceID [16]byte

// SpanID is the id of one span. The zero value is none.
type SpanID [8]byte

// String returns 32 hexadecimal digits, or "" for none.
func (id TraceID) String() string { return text(id[:], id == TraceID{}) }

// String returns 16 hexadecimal digits, or "" for none.
func (id SpanID) String() string { return text(id[:], id == SpanID{}) }

// MarshalText returns the same as String.
func (id TraceID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the same as String.
func (id SpanID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *TraceID) UnmarshalText(b []byte) error { return parse(id[:], b) }

// UnmarshalText reads what MarshalText wrote.
func (id *SpanID) UnmarshalText(b []byte) error { return parse(id[:], b) }

func text(id []byte, none bool) string {
	if none {
		return ""
	}
	return hex.EncodeToString(id)
}

func parse(id, b []byte) error {
	if len(b) == 0 {
		clear(id)
		return nil
	}
	if len(b) != 2*len(id) {
		return fmt.Errorf("read id %q: want %d hexadecimal digits", b, 2*len(id))
	}
	if _, err := hex.Decode(id, b); err != nil {
		return fmt.Errorf("read id %q: %w", b, err)
	}
	return nil
}

// Kind says which side of a call a span is. The numbers are OTLP's.
type Kind uint8

// The kinds of spans.
const (
	Unspecified Kind = iota
	Internal
	Server
	Client
	Producer
	Consumer
)

// Status says how a span ended. The numbers are OTLP's.
type Status uint8

// The ways in which a span ends.
const (
	Unset Status = iota
	OK
	Failed
)

// Attr is one attribute. Value is a string, bool, int64, float64, []byte, []any of these, or []Attr.
type Attr struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// Span is one operation of a trace. It is read-only once it is stored or answered.
type Span struct {
	Trace    TraceID       `json:"trace"`
	ID       SpanID        `json:"id"`
	Parent   SpanID        `json:"parent,omitzero"`
	Service  string        `json:"service"`            // service.name of the resource
	Instance string        `json:"instance,omitempty"` // service.instance.id: the unit, "orders-2"
	Name     string        `json:"name"`
	Kind     Kind          `json:"kind"`
	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration"` // ns in JSON
	Status   Status        `json:"status"`
	Message  string        `json:"message,omitempty"` // of a failed status
	Edge     string        `json:"edge,omitempty"`    // "orders:payments" where msctl's own edge recorded it; attribute msctl.edge
	Scope    string        `json:"scope,omitempty"`   // instrumentation scope
	Attrs    []Attr        `json:"attrs,omitempty"`
	Resource []Attr        `json:"resource,omitempty"`
	Events   []SpanEvent   `json:"events,omitempty"`
	Links    []Link        `json:"links,omitempty"`
}

// SpanEvent is something that happened during a span: an exception, a retry.
type SpanEvent struct {
	Time  time.Time `json:"time"`
	Name  string    `json:"name"`
	Attrs []Attr    `json:"attrs,omitempty"`
}

// Link points from a span to one that caused it in another trace, as a message does.
type Link struct {
	Trace TraceID `json:"trace"`
	Span  SpanID  `json:"span"`
	Attrs []Attr  `json:"attrs,omitempty"`
}

// Log is one log record, of OTLP or of what a service printed.
type Log struct {
	Time     time.Time `json:"time"`
	Service  string    `json:"service"`
	Instance string    `json:"instance,omitempty"`
	Severity Severity  `json:"severity"`
	Body     string    `json:"body"`
	Trace    TraceID   `json:"trace,omitzero"`
	Span     SpanID    `json:"span,omitzero"`
	Attrs    []Attr    `json:"attrs,omitempty"`
	Printed  bool      `json:"printed,omitempty"` // on stdout or stderr, not sent over OTLP
}

// Severity is OTLP's severity number, 1 to 24; 0 is unknown.
type Severity uint8

// The first number of each range.
const (
	Trace0 Severity = 1
	Debug  Severity = 5
	Info   Severity = 9
	Warn   Severity = 13
	Error  Severity = 17
	Fatal  Severity = 21
)

// String returns "trace", "debug", "info", "warn", "error", "fatal", or "" for unknown.
func (s Severity) String() string {
	if s == 0 {
		return ""
	}
	return [...]string{"trace", "debug", "info", "warn", "error", "fatal"}[min(int(s-1)/4, 5)]
}

// ErrFull says that what was sent was refused because too much waits to be stored. The sender may try
// again later; what was refused is counted.
var ErrFull = errors.New("telemetry store is full")
