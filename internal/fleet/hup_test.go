package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// TestWatchSignal checks that a service with `action: signal` is told of an edit by a HUP and runs on.
func TestWatchSignal(t *testing.T) {
	p := newProject(t)
	p.write("conf/limits", "10\n")
	p.write("stack.yaml", `version: 1
name: real
services:
  a:
    command: trap 'echo heard' HUP; echo up; while :; do sleep 0.05 & wait; done
    health: {log: up}
    watch: {paths: [conf], action: signal}
`)
	var err error
	if p.o.Stack, err = p.o.Load(); err != nil {
		t.Fatal(err)
	}
	p.o.Watch = true
	r := p.up()
	pid := r.get("a").PID
	<-r.watching
	p.edit("conf/limits", "10", "20")
	r.until("a is told", func(e state.Event) bool { return strings.HasSuffix(e.Text, ", sending HUP") })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = output.Follow(ctx, r.logDir("a"), output.Query{}, func(lines []output.Line) error {
		for _, l := range lines {
			if string(l.Text) == "heard" {
				return errSeen
			}
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		t.Errorf("a did not hear it: %v", err)
	}
	if u := r.get("a"); u.PID != pid || u.Restarts != 0 || u.Phase != state.Ready {
		t.Errorf("a has pid %d, was %d, is %s after %d restarts", u.PID, pid, u.Phase, u.Restarts)
	}
	r.end(nil)
}

// TestNodeModules installs what package-lock.json names once, and again when it has changed; what it needs
// is a folder beside it, so that no registry is asked.
func TestNodeModules(t *testing.T) {
	need.Tool(t, "npm")
	dir, cache := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("dep/package.json", `{"name": "dep", "version": "1.0.0"}`)
	write("package.json", `{"name": "svc", "version": "1.0.0", "dependencies": {"dep": "file:./dep"}}`)
	write("package-lock.json", `{"name": "svc", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": {
		"": {"name": "svc", "version": "1.0.0", "dependencies": {"dep": "file:./dep"}},
		"dep": {"version": "1.0.0"}, "node_modules/dep": {"resolved": "dep", "link": true}}}`)
	t.Setenv("npm_config_cache", t.TempDir())
	s := &stack.Service{Name: "svc", Dir: dir, Language: stack.Node}
	install := func() {
		t.Helper()
		if err := nodeModules(t.Context(), s, cache, &doing{}); err != nil {
			t.Fatal(err)
		}
		if !exists(filepath.Join(dir, "node_modules", "dep", "package.json")) {
			t.Fatal("dep is not installed")
		}
	}
	install()
	write("node_modules/mine", "") // npm ci begins with removing the folder
	install()
	if !exists(filepath.Join(dir, "node_modules", "mine")) {
		t.Error("installed again though nothing has changed")
	}
	write("package.json", `{"name": "svc", "version": "1.0.1", "dependencies": {"dep": "file:./dep"}}`)
	install()
	if exists(filepath.Join(dir, "node_modules", "mine")) {
		t.Error("not installed again after an edit")
	}
	write("package.json", `{"name": "svc", "version": "1.0.0", "dependencies": {"other": "1"}}`)
	err := nodeModules(t.Context(), s, cache, &doing{})
	var broken *buildError
	if !errors.As(err, &broken) || len(broken.lines) == 0 {
		t.Errorf("got %v, want what npm says of a lock that does not fit", err)
	}
}
