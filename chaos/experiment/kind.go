package experiment

import "context"

// Kind is one way of looking at the fleet.
type Kind struct {
	Name    string // the key that a probe of this kind has
	Doc     string
	Example string
	New     func() Look
}

// Kinds are all kinds of probes, in the order in which help shows them.
var Kinds = []Kind{
	{"http", "the answer of a service to a request", `{http: GET gateway/v1/items, status: 200, under: 300ms}`, func() Look { return &httpProbe{} }},
	{"grpc", "what a service says of its own health over gRPC", `{grpc: payments}`, func() Look { return &grpcProbe{} }},
	{"tcp", "that somebody listens", `{tcp: "orders:http"}`, func() Look { return &tcpProbe{} }},
	{"cmd", "what a command prints and how it exits, on this machine with the environment of a service", `{cmd: [./check.sh], in: orders}`, func() Look { return &cmdProbe{} }},
	{"run", "how a task of a service exits", `{run: shop check}`, func() Look { return &runProbe{} }},
	{"sql", "what a query finds in a database", `{sql: orders-db, query: "SELECT count(*) FROM sagas", want: 0}`, func() Look { return &sqlProbe{} }},
	{"redis", "what a command answers", `{redis: cache, do: [EXISTS, lock], want: 0}`, func() Look { return &redisProbe{} }},
	{"log", "how many lines a service has printed since the workload began", `{log: payments, find: circuit changed, want: ">= 1"}`, func() Look { return &logProbe{} }},
	{"edge", "the figures of an edge", `{edge: "payments:legacy", measure: requests, want: "< 40"}`, func() Look { return &edgeProbe{} }},
	{"traces", "how many traces match a filter since the workload began", `{traces: "name=\"POST /v1/orders\" status=error", want: 0}`, func() Look { return &traceProbe{} }},
	{"process", "the state of the units of a service", `{process: orders, is: ready, restarts: "= 0"}`, func() Look { return &processProbe{} }},
	{"queue", "how many messages wait in a queue", `{queue: broker, of: email.queue, want: 0}`, func() Look { return &queueProbe{} }},
	{"same", "that several probes see the same", `{same: [{sql: orders-db, query: "SELECT count(*) FROM orders"}, {sql: mail-db, query: "SELECT count(*) FROM sent"}]}`, func() Look { return &sameProbe{} }},
	{"file", "what a file of the stack holds", `{file: services/flags.json, holds: items-from}`, func() Look { return &fileProbe{} }},
	{"workload", "how the requests of the workload fared", `{workload: orders, measure: ok, want: ">= 99%"}`, func() Look { return &workloadProbe{} }},
	{"pact", "that a service answers as its consumers need it", `{pact: orders}`, func() Look { return &pactProbe{} }},
}

// Look is one kind of probe with what it asks for.
type Look interface {
	// fields are the keys that it has beside those of every probe.
	fields(r *reader) []field
	needs() []need
	look(ctx context.Context, w *world) Sight
}

// Sight is what one look showed.
type Sight struct {
	Value  string   // what was seen, in short
	Why    string   // it did not hold: what was wrong; "" it held
	Err    error    // nothing was seen
	Traces []string // that show it
}

// held is a sight that holds.
func held(value string) Sight { return Sight{Value: value} }

// judged is a sight of a value and what is wrong with it.
func judged(value, why string) Sight { return Sight{Value: value, Why: why} }

// missed is a look that failed: at the fleet, or before it got there.
func missed(err error) Sight {
	if unable(err) {
		return Sight{Err: err}
	}
	return Sight{Why: err.Error()}
}

// compared holds a value against what is wanted.
func compared(value string, want Want) Sight {
	if want.Takes(value) {
		return held(value)
	}
	return judged(value, "is "+shorten(value)+", want "+want.String())
}

// need is something of the stack that an experiment names.
type need struct {
	sort string
	name string
}

// What can be needed.
const (
	unit     = "service or resource"
	resource = "resource"
	edge     = "edge"
	task     = "task"
	load     = "workload"
	target   = "target"
)
