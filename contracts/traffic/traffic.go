// Package traffic holds the calls that went over the edges of a fleet against its pacts, and makes of those
// that no pact knows interactions that are pending. Spans are all that it sees: method, path and status,
// never a header or a body.
package traffic

import (
	"strings"
	"time"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/route"
	"msctl.dev/msctl/internal/telemetry"
)

// Call is one request, call or message between two services, as an edge saw it.
type Call struct {
	Consumer, Provider string
	Kind               contracts.Kind
	Operation          string // "GET /users/{id}", "shop.users.v1.UsersService/BatchGet", "user.updated"
	Method             string // of HTTP
	Path               string // of HTTP
	Template           string // the path with what looks like an id, or what its route leaves open, folded to {id}
	Status             string // "200", "NOT_FOUND"; "" of a message
	Queue              string // of a message: what it was taken from, or its exchange
	Trace              telemetry.TraceID
	At                 time.Time
}

// Edge returns "consumer:provider".
func (c Call) Edge() string { return c.Consumer + ":" + c.Provider }

// String returns the operation with its status.
func (c Call) String() string {
	if c.Status == "" {
		return c.Operation
	}
	return c.Operation + " → " + c.Status
}

// Fold makes of the path of a request the route that its provider has told, where it has.
func (c Call) Fold(routes *route.Table) Call {
	path, known := routes.Fold(c.Provider, c.Method, c.Template)
	if c.Kind != contracts.HTTP || !known {
		return c
	}
	c.Template, c.Operation = path, c.Method+" "+path
	return c
}

// Publishers returns the services that publish an event which a consumer is told.
type Publishers func(consumer, key string) []string

// Of returns the calls that a span tells of. There is none where the span is no edge's, where a fault
// disturbed the call, where nobody answered, and in what services ask of databases and brokers; a message has
// one for each service that publishes such.
func Of(s *telemetry.Span, publishers Publishers) []Call {
	from, to, ok := strings.Cut(s.Edge, ":")
	if !ok || from == "" || to == "" || s.Word("msctl.faults") != "" {
		return nil
	}
	c := Call{Consumer: from, Provider: to, Trace: s.Trace, At: s.Start}
	switch {
	case s.Word("rpc.method") != "":
		c.Kind, c.Operation, c.Status = contracts.Call, strings.TrimPrefix(s.Word("rpc.method"), "/"), s.Word("rpc.response.status_code")
	case s.Word("http.request.method") != "":
		c.Kind, c.Method, c.Path, c.Status = contracts.HTTP, s.Word("http.request.method"), s.Word("url.path"), s.Word("http.response.status_code")
		c.Template = s.Word("url.template")
		c.Operation = c.Method + " " + c.Template
	case s.Kind == telemetry.Consumer && s.Word("messaging.system") != "" && s.Word("messaging.system") != "smtp":
		return messages(c, s, publishers)
	}
	if c.Status == "" || c.Kind == contracts.HTTP && !strings.HasPrefix(c.Path, "/") {
		return nil
	}
	return []Call{c}
}

// messages returns a message once for each service that may have published it.
func messages(c Call, s *telemetry.Span, publishers Publishers) []Call {
	c.Kind, c.Queue = contracts.Message, s.Word("messaging.destination.name")
	c.Operation = s.Word("messaging.rabbitmq.destination.routing_key")
	if c.Operation == "" {
		c.Operation = c.Queue
	}
	var out []Call
	for _, from := range publishers(c.Consumer, c.Operation) {
		c.Provider = from
		out = append(out, c)
	}
	return out
}
