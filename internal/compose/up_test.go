package compose_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"

	"msctl.dev/msctl/internal/cli"
	"msctl.dev/msctl/internal/lastly"
	"msctl.dev/msctl/internal/need"
)

// TestUp brings a compose file with services in three languages and three servers up, on the servers that are
// installed here. The user of a database is the one that msctl makes.
func TestUp(t *testing.T) {
	need.Native(t, "postgres")
	need.Native(t, "redis-server")
	need.Native(t, "rabbitmq-server")
	need.Tool(t, "node")
	need.Tool(t, "python3")
	msctl := newMsctl(t)
	if said := msctl("import", "compose", "compose.yaml", "-o", "stack.yaml", "--strict"); strings.Contains(said, "no counterpart") {
		t.Errorf("left out: %s", said)
	}
	msctl("up", "-d", "--runtime", "native", "--timeout", "3m")
	resp, err := http.Get(msctl("open", "--print", "api"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := "postgres says N of db; rabbitmq says 1; redis says +PONG"; err != nil || string(body) != want {
		t.Errorf("got %q, %v, want %q", body, err, want)
	}
	ps := msctl("ps")
	for _, line := range []string{"\nmigrate", "\napi", "\nweb", "\nworker"} {
		if !strings.Contains("\n"+ps, line) {
			t.Errorf("lacks %q:\n%s", line, ps)
		}
	}
}

// TestMain makes this test's binary msctl itself, which saves building it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"msctl": func() { os.Exit(cli.Run()) }})
}

// newMsctl returns what runs msctl in a folder with the shop.
func newMsctl(t *testing.T) func(args ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} { // PostgreSQL runs as another user, where this is root
		if err := os.Chmod(d, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	program, err := exec.LookPath("msctl")
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := os.MkdirTemp("", "r") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	env := append(os.Environ(), "CGO_ENABLED=0", "XDG_RUNTIME_DIR="+runtime, "NO_COLOR=1", "GOFLAGS=-buildvcs=false")
	if err := lastly.Down(lastly.Stacks{Program: program, Below: dir, Runtime: runtime}); err != nil {
		t.Fatal(err)
	}
	files, err := txtar.ParseFile("testdata/shop.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if err := txtar.Write(files, dir); err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context, args ...string) (string, string, error) {
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &errs
		err := cmd.Run()
		return strings.TrimSpace(out.String()), errs.String(), err
	}
	t.Cleanup(func() { _, _, _ = run(context.Background(), "down", "--force") })
	return func(args ...string) string {
		t.Helper()
		out, errs, err := run(t.Context(), args...)
		if err != nil {
			t.Fatalf("msctl %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
		}
		if args[0] == "import" {
			return errs
		}
		return out
	}
}
