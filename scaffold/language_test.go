package scaffold_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/scaffold"
	"msctl.dev/msctl/services/kit/kittest"
)

// installed returns a folder of this user's cache in which make has installed what lock names, once for each
// content of it.
func installed(t *testing.T, tool, name string, lock []byte, make func(dir string) [][]string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		need.Missing(t, tool, "no cache folder: "+err.Error())
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "msctl-test", name+"-"+hex.EncodeToString(sum[:6]))
	stamp := filepath.Join(dir, "complete")
	if _, err := os.Stat(stamp); err == nil {
		return dir
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, argv := range make(dir) {
		cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			need.Missing(t, tool, fmt.Sprintf("%v: %v\n%s", argv, err, out))
		}
	}
	if err := os.WriteFile(stamp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// nodeModules is a folder with what the template's lock names.
func nodeModules(t *testing.T) string {
	t.Helper()
	need.Tool(t, "node")
	files := map[string][]byte{}
	for _, o := range render(t, "node-http", scaffold.Values{Service: "modules", Uses: []scaffold.Use{database}}) {
		files[filepath.Base(o.Path)] = o.Data
	}
	return filepath.Join(installed(t, "node", "node", files["package-lock.json"], func(dir string) [][]string {
		for _, name := range []string{"package.json", "package-lock.json"} {
			if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return [][]string{{"npm", "ci", "--no-audit", "--no-fund", "--silent"}}
	}), "node_modules")
}

// rendered returns one file of a service.
func rendered(t *testing.T, template string, v scaffold.Values, name string) []byte {
	t.Helper()
	for _, o := range render(t, template, v) {
		if filepath.Base(o.Path) == name {
			return o.Data
		}
	}
	t.Fatalf("%s has no %s", template, name)
	return nil
}

// python is an interpreter with what both templates' requirements name, each with the hash that it has there.
func python(t *testing.T) string {
	t.Helper()
	need.Tool(t, "python3")
	lists := map[string][]byte{
		"worker.txt": rendered(t, "python-worker", scaffold.Values{Service: "worker", Uses: []scaffold.Use{broker, cache}}, "requirements.txt"),
		"http.txt":   rendered(t, "python-http", scaffold.Values{Service: "http", Uses: []scaffold.Use{database}}, "requirements.txt"),
	}
	dir := installed(t, "python3", "python", slices.Concat(lists["worker.txt"], lists["http.txt"]), func(dir string) [][]string {
		at := t.TempDir()
		for name, text := range lists {
			if err := os.WriteFile(filepath.Join(at, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		bin := filepath.Join(dir, "bin", "python")
		install := []string{bin, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r"}
		return [][]string{
			{"python3", "-m", "venv", "--clear", dir},
			append(slices.Clone(install), filepath.Join(at, "worker.txt")),
			append(slices.Clone(install), filepath.Join(at, "http.txt")),
		}
	})
	return filepath.Join(dir, "bin", "python")
}

// emptyPostgres returns what names an empty database of its own each time, where PostgreSQL is installed.
func emptyPostgres(t *testing.T) func() []string {
	t.Helper()
	if need.Program("postgres") == "" {
		return func() []string { return nil }
	}
	url := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
	d, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	n := 0
	return func() []string {
		n++
		if _, err := d.ExecContext(t.Context(), fmt.Sprintf("CREATE DATABASE empty%d", n)); err != nil {
			t.Fatal(err)
		}
		return []string{"TEST_DATABASE_URL=" + strings.Replace(url, "/postgres?", fmt.Sprintf("/empty%d?", n), 1)}
	}
}

// TestNodeServices renders Node services of both shapes and runs their tests.
func TestNodeServices(t *testing.T) {
	modules := nodeModules(t)
	databases := emptyPostgres(t)
	for _, v := range []scaffold.Values{{Service: "plain"}, {Service: "kept", Uses: []scaffold.Use{database}},
		{Service: "full", Calls: calls, Uses: []scaffold.Use{database}, Params: map[string]string{"noun": "value"}}} {
		dir := t.TempDir()
		write(t, dir, render(t, "node-http", v))
		at := filepath.Join(dir, "services", v.Service)
		if err := os.Symlink(modules, filepath.Join(at, "node_modules")); err != nil {
			t.Fatal(err)
		}
		runWith(t, at, databases(), "node", "--test")
	}
}

// TestPythonServices renders Python services of every shape and runs their tests.
func TestPythonServices(t *testing.T) {
	bin, databases := python(t), emptyPostgres(t)
	for _, s := range []struct {
		template string
		values   scaffold.Values
	}{
		{"python-http", scaffold.Values{Service: "plain"}},
		{"python-http", scaffold.Values{Service: "kept", Uses: []scaffold.Use{database}}},
		{"python-http", scaffold.Values{Service: "full", Uses: []scaffold.Use{database}, Calls: calls, Params: map[string]string{"noun": "value"}}},
		{"python-worker", scaffold.Values{Service: "worker", Uses: []scaffold.Use{broker, cache}, Publishes: paid, Consumes: told, Others: others}},
	} {
		dir := t.TempDir()
		write(t, dir, render(t, s.template, s.values))
		at := filepath.Join(dir, "services", s.values.Service)
		run(t, at, bin, "-B", "-W", "error", "-m", "unittest", "-q")
		if env := databases(); s.values.Uses != nil && s.template == "python-http" && env != nil {
			runWith(t, at, env, bin, "-B", "-W", "error", "-m", "unittest", "-q")
		}
	}
}

// TestCopies holds what templates share with the reference fleet, and with each other, to be the same.
func TestCopies(t *testing.T) {
	for one, other := range map[string]string{
		"templates/node-http/files/env.js":                   "services/bff/env.js",
		"templates/node-http/files/problem.js":               "services/bff/problem.js",
		"templates/python-worker/files/jsonlog.py":           "services/push/jsonlog.py",
		"templates/python-http/files/jsonlog.py":             "services/push/jsonlog.py",
		"templates/python-worker/files/contract/run.py":      "templates/python-http/files/contract/run.py",
		"templates/python-worker/files/logexport.py":         "templates/python-http/files/logexport.py",
		"templates/python-worker/files/requirements-dev.in":  "templates/python-http/files/requirements-dev.in",
		"templates/python-http/files/env.py":                 "templates/python-worker/files/env.py",
		"templates/go-worker/files/neighbours.go.tmpl":       "templates/go-http/files/neighbours.go.tmpl",
		"templates/go-worker/files/Dockerfile.tmpl":          "templates/go-http/files/Dockerfile.tmpl",
		"templates/go-worker/files/Dockerfile.dockerignore":  "templates/go-http/files/Dockerfile.dockerignore",
		"templates/go-worker/files/ci.yml.tmpl":              "templates/go-http/files/ci.yml.tmpl",
		"templates/go-gateway/files/Dockerfile.dockerignore": "templates/go-http/files/Dockerfile.dockerignore",
		"templates/go-gateway/files/ci.yml.tmpl":             "templates/go-http/files/ci.yml.tmpl",
		"templates/go-gateway/files/jwks.go.tmpl":            "services/gateway/remote.go",
		"templates/go-grpc/files/neighbours.go.tmpl":         "templates/go-http/files/neighbours.go.tmpl",
		"templates/go-grpc/files/Dockerfile.dockerignore":    "templates/go-http/files/Dockerfile.dockerignore",
		"templates/go-grpc/files/ci.yml.tmpl":                "templates/go-http/files/ci.yml.tmpl",
		"templates/go-grpc/files/events.go.tmpl":             "templates/go-http/files/events.go.tmpl",
		"templates/go-grpc/files/events_test.go.tmpl":        "templates/go-http/files/events_test.go.tmpl",
		"templates/go-grpc/files/listener.go.tmpl":           "templates/go-http/files/listener.go.tmpl",
		"templates/go-worker/files/events.go.tmpl":           "templates/go-http/files/events.go.tmpl",
		"templates/go-worker/files/events_test.go.tmpl":      "templates/go-http/files/events_test.go.tmpl",
		"templates/go-grpc/files/contract_test.go.tmpl":      "templates/go-http/files/contract_test.go.tmpl",
		"templates/python-http/files/states.yaml.tmpl":       "templates/node-http/files/states.yaml.tmpl",
		"templates/go-grpc/files/noun.go.tmpl":               "templates/go-http/files/noun.go.tmpl",
		"templates/go-grpc/files/store.go.tmpl":              "templates/go-http/files/store.go.tmpl",
		"templates/go-grpc/files/memory.go.tmpl":             "templates/go-http/files/memory.go.tmpl",
	} {
		a, err := os.ReadFile(filepath.Join("..", one))
		if err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(filepath.Join("..", other))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s and %s differ, %v", one, other, err)
		}
	}
}

// unitTested runs the unit tests that the services of the fleet came with.
func (f *fleetUnderTest) unitTested(t *testing.T) {
	words := []string{"test"}
	for _, name := range []string{"catalog", "gateway", "billing", "big-ledger", "prices", "worker"} {
		words = append(words, "./services/"+name)
	}
	run(t, f.dir, "go", words...)
	if slices.Contains(f.http, "front") {
		run(t, filepath.Join(f.dir, "services/front"), "node", "--test")
	}
	if slices.Contains(f.http, "pages") {
		bin := python(t)
		for _, name := range []string{"pages", "printer"} {
			run(t, filepath.Join(f.dir, "services", name), bin, "-B", "-m", "unittest", "-q")
		}
	}
}
