package scaffold_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/scaffold"
)

// contracted runs the contract tests of all services, each language's with its own tools, and proves every
// provider.
func (f *fleetUnderTest) contracted(t *testing.T) {
	need.Pact(t)
	want := map[string][]string{
		"prices-catalog.json": {ready}, "billing-prices.json": {"price.created"},
		"big-ledger-billing.json": {ready}, "big-ledger-prices.json": {readyByGRPC},
		"worker-billing.json": {ready, "item.created"}, "worker-catalog.json": {"item.created"},
	}
	if slices.Contains(f.http, "front") {
		pactForNode(t, filepath.Join(f.dir, "services/front"))
		want["front-billing.json"] = []string{ready}
	}
	if slices.Contains(f.http, "pages") {
		pactForPython(t, filepath.Join(f.dir, "services/pages"), filepath.Join(f.dir, "services/printer"))
		want["pages-big-ledger.json"] = []string{ready}
		want["printer-billing.json"], want["printer-catalog.json"] = []string{"item.created"}, []string{"item.created"}
	}
	f.msctl("contract", "test")
	wantPacts(t, filepath.Join(f.dir, "contracts/pacts"), want)
	f.msctl("contract", "test", "--check")
	holds := 0
	for _, about := range want {
		holds += len(about)
	}
	if said := f.msctl("contract", "verify", "--json"); !strings.Contains(said, fmt.Sprintf(`"type":"verified","holds":%d,`, holds)) {
		t.Errorf("got %s, want that %d hold", said, holds)
	}
}

// What the contracts of generated services are about.
const (
	ready       = "is it ready"
	readyByGRPC = "grpc.health.v1.Health/Check: is it ready"
)

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

// pactForNode gives a Node service the modules of its contract tests, which it would install.
func pactForNode(t *testing.T, service string) {
	t.Helper()
	at := filepath.Join(service, "contract")
	modules := installed(t, "node", "pact", read(t, filepath.Join(at, "package-lock.json")), func(to string) [][]string {
		for _, name := range []string{"package.json", "package-lock.json"} {
			if err := os.WriteFile(filepath.Join(to, name), read(t, filepath.Join(at, name)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return [][]string{{"npm", "ci", "--no-audit", "--no-fund", "--silent"}}
	})
	err := os.Symlink(filepath.Join(modules, "node_modules"), filepath.Join(at, "node_modules"))
	for _, dir := range []string{service, at} { // what is there is newer, so that nothing is installed
		err = errors.Join(err, os.Chtimes(filepath.Join(dir, "package-lock.json"), time.Time{}, time.Unix(1, 0)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// pactForPython gives Python services an environment with what both their contract tests need.
func pactForPython(t *testing.T, services ...string) {
	t.Helper()
	var locks []byte
	for _, service := range services {
		locks = append(locks, read(t, filepath.Join(service, "requirements-dev.txt"))...)
		locks = append(locks, read(t, filepath.Join(service, "requirements.txt"))...)
	}
	env := installed(t, "python3", "python-pact", locks, func(to string) [][]string {
		argv := [][]string{{"python3", "-m", "venv", "--clear", to}}
		for _, service := range services {
			argv = append(argv, []string{filepath.Join(to, "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
				"--require-hashes", "-r", filepath.Join(service, "requirements-dev.txt")})
		}
		return argv
	})
	for _, service := range services {
		madeBefore(t, service, env)
	}
}

// madeBefore gives the tests of a Python service an environment that is there, as they would have made it.
func madeBefore(t *testing.T, service, env string) {
	t.Helper()
	venv := filepath.Join(service, "contract/.venv")
	if err := os.Mkdir(venv, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin", "lib", "pyvenv.cfg"} {
		if err := os.Symlink(filepath.Join(env, name), filepath.Join(venv, name)); err != nil {
			t.Fatal(err)
		}
	}
	lists := append(read(t, filepath.Join(service, "requirements.txt")), read(t, filepath.Join(service, "requirements-dev.txt"))...)
	if err := os.WriteFile(filepath.Join(venv, "made-of"), fmt.Appendf(nil, "%x", sha256.Sum256(lists)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestStates reads the states of generated providers as the verifier does.
func TestStates(t *testing.T) {
	for _, name := range []string{"go-http", "go-grpc", "node-http", "python-http"} {
		for _, uses := range [][]scaffold.Use{nil, {database, broker}} {
			for _, o := range render(t, name, scaffold.Values{Service: "billing", Uses: uses}) {
				if o.Path != "contracts/states/billing.yaml" {
					continue
				}
				s, err := verify.ParseStates(o.Data)
				if err != nil || len(s.States["the item exists"].Set) != 1 {
					t.Errorf("%s: %v\n%s", name, err, o.Data)
				}
				if strings.HasPrefix(name, "go-") && uses != nil && len(s.Messages["item.created"].Do) != 1 {
					t.Errorf("%s: nothing makes it publish:\n%s", name, o.Data)
				}
			}
		}
	}
}
