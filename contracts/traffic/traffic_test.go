package traffic

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/route"
	"msctl.dev/msctl/internal/telemetry"
)

const usersPact = `{"consumer":{"name":"orders"},"provider":{"name":"users"},"metadata":{"pactSpecification":{"version":"4.0"}},"interactions":[
{"type":"Synchronous/HTTP","description":"ask for one","providerStates":[{"name":"a user exists","params":{"id":"ana"}}],
 "request":{"method":"GET","path":"/v1/users/ana"},"response":{"status":200}},
{"type":"Synchronous/HTTP","description":"search","request":{"method":"GET","path":"/v1/users/search"},"response":{"status":204}},
{"type":"Synchronous/HTTP","description":"change","request":{"method":"PUT","path":"/v1/cards/1",
 "matchingRules":{"path":{"combine":"AND","matchers":[{"match":"regex","regex":"/v1/cards/[0-9]+"}]}}},"response":{"status":200}},
{"type":"Synchronous/Messages","description":"shop.users.v1.UsersService/BatchGet: names","request":{"contents":{"content":{}},"metadata":{"grpc-method":"/shop.users.v1.UsersService/BatchGet"}},
 "response":[{"metadata":{"grpc-status":"NOT_FOUND"}}]},
{"type":"Asynchronous/Messages","description":"it changed","contents":{"content":{}},"metadata":{"routing_key":"user.updated"}}]}`

func users(t *testing.T) contracts.Pact {
	t.Helper()
	p, err := contracts.Parse([]byte(usersPact), contracts.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// span is what an edge records, its attributes as "key=value".
func span(edge string, kind telemetry.Kind, attrs ...string) *telemetry.Span {
	s := &telemetry.Span{Edge: edge, Kind: kind, Trace: telemetry.TraceID{1}}
	for _, a := range attrs {
		key, value, _ := strings.Cut(a, "=")
		s.Attrs = append(s.Attrs, telemetry.Attr{Key: key, Value: value})
	}
	return s
}

func answered(method, path, template, status string) *telemetry.Span {
	return span("orders:users", telemetry.Client, "http.request.method="+method, "url.path="+path, "url.template="+template, "http.response.status_code="+status)
}

func toldBy(names ...string) Publishers { return func(string, string) []string { return names } }

// TestJudge looks up what edges record in a pact of every kind.
func TestJudge(t *testing.T) {
	b := NewBook([]contracts.Pact{users(t)})
	for _, c := range []struct {
		name string
		span *telemetry.Span
		want string
	}{
		{"the example of a state stands for all", answered("GET", "/v1/users/bob", "/v1/users/bob", "200"), "known ask for one (given a user exists)"},
		{"a word goes before an example", answered("GET", "/v1/users/search", "/v1/users/search", "204"), "known search"},
		{"and hides it", answered("GET", "/v1/users/search", "/v1/users/search", "200"), "status 204"},
		{"an answer that is in no pact", answered("GET", "/v1/users/bob", "/v1/users/bob", "500"), "status 200"},
		{"a version is no example", answered("GET", "/v2/users/bob", "/v2/users/bob", "200"), "operation"},
		{"another method", answered("DELETE", "/v1/users/bob", "/v1/users/bob", "200"), "operation"},
		{"a longer path", answered("GET", "/v1/users/bob/cards", "/v1/users/bob/cards", "200"), "operation"},
		{"a pattern", answered("PUT", "/v1/cards/77", "/v1/cards/{id}", "200"), "known change"},
		{"what the pattern refuses", answered("PUT", "/v1/cards/x77", "/v1/cards/x77", "200"), "operation"},
		{"gRPC", span("orders:users", telemetry.Client, "rpc.method=shop.users.v1.UsersService/BatchGet", "rpc.response.status_code=NOT_FOUND"), "known shop.users.v1.UsersService/BatchGet: names"},
		{"gRPC with another code", span("orders:users", telemetry.Client, "rpc.method=shop.users.v1.UsersService/BatchGet", "rpc.response.status_code=OK"), "status NOT_FOUND"},
		{"a message by its key", span("orders:broker", telemetry.Consumer, "messaging.system=rabbitmq", "messaging.destination.name=q", "messaging.rabbitmq.destination.routing_key=user.updated"), "known it changed"},
		{"a message by its subject", span("orders:broker", telemetry.Consumer, "messaging.system=nats", "messaging.destination.name=user.gone"), "operation"},
		{"an edge without a pact", span("orders:push", telemetry.Client, "http.request.method=GET", "url.path=/", "url.template=/", "http.response.status_code=200"), "no-pact"},
		{"a fault", span("orders:users", telemetry.Client, "http.request.method=GET", "url.path=/", "http.response.status_code=503", "msctl.faults=refuse"), ""},
		{"no answer", span("orders:users", telemetry.Client, "http.request.method=GET", "url.path=/"), ""},
		{"from outside", span(":users", telemetry.Server, "http.request.method=GET", "url.path=/", "http.response.status_code=200"), ""},
		{"what a service tells of itself", span("", telemetry.Client, "http.request.method=GET", "url.path=/", "http.response.status_code=200"), ""},
		{"a database", span("orders:db", telemetry.Client, "db.system.name=postgresql"), ""},
		{"a mail", span("orders:mail", telemetry.Consumer, "messaging.system=smtp", "messaging.destination.name=x"), ""},
	} {
		got := ""
		for _, call := range Of(c.span, toldBy("users")) {
			v := b.Judge(call)
			got = string(v.Finding)
			for _, i := range v.Interactions {
				got += " " + i.Title()
			}
			if len(v.Answers) > 0 {
				got += " " + strings.Join(v.Answers, ",")
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestOperation gives calls that differ in ids only one name: of the provider's route, or of the pact.
func TestOperation(t *testing.T) {
	b := NewBook([]contracts.Pact{users(t)})
	var routes route.Table
	routes.Add(&telemetry.Span{Service: "users", Kind: telemetry.Server, Name: "POST /v1/users/{name}/cards",
		Attrs: []telemetry.Attr{{Key: "http.request.method", Value: "POST"}, {Key: "http.route", Value: "/"}}})
	for _, c := range []struct{ method, path, pact, call string }{
		{"GET", "/v1/users/bob", "GET /v1/users/{id}", "GET /v1/users/bob"},
		{"PUT", "/v1/cards/77", "PUT /v1/cards/{id}", "PUT /v1/cards/77"},
		{"GET", "/v1/users/search", "GET /v1/users/search", "GET /v1/users/search"},
		{"POST", "/v1/users/bob/cards", "", "POST /v1/users/{id}/cards"},
	} {
		call := Of(answered(c.method, c.path, c.path, "200"), nil)[0].Fold(&routes)
		if got := b.Judge(call).Operation; got != c.pact || call.Operation != c.call {
			t.Errorf("%s %s: the pact calls it %q, want %q; it is %q, want %q", c.method, c.path, got, c.pact, call.Operation, c.call)
		}
	}
	ana, bob := Of(answered("POST", "/v1/users/ana/cards", "/v1/users/ana/cards", "201"), nil)[0], Of(answered("POST", "/v1/users/bob/cards", "/v1/users/bob/cards", "201"), nil)[0]
	got, err := Derive(b, "orders", "users", []Call{ana.Fold(&routes), bob.Fold(&routes)})
	if err != nil || len(got.Interactions) != 1 || !strings.Contains(string(got.Interactions[0].Raw), `"regex":"/v1/users/[^/]+/cards"`) {
		t.Errorf("derived %+v, %v", got.Interactions, err)
	}
}

// TestDerive writes what no pact knows, pending, once, and nothing that could be a secret or a person.
func TestDerive(t *testing.T) {
	p := users(t)
	var calls []Call
	secret := "eyJhbGciOiJIUzI1NiJ9x9x9"
	for _, s := range []*telemetry.Span{
		answered("GET", "/v1/users/bob", "/v1/users/bob", "200"),
		answered("POST", "/v1/users/42/cards", "/v1/users/{id}/cards", "201"),
		answered("POST", "/v1/users/43/cards", "/v1/users/{id}/cards", "201"),
		answered("POST", "/v1/users/44/cards", "/v1/users/{id}/cards", "503"),
		answered("GET", "/v1/keys/"+secret, "/v1/keys/{id}", "200"),
		answered("GET", "/v1/mail/ana@x.example", "/v1/mail/{id}", "404"),
		span("orders:users", telemetry.Client, "rpc.method=shop.users.v1.UsersService/Get", "rpc.response.status_code=OK"),
		span("orders:broker", telemetry.Consumer, "messaging.system=nats", "messaging.destination.name=user.gone"),
	} {
		calls = append(calls, Of(s, toldBy("users"))...)
	}
	got, err := Derive(NewBook([]contracts.Pact{p}), "orders", "users", calls)
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, i := range got.Interactions {
		if titles = append(titles, i.Title()); !i.Pending || !i.Derived() {
			t.Errorf("%s is not pending and derived: %s", i.Title(), i.Raw)
		}
	}
	want := []string{"GET /v1/keys/{id} → 200", "GET /v1/mail/{id} → 404", "POST /v1/users/{id}/cards → 201", "user.gone", "shop.users.v1.UsersService/Get → OK"}
	if !slices.Equal(titles, want) {
		t.Errorf("derived %q, want %q", titles, want)
	}
	if text := string(got.Canonical()); strings.Contains(text, secret) || strings.Contains(text, "ana@") {
		t.Errorf("the file holds what nobody may read:\n%s", text)
	}

	merged, conflicts := contracts.Merge(p, got)
	if len(conflicts) > 0 || len(merged.Interactions) != len(p.Interactions)+len(want) {
		t.Errorf("%d interactions after a merge, conflicts %v", len(merged.Interactions), conflicts)
	}
	again, err := Derive(NewBook([]contracts.Pact{merged}), "orders", "users", calls)
	if err != nil || len(again.Interactions) > 0 {
		t.Errorf("derived again: %v, %v", again.Interactions, err)
	}
}

// TestDeriveHostile takes any path that a caller sent.
func TestDeriveHostile(t *testing.T) {
	var calls []Call
	for _, path := range []string{"/", "//", "/%", "/a/../../b", "/" + strings.Repeat("a/", 500), "/{id}/{id}", "/\x1b[2J", "/(((", "/\xff"} {
		calls = append(calls, Of(answered("GET", path, strings.ReplaceAll(path, "a", "{id}"), "200"), nil)...)
	}
	got, err := Derive(NewBook(nil), "orders", "users", calls)
	if err == nil || !strings.Contains(err.Error(), "control characters") || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("what no pact may hold: %v", err)
	}
	if _, err := contracts.Parse(got.Canonical(), contracts.Limits{}); err != nil || len(got.Interactions) != 7 {
		t.Errorf("%d interactions, %v:\n%s", len(got.Interactions), err, got.Canonical())
	}
	if got := fmt.Sprint(Of(answered("GET", "http://elsewhere/", "/", "200"), nil)); got != "[]" {
		t.Errorf("a path that leads elsewhere: %s", got)
	}
}
