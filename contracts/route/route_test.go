package route

import (
	"fmt"
	"testing"

	"msctl.dev/msctl/internal/telemetry"
)

func served(service, method, route, name string) *telemetry.Span {
	return &telemetry.Span{Service: service, Kind: telemetry.Server, Name: name,
		Attrs: []telemetry.Attr{{Key: "http.request.method", Value: method}, {Key: "http.route", Value: route}}}
}

// TestFold finds the route of a path, however a framework writes routes.
func TestFold(t *testing.T) {
	var table Table
	for _, s := range []*telemetry.Span{
		served("users", "GET", "/users/{id}", "GET /users/{id}"),
		served("users", "GET", "/users/search", "GET /users/search"),
		served("users", "GET", "GET /v1/carts/{id}/lines/{line}", ""),
		served("users", "PUT", "/", "PUT /items/{id}"), // a router within another
		served("users", "DELETE", "/files/*", "DELETE /files/a"),
		served("users", "GET", "/", "a name of its own"),
		served("bff", "GET", "/pages/:id", "GET /pages/:id"),
		served("push", "POST", "/push/<int:id>", ""),
		served("push", "GET", "/{$}", ""),
		served("site", "GET", "/blog/[slug]", ""),
		{Service: "users", Kind: telemetry.Client, Name: "GET /other/{id}", Attrs: []telemetry.Attr{{Key: "http.request.method", Value: "GET"}}},
	} {
		table.Add(s)
		table.Add(s) // once more is no more
	}
	for _, c := range []struct{ service, method, path, want string }{
		{"users", "GET", "/users/ana", "/users/{id}"},
		{"users", "get", "/users/{id}", "/users/{id}"}, // folded already
		{"users", "GET", "/users/a%2Fb", "/users/{id}"},
		{"users", "GET", "/users/search", "/users/search"},
		{"users", "GET", "/users/", ""},
		{"users", "GET", "/users/a/b", ""},
		{"users", "POST", "/users/a", ""},
		{"users", "GET", "/v1/carts/c-1/lines/2", "/v1/carts/{id}/lines/{id}"},
		{"users", "PUT", "/items/mug", "/items/{id}"},
		{"users", "DELETE", "/files/a", "/files/a"}, // a name that is a path folds nothing
		{"users", "DELETE", "/files/b", ""},
		{"users", "GET", "/other/x", ""},
		{"bff", "GET", "/pages/7", "/pages/{id}"},
		{"push", "POST", "/push/7", "/push/{id}"},
		{"push", "GET", "/", "/"},
		{"site", "GET", "/blog/hello", "/blog/{id}"},
		{"nobody", "GET", "/", ""},
	} {
		if got, ok := table.Fold(c.service, c.method, c.path); got != c.want || ok != (c.want != "") {
			t.Errorf("%s %s of %s is of %q, %v, want %q", c.method, c.path, c.service, got, ok, c.want)
		}
	}
	if got, ok := (*Table)(nil).Fold("users", "GET", "/"); ok {
		t.Errorf("none knows %q", got)
	}
}

// TestMost stops at a service that tells paths for routes.
func TestMost(t *testing.T) {
	var table Table
	for i := range most + 5 {
		table.Add(served("users", "GET", fmt.Sprintf("/users/u%d", i), ""))
	}
	if n := len(table.of["users GET"]); n != most {
		t.Errorf("%d routes are kept, want %d", n, most)
	}
}
