package cli

import (
	"testing"

	"msctl.dev/msctl/internal/state"
)

func TestResourceBringsItsServer(t *testing.T) {
	port := func(name, addr string) state.Port { return state.Port{Name: name, Addr: addr} }
	snap := state.Snapshot{Units: []state.Unit{
		{Name: "mail-smtp", Sort: state.Server, Ports: []state.Port{port("smtp", "127.0.0.1:25"), port("http", "127.0.0.1:80")}},
		{Name: "postgres", Sort: state.Server, Container: "c0ffee", Ports: []state.Port{port("postgres", "127.0.0.1:5432")}},
		{Name: "mail", Sort: state.Resource, URL: "smtp://127.0.0.1:25"},
		{Name: "orders-db", Sort: state.Resource, URL: "postgres://orders@127.0.0.1:5432/orders?sslmode=disable"},
		{Name: "notes", Sort: state.Resource, URL: "sqlite:///notes.db"},
		{Name: "web", Sort: state.Service, URL: "http://127.0.0.1:8080"},
	}}
	for name, want := range map[string]string{"mail": "http://127.0.0.1:80", "web": "http://127.0.0.1:8080", "orders-db": "", "notes": ""} {
		if got := webAddress(named(snap, name)); got != want {
			t.Errorf("page of %s: got %q, want %q", name, got, want)
		}
	}
	if u, ok := contained(named(snap, "orders-db")); !ok || u.Name != "postgres" {
		t.Errorf("container of orders-db: got %q, %t", u.Name, ok)
	}
	if _, ok := contained(named(snap, "web")); ok {
		t.Error("web runs in no container")
	}
}
