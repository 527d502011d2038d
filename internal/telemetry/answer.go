package telemetry

import (
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// Requests is the filter of traces in which somebody asked something of a service: not what a service does
// on its own with its database, cache or broker, such as its health checks.
const Requests = "(kind=server OR kind=consumer OR network.protocol.name=http OR network.protocol.name=grpc)"

// What a filter's trace.kind says of a trace: a request has a span that [Requests] is about.
const (
	Request    = "request"
	Background = "background"
)

// OnlyRequests makes a filter of traces leave out what services do on their own, unless it says itself of
// what kind they are to be, or which trace is meant.
func OnlyRequests(text string) string {
	if strings.TrimSpace(text) == "" {
		return Requests
	}
	n, err := filter.Parse(text)
	if err != nil || slices.ContainsFunc(n.Keys(), func(key string) bool { return key == "trace.kind" || key == "trace" }) {
		return text // its mistake is told by whom it is asked
	}
	return "(" + text + ") trace.kind=" + Request
}

// Query selects traces, spans or logs.
type Query struct {
	Filter string    `json:"filter,omitempty"` // in the language of package filter; "" is everything
	Since  time.Time `json:"since,omitzero"`   // inclusive; zero: no bound
	Until  time.Time `json:"until,omitzero"`   // exclusive; zero: now
	Limit  int       `json:"limit,omitempty"`  // 0 means 100
	Cursor string    `json:"cursor,omitempty"` // Page.Next of the answer before
	Sort   string    `json:"sort,omitempty"`   // "" newest first, or "duration": longest first; logs: "oldest" in order of time
}

// Page says how far an answer goes.
type Page struct {
	Next      string        `json:"next,omitempty"` // cursor of what follows; "" at the end
	Truncated bool          `json:"truncated,omitempty"`
	Scanned   int64         `json:"scanned"` // spans or records looked at
	Took      time.Duration `json:"took"`

	// Where no trace was found: how many spans are kept, and the keys of their attributes.
	Kept int64    `json:"kept,omitempty"`
	Keys []string `json:"keys,omitempty"`
}

// TraceLine is one row of a list of traces.
type TraceLine struct {
	ID       TraceID       `json:"id"`
	Service  string        `json:"service"` // of the root, or of the earliest span known
	Name     string        `json:"name"`
	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration"` // first start to last end
	Spans    int           `json:"spans"`
	Errors   int           `json:"errors"`            // spans that failed
	Services []string      `json:"services"`          // in order of first appearance
	Partial  bool          `json:"partial,omitempty"` // no root span is known
}

// TracePage answers a search for traces.
type TracePage struct {
	Traces []TraceLine `json:"traces"`
	Page
}

// Trace is one whole trace, in the order of its waterfall: parents before their children, siblings by start.
type Trace struct {
	TraceLine
	Rows []Row `json:"rows"`
}

// Row is one line of a waterfall.
type Row struct {
	Span
	Depth    int           `json:"depth"`
	Children int           `json:"children"`
	Self     time.Duration `json:"self"`               // in which no child ran
	Critical time.Duration `json:"critical,omitempty"` // share of the critical path; 0: not on it
	Orphan   bool          `json:"orphan,omitempty"`   // its parent is not known
	Guessed  bool          `json:"guessed,omitempty"`  // its parent is what its service worked on meanwhile; nobody said so
}

// LogPage answers a search for logs.
type LogPage struct {
	Logs []Log `json:"logs"`
	Page
}

// Map is the service map of a time window.
type Map struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Nodes []Node    `json:"nodes"`
	Edges []MapEdge `json:"edges"`
}

// Node is one service or resource of a map.
type Node struct {
	Name string `json:"name"`
	Sort string `json:"sort"` // "service", "resource", or "outside" for what is not in stack.yaml
	RED
}

// MapEdge is one caller and callee of a map.
type MapEdge struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Protocol string `json:"protocol,omitempty"`
	RED
	Declared bool     `json:"declared"`         // stack.yaml says so
	Seen     bool     `json:"seen"`             // in this window
	Direct   string   `json:"direct,omitempty"` // why it does not go through msctl: only the caller can tell of it
	Faults   []string `json:"faults,omitempty"` // that act on it now
	Traces   []string `json:"traces,omitempty"` // ids of a few examples, failed ones first
}

// RED is rate, errors and duration over a window.
type RED struct {
	Count  int64         `json:"count"`
	Errors int64         `json:"errors"`
	Rate   float64       `json:"rate"` // per second
	P50    time.Duration `json:"p50"`
	P95    time.Duration `json:"p95"`
	P99    time.Duration `json:"p99"`
}

// MetricQuery selects series of metrics.
type MetricQuery struct {
	Filter string    `json:"filter,omitempty"` // over service, name, unit, type, scope, value (the last) and attributes; "" is everything
	Name   string    `json:"name,omitempty"`   // of the metric; "" all
	Since  time.Time `json:"since,omitzero"`   // inclusive; zero: no bound
	Until  time.Time `json:"until,omitzero"`   // exclusive; zero: now
	Limit  int       `json:"limit,omitempty"`  // series; 0 means 100
}

// Series is one metric with its attributes over time.
type Series struct {
	Service string  `json:"service"`
	Name    string  `json:"name"`
	Unit    string  `json:"unit,omitempty"`
	Doc     string  `json:"doc,omitempty"`
	Type    string  `json:"type"` // "gauge", "sum", "histogram", "summary"
	Attrs   []Attr  `json:"attrs,omitempty"`
	Points  []Point `json:"points"`            // oldest first
	Monoton bool    `json:"monoton,omitempty"` // a sum that only grows
	Scope   string  `json:"scope,omitempty"`   // instrumentation scope

	Exemplars []Exemplar `json:"exemplars,omitempty"` // the latest few, oldest first
}

// Exemplar is one measured value and the span in which it was measured.
type Exemplar struct {
	Time  time.Time `json:"time"`
	Value float64   `json:"value"`
	Trace TraceID   `json:"trace,omitzero"`
	Span  SpanID    `json:"span,omitzero"`
	Attrs []Attr    `json:"attrs,omitempty"` // that the series does not have
}

// Point is one value of a series.
type Point struct {
	Time   time.Time `json:"time"`
	Value  float64   `json:"value"`            // gauge, sum; of a histogram its sum
	Count  uint64    `json:"count,omitempty"`  // histogram, summary
	Bounds []float64 `json:"bounds,omitempty"` // histogram: upper bounds of all buckets but the last; summary: quantiles, 0 to 1
	Counts []uint64  `json:"counts,omitempty"` // histogram: per bucket
	Values []float64 `json:"values,omitempty"` // summary: the value at each of the quantiles
}

// Finding is something about the traffic that a person should look at.
type Finding struct {
	Kind    string   `json:"kind"`    // "n+1", "chatty", "deep-chain", "retry-storm", "lost-context", "no-timeout", "shared-database", "cycle", "silent", "undeclared", "sequential"
	Subject string   `json:"subject"` // an edge "orders:payments" or a service
	Text    string   `json:"text"`    // one sentence with the figures
	Hint    string   `json:"hint,omitempty"`
	Count   int      `json:"count"`  // traces that show it
	Traces  []string `json:"traces"` // ids of a few of them
	Weight  float64  `json:"weight"` // for sorting: heaviest first
}

// Cause answers why requests failed or were slow.
type Cause struct {
	Subject  string   `json:"subject"` // the edge or service that most likely causes it
	Text     string   `json:"text"`    // one sentence
	Evidence []string `json:"evidence"`
	Score    float64  `json:"score"` // 0 to 1
	Traces   []string `json:"traces"`
}

// Reason is the answer of why: what was looked at and the causes, likeliest first.
type Reason struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Trace  TraceID   `json:"trace,omitzero"` // where one trace was asked about
	Failed int       `json:"failed"`         // requests
	Slow   int       `json:"slow"`
	Total  int       `json:"total"`
	Causes []Cause   `json:"causes"`
}

// Diff compares two traces or two windows.
type Diff struct {
	A, B string    // ids, or windows in words
	Rows []DiffRow `json:"rows"` // the greatest change first

	Estimated bool `json:"estimated,omitempty"` // from traces that stand for many
}

// DiffRow is one operation in both.
type DiffRow struct {
	Service string        `json:"service"`
	Name    string        `json:"name"`
	Only    string        `json:"only,omitempty"` // "a" or "b" where the other does not have it
	CountA  int64         `json:"count_a"`
	CountB  int64         `json:"count_b"`
	SelfA   time.Duration `json:"self_a"` // mean self time
	SelfB   time.Duration `json:"self_b"`
	TotalA  time.Duration `json:"total_a"` // mean duration
	TotalB  time.Duration `json:"total_b"`
	ErrorsA int64         `json:"errors_a"`
	ErrorsB int64         `json:"errors_b"`
}

// Fact is something that happened to the fleet: a restart, a fault, a changed build. why reads them.
type Fact struct {
	Time    time.Time `json:"time"`
	Subject string    `json:"subject"` // a unit or an edge
	Text    string    `json:"text"`
}
