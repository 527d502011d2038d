package scaffold_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/lastly"
	"msctl.dev/msctl/internal/need"
)

// stackUnderTest is a stack that msctl runs for a test.
type stackUnderTest struct {
	t   *testing.T
	bin string // msctl
	dir string
	env []string
}

// newStack makes a stack as `msctl init` does.
func newStack(t *testing.T) *stackUnderTest {
	t.Helper()
	s := &stackUnderTest{t: t, dir: t.TempDir()}
	for _, dir := range []string{filepath.Dir(s.dir), s.dir} { // PostgreSQL runs as another user, where this is root
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	runtime, err := os.MkdirTemp("", "r") // a socket's path is short
	if err == nil {
		s.bin, err = exec.LookPath("msctl")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	s.env = append(os.Environ(), "CGO_ENABLED=0", "XDG_RUNTIME_DIR="+runtime, "NO_COLOR=1", "GOFLAGS=-buildvcs=false")
	if err := lastly.Down(lastly.Stacks{Program: s.bin, Below: s.dir, Runtime: runtime}); err != nil {
		t.Fatal(err)
	}
	s.msctl("init", "--name", "shop", "--yes")
	t.Cleanup(func() { s.command(context.Background(), "down", "--force").Run() })
	return s
}

func (s *stackUnderTest) file(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stackUnderTest) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.bin, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

func (s *stackUnderTest) msctl(args ...string) string {
	s.t.Helper()
	var errs bytes.Buffer
	cmd := s.command(s.t.Context(), args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("msctl %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.Bytes())
	}
	return strings.TrimSpace(string(out))
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// fleetUnderTest is which services of the stack are what.
type fleetUnderTest struct {
	*stackUnderTest
	http, grpc, workers []string
	at                  map[string]string // where each answers
}

// TestFleet makes a service of each template whose tool chain is here, with edges and resources, and brings
// them up, with PostgreSQL where it is installed. An item that is made at one is an event that every worker
// handles, whatever it is written in. Then the services are attacked, and asked to stop under load; last their
// own tests are run, and what they need of each other is proven.
func TestFleet(t *testing.T) {
	f := newFleet(t)
	for _, name := range slices.Concat(f.http, f.grpc, f.workers) {
		f.at[name] = f.msctl("open", "--print", name)
		if status, body := get(t, f.at[name]+"/readyz"); status != 200 {
			t.Errorf("%s: readyz: %d %s", name, status, body)
		}
	}
	f.at["gateway"] = f.msctl("open", "--print", "gateway")
	for _, name := range f.http[1:] {
		if status, body := get(t, f.at[name]+"/neighbours"); status != 200 || strings.Count(body, "ready") != strings.Count(body, ":") {
			t.Errorf("%s: neighbours: %d %s", name, status, body)
		}
	}
	f.handled(f.at, f.workers)
	t.Run("gateway", func(t *testing.T) { f.throughTheDoor(t) })
	t.Run("attacks", func(t *testing.T) { f.attacked(t) })
	t.Run("workers stop", func(t *testing.T) { f.nothingLost(t) })
	t.Run("services stop", func(t *testing.T) { f.stopped(t) })
	f.msctl("down")
	t.Run("unit tests", func(t *testing.T) { f.unitTested(t) })
	t.Run("contracts", func(t *testing.T) { f.contracted(t) })
}

// newFleet brings the services up.
func newFleet(t *testing.T) *fleetUnderTest {
	t.Helper()
	s := newStack(t)
	f := &fleetUnderTest{stackUnderTest: s, http: []string{"billing", "big-ledger"}, grpc: []string{"prices"}, workers: []string{"worker"}, at: map[string]string{}}
	s.msctl("new", "service", "prices", "--template", "go-grpc", "--uses", "postgres,rabbitmq", "--calls", "catalog", "--param", "noun=price", "--yes")
	s.msctl("new", "service", "billing", "--uses", "postgres,rabbitmq", "--consumes", "price.created", "--yes")
	s.msctl("new", "service", "big-ledger", "--calls", "billing,prices:grpc", "--uses", "redis", "--yes") // in memory
	s.msctl("new", "service", "worker", "--template", "go-worker", "--consumes", "item.created", "--calls", "billing", "--yes")
	override, databases := "services:\n", []string{"billing-db", "prices-db", "worker-db"}
	if _, err := exec.LookPath("node"); err == nil {
		modules := nodeModules(t)
		more := []string{}
		if need.Program("postgres") != "" { // an older Node has no SQLite
			more, databases = []string{"--uses", "postgres"}, append(databases, "front-db")
		}
		s.msctl(append([]string{"new", "service", "front", "--template", "node-http", "--calls", "billing", "--yes"}, more...)...)
		if err := os.Symlink(modules, filepath.Join(s.dir, "services/front/node_modules")); err != nil {
			t.Fatal(err)
		}
		override += "  front: {build: \"true\"}\n" // what it installs is there
		f.http = append(f.http, "front")
	}
	if _, err := exec.LookPath("python3"); err == nil {
		bin := python(t)
		s.msctl("new", "service", "pages", "--template", "python-http", "--calls", "big-ledger", "--uses", "postgres", "--yes")
		s.msctl("new", "service", "printer", "--template", "python-worker", "--consumes", "item.*", "--yes")
		for _, name := range []string{"pages", "printer"} {
			override += fmt.Sprintf("  %s: {build: \"true\", command: [%s, -B, main.py], contract: {test: [python3, contract/run.py]}}\n", name, bin)
		}
		f.http, f.workers, databases = append(f.http, "pages"), append(f.workers, "printer"), append(databases, "pages-db")
	}
	for _, name := range append([]string{"catalog"}, f.http...) {
		s.msctl("add", "route", "/v1/"+name, name)
	}
	override += "  gateway: {env: {RATE_LIMIT: \"100000\"}}\n" // an attack is many requests
	if override == "services:\n" {
		override = ""
	}
	if need.Program("postgres") != "" {
		override += "resources:\n"
		for _, name := range databases {
			override += "  " + name + ": {runtime: native}\n"
		}
	}
	if override != "" {
		s.file("stack.override.yaml", override)
	}
	s.msctl("up", "-d", "--runtime", "embedded", "--timeout", "3m")
	return f
}

// handled makes an item, and waits until every worker has handled the event that tells of it.
func (s *stackUnderTest) handled(at map[string]string, workers []string) {
	s.t.Helper()
	resp, err := http.Post(at["billing"]+"/items", "application/json", strings.NewReader(`{"id": "first", "name": "First"}`))
	if err != nil || resp.StatusCode != 201 {
		s.t.Fatalf("make item: %v, %v", resp, err)
	}
	resp.Body.Close()
	for _, name := range workers {
		eventually(s.t, name+" to handle the event", func() bool {
			_, body := get(s.t, at[name]+"/handled")
			return strings.Contains(body, `first"`)
		})
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
	}
}
