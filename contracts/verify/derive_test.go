package verify

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/internal/stack"
)

const shop = `
version: 1
name: shop
resources:
  db: {type: postgres, embedded: sqlite}
  broker: {type: rabbitmq, embedded: nats}
services:
  orders:
    command: [orders]
    listen: {http: "8080:auto", grpc: auto}
    calls: {payments: grpc, users: http, mail: {optional: true}}
    uses: [db, broker]
    replicas: 3
    env: {DSN: "a$$b ${db.url} ${broker.host}", BACK: "${users.url}/x ${users.http.port} ${self.http.port} ${env:HOME}"}
  payments: {command: [payments], listen: {http: auto, grpc: auto}, uses: [db]}
  users: {command: [users], listen: {http: auto}}
  mail: {command: [mail], listen: {http: auto}}
`

func load(t *testing.T, text string) *stack.Stack {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "users"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := stack.Load(stack.LoadOptions{Dir: dir, Files: []string{filepath.Join(dir, "stack.yaml")}, Getenv: func(string) string { return "" },
		Kinds: []string{"postgres", "rabbitmq", "sqlite", "nats"}})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestDerive gives two providers that share a database one each, and stubs for what they call: under the
// names that their environment knows.
func TestDerive(t *testing.T) {
	st := load(t, shop)
	d := Derive(st, []string{"orders", "payments"}, []contracts.Pact{{Consumer: "orders", Provider: "users"}}, []string{"msctl", "contract", "stub"})
	var resources, services []string
	for _, r := range d.Stack.Resources {
		resources = append(resources, r.Name)
	}
	for _, s := range d.Stack.Services {
		services = append(services, s.Name)
	}
	if want := []string{"orders--db", "orders--broker", "payments--db"}; !slices.Equal(resources, want) {
		t.Errorf("resources: got %v, want %v", resources, want)
	}
	if want := []string{"orders", "payments", StubUnit}; !slices.Equal(services, want) {
		t.Errorf("services: got %v, want %v", services, want)
	}
	if want := []string{"orders:payments", "orders:users"}; !slices.Equal(d.Stubs, want) {
		t.Errorf("stubs: got %v, want %v: mail is optional and has no pact", d.Stubs, want)
	}
	got := map[string]string{}
	orders := d.Stack.Service("orders")
	for _, e := range orders.Env {
		got[e.Name] = e.Value
	}
	for name, want := range map[string]string{
		"DB_URL":             "${orders--db.url}",
		"BROKER_URL":         "${orders--broker.url}",
		"USERS_URL":          "http://${contract-stubs.orders--users--http.addr}",
		"PAYMENTS_URL":       "http://${contract-stubs.orders--payments--http.addr}",
		"PAYMENTS_GRPC_ADDR": "${contract-stubs.orders--payments--grpc.addr}",
		"DSN":                "a$$b ${orders--db.url} ${orders--broker.host}",
		"BACK":               "${contract-stubs.orders--users--http.url}/x ${contract-stubs.orders--users--http.port} ${self.http.port} ${env:HOME}",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	if l := orders.Listen[0]; orders.Replicas != 1 || l.Port != 0 || l.Inside != 0 {
		t.Errorf("got %d replicas on %+v, want one on a free port", orders.Replicas, l)
	}
	if st.Service("orders").Replicas != 3 || len(st.Service("orders").Calls) != 3 {
		t.Error("the stack itself was changed")
	}
	want := []string{"msctl", "contract", "stub", "orders:payments", "orders:users"}
	if stubs := d.Stack.Service(StubUnit); !slices.Equal(stubs.Command, want) || len(stubs.Listen) != 3 {
		t.Errorf("got %v on %v", stubs.Command, stubs.Listen)
	}
	if got := StubPort("orders:payments", "grpc"); got != "ORDERS__PAYMENTS__GRPC_PORT" {
		t.Errorf("got %s", got)
	}
}

// TestCache tells what was found again while nothing has changed, and forgets it at any change of what
// matters.
func TestCache(t *testing.T) {
	st := load(t, strings.ReplaceAll(shop, "command: [users]", "path: users, command: [users]"))
	src := filepath.Join(st.Dir, "users")
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(st.Dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(st.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("users/main.go", "package main")
	c := Cache{Dir: filepath.Join(st.Dir, ".msctl"), Root: st.Dir}
	target := &Target{Name: "users", States: &States{hash: "1"}}
	key := Key(st, target, nil, "embedded")
	report := Report{Provider: "users", Results: []Result{{Outcome: Holds}}}
	if err := c.Put(Inputs{src, filepath.Join(src, "...")}, key, report); err != nil {
		t.Fatal(err)
	}
	if r, ok := c.Get("users", key); !ok || !r.Cached || len(r.Results) != 1 {
		t.Errorf("got %+v, %v", r, ok)
	}
	put("users/main_test.go", "package main")
	put("users/node_modules/x.js", "x")
	if _, ok := c.Get("users", key); !ok {
		t.Error("a test and what others made count as source")
	}
	put("users/deep/new.py", "x")
	if _, ok := c.Get("users", key); ok {
		t.Error("a new file is not seen")
	}
	report.Results[0].Outcome = Failed
	c.Put(Inputs{src}, key, report)
	if _, ok := c.Get("users", key); ok {
		t.Error("what could not be tried is kept")
	}
	for what, other := range map[string]string{
		"states":  Key(st, &Target{Name: "users", States: &States{hash: "2"}}, nil, "embedded"),
		"pacts":   Key(st, target, []contracts.Pact{{Consumer: "orders", Provider: "users"}}, "embedded"),
		"stubs":   Key(st, target, []contracts.Pact{{Consumer: "users", Provider: "mail"}}, "embedded"),
		"runtime": Key(st, target, nil, "native"),
		"service": Key(load(t, shop), target, nil, "embedded"),
	} {
		if other == key {
			t.Errorf("%s are not part of the key", what)
		}
	}
	if Key(st, target, []contracts.Pact{{Consumer: "a", Provider: "b"}}, "embedded") != key {
		t.Error("others' pacts are part of the key")
	}
}
