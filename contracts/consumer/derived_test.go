package consumer

import (
	"os"
	"path/filepath"
	"testing"

	"msctl.dev/msctl/contracts"
)

// TestDerivedStays keeps what was derived from traffic when tests write the rest of a file, and when none does.
func TestDerivedStays(t *testing.T) {
	pact := func(interactions string) contracts.Pact {
		t.Helper()
		p, err := contracts.Parse([]byte(`{"consumer":{"name":"orders"},"provider":{"name":"users"},"interactions":[`+interactions+`],"metadata":{"pactSpecification":{"version":"4.0"}}}`), contracts.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const (
		tested  = `{"type":"Synchronous/HTTP","description":"ask","request":{"method":"GET","path":"/"},"response":{"status":200}}`
		old     = `{"type":"Synchronous/HTTP","description":"old","request":{"method":"GET","path":"/"},"response":{"status":200}}`
		derived = `{"type":"Synchronous/HTTP","description":"seen","pending":true,"comments":{"derived":"x"},"request":{"method":"GET","path":"/"},"response":{"status":200}}`
	)
	dir := t.TempDir()
	file := filepath.Join(dir, "orders-users.json")
	keep := func(p contracts.Pact) {
		t.Helper()
		if err := os.WriteFile(file, p.Canonical(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	keep(pact(tested + "," + derived))
	if got := Compare(dir, []contracts.Pact{pact(tested)}, []string{"orders"}); len(got) != 1 || got[0].State != Same {
		t.Errorf("with what was derived the file is stale: %+v", got)
	}
	keep(pact(old + "," + derived))
	got := Compare(dir, []contracts.Pact{pact(tested)}, []string{"orders"})
	if len(got) != 1 || got[0].State != Stale || got[0].Pact.Hash() != pact(tested+","+derived).Hash() {
		t.Errorf("what is written: %+v", got)
	}
	if got := Compare(dir, nil, []string{"orders"}); len(got) != 0 {
		t.Errorf("a file with what was derived is removed: %+v", got)
	}
	keep(pact(old))
	if got := Compare(dir, nil, []string{"orders"}); len(got) != 1 || got[0].State != Removed {
		t.Errorf("a file that no test writes stays: %+v", got)
	}
}
