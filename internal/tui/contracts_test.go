package tui

import (
	"errors"
	"strings"
	"testing"
)

// TestContractsEmpty says what to run where there are no contracts, and what is wrong where they cannot be read.
func TestContractsEmpty(t *testing.T) {
	f := shop()
	f.pacts = Contracts{Services: []string{"gateway", "orders"}}
	s := newStage(t, f, 80, 24)
	s.press("6")
	s.shows("msctl contract test")
	s.press("enter", "n", "h", "l", "j", "y") // none of them falls over nothing

	f.pacts.Edges = []Contract{agreement("gateway", "orders", ContractNone)}
	s.press("R")
	s.shows("msctl contract test", "msctl contract verify", "gateway", "▸–")

	f.err = errors.New("load pacts: orders-users.json is \x1b[2Jno pact")
	s.press("R")
	s.shows("contracts cannot be read", "orders-users.json")
}

// TestContractsChange shows what was verified meanwhile after seconds, without a key, in the open contract too.
func TestContractsChange(t *testing.T) {
	f := shop()
	f.pacts = Contracts{Services: []string{"orders", "users"}, Edges: []Contract{agreement("orders", "users", ContractUnknown)}}
	s := newStage(t, f, 80, 24)
	s.press("6")
	s.shows("▸?2", "has changed since")
	f.pacts = Contracts{Services: f.pacts.Services, Edges: []Contract{agreement("orders", "users", ContractBroken)}}
	for range contractsEvery + 1 {
		s.second()
	}
	s.shows("▸✗2", "broken", "$.name")
	s.press("enter")
	s.shows("orders → users", "status: expected 200 but was 404")
}

// TestContractsTrouble goes to every contract in trouble and around, and not to the others.
func TestContractsTrouble(t *testing.T) {
	s := newStage(t, shop(), 80, 24)
	s.press("6")
	seen := map[string]bool{}
	for range 100 {
		s.press("n")
		c, _ := s.m.visible().(*pacts).chosen()
		if c.State() < ContractPending {
			t.Fatalf("n chose %s, which is in state %d", c.edge(), c.State())
		}
		seen[c.edge()] = true
	}
	want := 0
	for _, c := range s.f.pacts.Edges {
		if c.State() >= ContractPending {
			want++
		}
	}
	if len(seen) != want {
		t.Errorf("n went to %d contracts of %d in trouble", len(seen), want)
	}
}

// TestContractsNarrow brings every provider onto a screen that has no room for all.
func TestContractsNarrow(t *testing.T) {
	s := newStage(t, shop(), 40, 24)
	s.press("6")
	s.shows("gat", "more providers")
	if strings.Contains(s.screen(), " sea\n") {
		t.Errorf("all providers fit into 40 columns:\n%s", s.screen())
	}
	for range len(s.f.pacts.Services) {
		s.press("l")
	}
	s.shows(" sea\n")
	if strings.Contains(s.screen(), " gat ") {
		t.Errorf("the first provider is still there:\n%s", s.screen())
	}
}
