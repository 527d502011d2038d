package container

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/need"
)

// TestPing is G2 where there is an engine.
func TestPing(t *testing.T) {
	need.Docker(t)
	if err := Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if name, err := Engine(t.Context()); err != nil || !strings.Contains(name, " at /") {
		t.Errorf("got %q, %v", name, err)
	}
}

// TestNoEngine is G2: each way to have none is one line that says what is wrong, at once.
func TestNoEngine(t *testing.T) {
	dir := t.TempDir()
	stale, err := net.Listen("unix", filepath.Join(dir, "stale"))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	cases := []struct{ name, host, want string }{
		{"no socket", "unix://" + dir + "/none", "no such socket"},
		{"nothing behind it", "unix://" + dir + "/stale", "nothing answers; is the engine started?"},
		{"nonsense", "gopher:hole", "unable to parse docker host `gopher:hole`"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("DOCKER_HOST", c.host)
			err := Ping(t.Context())
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasSuffix(err.Error(), ": "+c.want) {
				t.Errorf("got %v", err)
			}
			d := &Driver{Stack: "none"}
			if _, err := d.Run(t.Context(), driver.Unit{Name: "svc", Image: base}, driver.Hooks{}); err == nil {
				t.Error("no error from Run")
			}
		})
	}
}

// TestForbiddenEngine is G2 for a user who may not use the engine. Root may use every socket, and so runs
// the question as nobody, from a copy of this program that nobody may read.
func TestForbiddenEngine(t *testing.T) {
	dir, err := os.MkdirTemp("", "ping")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	exe, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.WriteFile(filepath.Join(dir, "exe"), exe, 0o755), os.Chmod(dir, 0o755), os.Chmod(filepath.Join(dir, "s"), 0))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "exe"), "ping")
	cmd.Dir, cmd.Env = dir, []string{"DOCKER_HOST=unix://" + dir + "/s"}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "reach container engine at " + dir + "/s: no permission; join its group (docker) or run as its owner\n"
	if string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// TestHangingEngine costs the time of one ping.
func TestHangingEngine(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", sock) // never accepts
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := try(ctx, "unix://"+sock); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("got %v", err)
	}
}

// TestContexts reads what the Docker command line's contexts say, by its own rules.
func TestContexts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config.json", `{"currentContext":"colima"}`)
	for _, name := range []string{"colima", "other"} {
		write(fmt.Sprintf("contexts/meta/%x/meta.json", sha256.Sum256([]byte(name))),
			fmt.Sprintf(`{"Name":%q,"Endpoints":{"docker":{"Host":"unix:///%s.sock"}}}`, name, name))
	}
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"DOCKER_HOST": "tcp://a:1", "DOCKER_CONFIG": dir}, "tcp://a:1"},
		{map[string]string{"DOCKER_CONTEXT": "other", "DOCKER_CONFIG": dir}, "unix:///other.sock"},
		{map[string]string{"DOCKER_CONTEXT": "default", "DOCKER_CONFIG": dir}, ""},
		{map[string]string{"DOCKER_CONFIG": dir}, "unix:///colima.sock"},
		{map[string]string{"HOME": dir}, ""},
	} {
		if got := saidHost(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: got %q, want %q", c.env, got, c.want)
		}
	}
}
