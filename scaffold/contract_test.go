package scaffold_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"msctl.dev/msctl/internal/need"
)

// TestContracts runs the contract tests of generated services: each call and each event that a service of the
// stack publishes is in a pact, which the service's own code has met.
func TestContracts(t *testing.T) {
	env := need.Pact(t)
	dir := goStack(t)
	pacts := t.TempDir()
	env = append(env, "CGO_ENABLED=1", "MSCTL_PACT_DIR="+pacts)
	runWith(t, dir, env, "go", "test", "-p", "1", "-count", "1", "-tags", "pact", "-run", "Contract$", "./services/full", "./services/printer", "./services/prices")
	wantPacts(t, pacts, map[string][]string{
		"full-users.json":        {"is it ready"},
		"full-big-payments.json": {"grpc.health.v1.Health/Check: is it ready"},
		"full-orders.json":       {"order.confirmed"},
		"full-big-users.json":    {"user.updated"},
		"printer-orders.json":    {"order.confirmed"},
		"printer-big-users.json": {"user.updated"},
	})
}

// wantPacts looks for pacts in the form of V4, each with what it is about.
func wantPacts(t *testing.T, dir string, want map[string][]string) {
	t.Helper()
	for name, about := range want {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		var pact struct {
			Interactions []struct{ Description string }
			Metadata     struct {
				PactSpecification struct{ Version string }
			}
		}
		if err := json.Unmarshal(text, &pact); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range pact.Interactions {
			got = append(got, i.Description)
		}
		if !slices.Equal(got, about) || pact.Metadata.PactSpecification.Version != "4.0" {
			t.Errorf("%s: got %v of version %s, want %v", name, got, pact.Metadata.PactSpecification.Version, about)
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) != len(want) {
		t.Errorf("got %v, %v, want %d files", files, err, len(want))
	}
}
