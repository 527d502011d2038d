package scaffold_test

import (
	"crypto/sha256"
	"encoding/json"
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

// TestContractsInNode runs those of a Node service, with modules of their own.
func TestContractsInNode(t *testing.T) {
	need.Pact(t)
	modules := nodeModules(t)
	dir, pacts := t.TempDir(), t.TempDir()
	write(t, dir, render(t, "node-http", scaffold.Values{Service: "front", Calls: calls}))
	at := filepath.Join(dir, "services/front")
	pact := installed(t, "node", "pact", read(t, filepath.Join(at, "contract/package-lock.json")), func(to string) [][]string {
		for _, name := range []string{"package.json", "package-lock.json"} {
			if err := os.WriteFile(filepath.Join(to, name), read(t, filepath.Join(at, "contract", name)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return [][]string{{"npm", "ci", "--no-audit", "--no-fund", "--silent"}}
	})
	for link, to := range map[string]string{"node_modules": modules, "contract/node_modules": filepath.Join(pact, "node_modules")} {
		err := os.Symlink(to, filepath.Join(at, link))
		if err == nil { // what is there is newer, so that nothing is installed
			err = os.Chtimes(filepath.Join(at, filepath.Dir(link), "package-lock.json"), time.Time{}, time.Unix(1, 0))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	runWith(t, at, []string{"MSCTL_PACT_DIR=" + pacts}, "npm", "run", "--silent", "test:contract")
	wantPacts(t, pacts, map[string][]string{"front-users.json": {"is it ready"}})
}

// TestContractsInPython runs those of Python services; without pact-python they are skipped, which
// TestPythonServices sees.
func TestContractsInPython(t *testing.T) {
	need.Pact(t)
	python(t)
	dir, pacts := t.TempDir(), t.TempDir()
	write(t, dir, render(t, "python-http", scaffold.Values{Service: "pages", Calls: calls}))
	write(t, dir, render(t, "python-worker", scaffold.Values{Service: "printer", Uses: []scaffold.Use{broker, cache}, Consumes: told, Others: others}))
	lists := map[string]string{"http": "services/pages", "worker": "services/printer"}
	var locks []byte
	for _, name := range []string{"http", "worker"} {
		locks = append(locks, read(t, filepath.Join(dir, lists[name], "requirements-dev.txt"))...)
		locks = append(locks, read(t, filepath.Join(dir, lists[name], "requirements.txt"))...)
	}
	env := installed(t, "python3", "python-pact", locks, func(to string) [][]string {
		argv := [][]string{{"python3", "-m", "venv", "--clear", to}}
		for _, name := range []string{"http", "worker"} {
			argv = append(argv, []string{filepath.Join(to, "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
				"--require-hashes", "-r", filepath.Join(dir, lists[name], "requirements-dev.txt")})
		}
		return argv
	})
	for _, name := range []string{"pages", "printer"} {
		at := filepath.Join(dir, "services", name)
		madeBefore(t, at, env)
		runWith(t, at, []string{"MSCTL_PACT_DIR=" + pacts}, "python3", "contract/run.py")
	}
	wantPacts(t, pacts, map[string][]string{
		"pages-users.json": {"is it ready"}, "printer-orders.json": {"order.confirmed"}, "printer-big-users.json": {"user.updated"},
	})
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
