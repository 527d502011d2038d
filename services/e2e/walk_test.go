// Package e2e_test runs the whole fleet.
package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
)

// TestWalk brings the fleet up on every backing that this machine has, and walks through it as
// README.md says.
func TestWalk(t *testing.T) {
	if testing.Short() {
		t.Skip("needs more time than -short leaves")
	}
	need.Tool(t, "bash")
	need.Tool(t, "curl")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	do(t, root, nil, "go", "build", "-o", bin+"/", "./cmd/...")
	for _, backing := range []struct {
		name string
		need func(*testing.T)
	}{
		{"embedded", func(*testing.T) {}},
		{"native", func(t *testing.T) {
			need.Native(t, "postgres")
			need.Native(t, "redis-server")
			need.Native(t, "rabbitmq-server")
		}},
		{"container", func(t *testing.T) { need.Docker(t) }},
	} {
		t.Run(backing.name, func(t *testing.T) {
			backing.need(t)
			walk(t, root, filepath.Join(bin, "msctl"), backing.name)
		})
	}
}

var instance = regexp.MustCompile(`--instance (\S+)`)

// walk runs it on a copy of the stack beside one that may be up already.
func walk(t *testing.T, root, msctl, backing string) {
	out, err := run(t, root, nil, msctl, "up", "-d", "--wait", "--isolated", "--runtime", backing, "--timeout", "5m")
	if found := instance.FindSubmatch(out); found != nil {
		copied := string(found[1])
		t.Cleanup(func() { do(t, root, nil, msctl, "--instance", copied, "down", "-v") })
		if err == nil {
			env := []string{"MSCTL=" + msctl, "MSCTL_FLAGS=--instance " + copied}
			do(t, root, env, filepath.Join(root, "services", "walk.sh"))
			return
		}
	}
	t.Fatalf("up: %v\n%s", err, out)
}

// do runs a command that must succeed.
func do(t *testing.T, dir string, env []string, argv ...string) {
	t.Helper()
	if out, err := run(t, dir, env, argv...); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// run runs a command to its end, also when the test is over, and returns all that it printed.
func run(t *testing.T, dir string, env []string, argv ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 6*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	return c.CombinedOutput()
}
