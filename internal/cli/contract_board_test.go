package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/tui"
)

const boardPact = `{"consumer":{"name":"orders"},"provider":{"name":"users"},"metadata":{"pactSpecification":{"version":"4.0"}},"interactions":[
{"type":"Synchronous/HTTP","description":"ask for a name","request":{"method":"GET","path":"/users/1"},"response":{"status":200}},
{"type":"Synchronous/HTTP","description":"ask for nobody","request":{"method":"GET","path":"/users/2"},"response":{"status":404}}]}`

// TestContractBoard tells each state of a contract: never verified, as it was found, changed since, and an
// edge without a pact.
func TestContractBoard(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("stack.yaml", `version: 1
name: shop
services:
  users: {command: [users], listen: {http: auto}, publishes: [user.updated]}
  orders: {command: [orders], calls: [users]}
  mail: {command: [mail], consumes: ["user.*"]}
`)
	a := &App{Getenv: func(string) string { return "" }, Dir: dir}
	look := func() map[string]tui.Contract {
		t.Helper()
		c, err := a.contractBoard(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]tui.Contract{}
		for _, e := range c.Edges {
			out[e.Consumer+":"+e.Provider] = e
		}
		return out
	}
	got := look()
	if len(got) != 2 || got["orders:users"].State() != tui.ContractNone || got["mail:users"].State() != tui.ContractNone {
		t.Fatalf("without pacts: %+v", got)
	}
	put("contracts/pacts/orders-users.json", boardPact)
	if got := look()["orders:users"]; got.State() != tui.ContractUnknown || !strings.Contains(got.Why, "has not been verified") {
		t.Errorf("never verified: %+v", got)
	}

	put("users/main.go", "package main")
	keep(t, a, filepath.Join(dir, "users"))
	broken := look()["orders:users"]
	if broken.State() != tui.ContractBroken || broken.Agreements[0].State != tui.ContractHolds ||
		strings.Join(broken.Agreements[1].Said, "") != "status: expected 404 but was 500" {
		t.Errorf("verified: %+v", broken)
	}
	put("users/main.go", "package main // changed")
	if got := look()["orders:users"]; got.State() != tui.ContractUnknown || !strings.Contains(got.Why, "has changed since") {
		t.Errorf("after a change: %+v", got)
	}
}

// keep verifies users as `contract verify` would: one interaction holds, the other does not.
func keep(t *testing.T, a *App, input string) {
	t.Helper()
	st, err := a.load("")
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.place()
	if err != nil {
		t.Fatal(err)
	}
	all, err := contracts.Load(filepath.Join(a.Dir, contracts.Dir))
	if err != nil {
		t.Fatal(err)
	}
	states, err := verify.LoadStates(filepath.Join(a.Dir, verify.StatesDir), "users")
	if err != nil {
		t.Fatal(err)
	}
	r := verify.Report{Provider: "users"}
	for n, i := range all[0].Interactions {
		one := verify.Result{Consumer: "orders", Provider: "users", Interaction: i.Title(), ID: i.ID(), Kind: i.Kind, Outcome: verify.Holds}
		if n == 1 {
			one.Outcome, one.Mismatches = verify.Broken, []verify.Mismatch{{Attribute: "status", Description: "expected 404 but was 500"}}
		}
		r.Results = append(r.Results, one)
	}
	key := verify.Key(st, &verify.Target{Name: "users", States: states}, all, "native")
	if err := p.verified(st).Put(verify.Inputs{input}, key, r); err != nil {
		t.Fatal(err)
	}
}
