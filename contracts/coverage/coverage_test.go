package coverage_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/coverage"
	"msctl.dev/msctl/internal/telemetry"
)

func pactOf(t *testing.T, interactions string) contracts.Pact {
	t.Helper()
	p, err := contracts.Parse(fmt.Appendf(nil, `{"consumer":{"name":"orders"},"provider":{"name":"users"},"interactions":[%s],
		"metadata":{"pactSpecification":{"version":"4.0"}}}`, interactions), contracts.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request(path, more string) string {
	return fmt.Sprintf(`{"type":"Synchronous/HTTP","description":"%s","request":{"method":"GET","path":"%s"%s},"response":{"status":200}}`, path, path, more)
}

func get(paths ...string) []coverage.Seen {
	var out []coverage.Seen
	for _, p := range paths {
		out = append(out, coverage.Seen{Consumer: "orders", Provider: "users", Kind: contracts.HTTP, Method: "GET", Path: p, Count: 1})
	}
	return out
}

// TestMatch compares what was seen with what is in the pact, both in the words of the report: + is in both, - was
// never seen, ! is in no pact.
func TestMatch(t *testing.T) {
	param := `,"x":1},"providerStates":[{"name":"a user exists","params":{"id":"ana"}}],"y":{"z":1`
	regex := func(re string) string {
		return fmt.Sprintf(`,"matchingRules":{"path":{"combine":"AND","matchers":[{"match":"regex","regex":%q}]}}`, re)
	}
	message := func(description, metadata string) string {
		return fmt.Sprintf(`{"type":"Asynchronous/Messages","description":%q,"contents":{"content":{},"contentType":"application/json"},"metadata":{%s}}`, description, metadata)
	}
	call := `{"type":"Synchronous/Messages","description":"a.v1.Users/Get: ask","request":{"contents":{"content":{}},"metadata":{}},"response":[]}`
	tests := map[string]struct {
		pact string
		seen []coverage.Seen
		want []string
	}{
		"the same":                     {request("/users", ""), get("/users"), []string{"+ GET /users 1"}},
		"never seen":                   {request("/users", ""), nil, []string{"- GET /users 0"}},
		"in no pact":                   {request("/users", ""), get("/users", "/stats"), []string{"! GET /stats 1", "+ GET /users 1"}},
		"another method":               {request("/users", ""), []coverage.Seen{{Consumer: "orders", Provider: "users", Kind: contracts.HTTP, Method: "PUT", Path: "/users", Count: 3}}, []string{"- GET /users 0", "! PUT /users 3"}},
		"a parameter of a state":       {request("/users/ana", param), get("/users/ben", "/users/eve"), []string{"+ GET /users/{} 2"}},
		"not deeper":                   {request("/users/ana", param), get("/users/ben/cards"), []string{"! GET /users/ben/cards 1", "- GET /users/{} 0"}},
		"a word before a name":         {request("/users/ana", param) + "," + request("/users/search", ""), get("/users/search", "/users/ben"), []string{"+ GET /users/search 1", "+ GET /users/{} 1"}},
		"a rule":                       {request("/users/ana", regex(`/users/[a-z0-9]+`)), get("/users/ben"), []string{"+ GET /users/{} 1"}},
		"a rule that frees no part":    {request("/v1/users", regex(`/v[12]/users`)), get("/v1/users"), []string{"+ GET /v1/users 1"}},
		"numbers and identifiers":      {request("/users/17", ""), get("/users/42", "/users/0b6cbd1e-32f5-4c5f-8f4e-7f5f3ad5f2a1"), []string{"+ GET /users/{} 2"}},
		"an example without a state":   {request("/items/mug", ""), get("/items/a", "/items/b", "/items/c", "/items/d", "/items/e", "/items/f"), []string{"+ GET /items/mug 6"}},
		"few names are words":          {request("/items/mug", ""), get("/items/new", "/items/top"), []string{"- GET /items/mug 0", "! GET /items/new 1", "! GET /items/top 1"}},
		"first parts are no names":     {"", get("/a", "/b", "/c", "/d", "/e", "/f"), []string{"! GET /a 1", "! GET /b 1", "! GET /c 1", "! GET /d 1", "! GET /e 1", "! GET /f 1"}},
		"many in no pact are one":      {"", get("/a/1", "/a/2", "/a/x", "/a/y", "/a/z", "/a/v", "/a/w"), []string{"! GET /a/{} 7"}},
		"folded by the edge":           {request("/users/ana", param), get("/users/{id}"), []string{"+ GET /users/{} 1"}},
		"escaped":                      {request("/users/ana", param), get("/users/a%20b"), []string{"+ GET /users/{} 1"}},
		"two interactions are one":     {request("/users/ana", param) + "," + request("/users/17", ""), get("/users/x"), []string{"+ GET /users/{} 1"}},
		"a call":                       {call, []coverage.Seen{{Consumer: "orders", Provider: "users", Kind: contracts.Call, Path: "a.v1.Users/Get", Count: 2}, {Consumer: "orders", Provider: "users", Kind: contracts.Call, Path: "a.v1.Users/List", Count: 1}}, []string{"+ a.v1.Users/Get 2", "! a.v1.Users/List 1"}},
		"a message by its description": {message("user.updated", ""), []coverage.Seen{{Consumer: "orders", Provider: "users", Kind: contracts.Message, Path: "user.updated", Count: 2}}, []string{"+ user.updated 2"}},
		"a message by its key":         {message("a user changed", `"routing_key":"user.updated"`), []coverage.Seen{{Consumer: "orders", Provider: "users", Kind: contracts.Message, Path: "user.updated", Count: 2}}, []string{"+ user.updated 2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			edges := coverage.Compare(nil, []contracts.Pact{pactOf(t, test.pact)}, test.seen, nil)
			if len(edges) != 1 {
				t.Fatalf("edges are %+v", edges)
			}
			var got []string
			for _, o := range edges[0].Operations {
				mark := "+"
				switch {
				case !o.Seen():
					mark = "-"
				case o.Pacts == 0:
					mark = "!"
				}
				got = append(got, fmt.Sprintf("%s %s %d", mark, o.Name, o.Count))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want - got +:\n%s", diff)
			}
		})
	}
}

// TestRoutes takes paths of one route for one operation, in pacts and in traces, and leaves alone what is of none.
func TestRoutes(t *testing.T) {
	var c coverage.Spans
	for _, path := range []string{"/items/{id}", "/items/new", "/stock/{id}"} {
		c.Add(span(telemetry.Server, "users", "", "http.request.method", "GET", "http.route", path))
	}
	seen := get("/items/a", "/items/b", "/items/new", "/stock/a", "/stock/b", "/other/a", "/other/b")
	edges := coverage.Compare(nil, []contracts.Pact{pactOf(t, request("/items/mug", ""))}, seen, c.Routes())
	got := map[string]int{}
	for _, o := range edges[0].Operations {
		got[fmt.Sprintf("%s in pact %v", o.Name, o.Pacts > 0)] = o.Count
	}
	want := map[string]int{"GET /items/{} in pact true": 2, "GET /items/new in pact false": 1, "GET /stock/{} in pact false": 2,
		"GET /other/a in pact false": 1, "GET /other/b in pact false": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want - got +:\n%s", diff)
	}
}

// TestEdges lists what is declared, what has a pact and what was seen, and counts over all.
func TestEdges(t *testing.T) {
	seen := append(get("/users", "/stats", "/stats"), coverage.Seen{Consumer: "bff", Provider: "users", Kind: contracts.HTTP, Method: "GET", Path: "/users", Count: 1})
	edges := coverage.Compare([]coverage.Pair{{Consumer: "bff", Provider: "cart"}}, []contracts.Pact{pactOf(t, request("/users", ""))}, seen, nil)
	var got []string
	for _, e := range edges {
		s, c := e.Count()
		got = append(got, fmt.Sprintf("%s declared %v pact %v %d/%d", e.Name(), e.Declared, e.Pact, c, s))
	}
	want := []string{"bff:cart declared true pact false 0/0", "bff:users declared false pact false 0/1", "orders:users declared false pact true 1/2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p, ok := coverage.Percent(edges); !ok || int(p) != 33 {
		t.Errorf("got %v%%, %v", p, ok)
	}
	if _, ok := coverage.Percent(nil); ok {
		t.Error("nothing was seen, and there is a percentage")
	}
}

func span(kind telemetry.Kind, service, edge string, words ...string) *telemetry.Span {
	s := &telemetry.Span{Kind: kind, Service: service, Edge: edge}
	for i := 0; i < len(words); i += 2 {
		s.Attrs = append(s.Attrs, telemetry.Attr{Key: words[i], Value: words[i+1]})
	}
	return s
}

// TestSpans reads requests, calls and messages from the spans of edges, and messages from those of services.
func TestSpans(t *testing.T) {
	const rabbit, nats = "messaging.rabbitmq.destination.routing_key", "messaging.destination.name"
	var c coverage.Spans
	for _, s := range []*telemetry.Span{
		span(telemetry.Client, "", "orders:users", "http.request.method", "GET", "url.path", "/users/ana", "url.template", "/users/ana"),
		span(telemetry.Client, "", "orders:users", "http.request.method", "GET", "url.path", "/users/ana", "url.template", "/users/ana"),
		span(telemetry.Client, "", ":gateway", "http.request.method", "GET", "url.path", "/"), // from outside
		span(telemetry.Server, "users", "", "http.request.method", "GET", "url.path", "/users/ana"),
		span(telemetry.Client, "", "orders:users", "rpc.system.name", "grpc", "rpc.method", "a.v1.Users/Get"),
		span(telemetry.Producer, "", "users:broker", "messaging.system", "rabbitmq", rabbit, "user.updated"),
		span(telemetry.Consumer, "", "orders:broker", "messaging.system", "rabbitmq", rabbit, "user.updated"),
		span(telemetry.Consumer, "orders", "", "messaging.routing_key", "user.updated"),
		span(telemetry.Consumer, "", "users:broker", "messaging.system", "rabbitmq", rabbit, "user.updated"), // its own
		span(telemetry.Producer, "", "cart:bus", "messaging.system", "nats", nats, "events.cart.left"),
		span(telemetry.Consumer, "mail", "", "messaging.routing_key", "cart.left"),
		span(telemetry.Consumer, "", "mail:broker", "messaging.system", "rabbitmq", rabbit, "nobody.publishes"),
	} {
		c.Add(s)
	}
	got := map[string]int{}
	for _, s := range c.Seen() {
		got[fmt.Sprintf("%s:%s %s %s%s", s.Consumer, s.Provider, s.Kind, s.Method, s.Path)] = s.Count
	}
	want := map[string]int{
		"orders:users http GET/users/ana": 2, "orders:users call a.v1.Users/Get": 1,
		"orders:users message user.updated": 1, "mail:cart message cart.left": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
