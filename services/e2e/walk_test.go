// Package e2e_test runs the whole fleet.
package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
)

// TestWalk brings the fleet up on every backing that this machine has, and walks through it as
// README.md says.
func TestWalk(t *testing.T) {
	need.Tool(t, "bash")
	need.Tool(t, "curl")
	root, msctl := build(t)
	for _, backing := range backings {
		t.Run(backing.name, func(t *testing.T) {
			backing.need(t)
			copied := up(t, root, msctl, backing.name)
			env := []string{"MSCTL=" + msctl, "MSCTL_FLAGS=--instance " + copied}
			do(t, root, env, filepath.Join(root, "services", "walk.sh"))
		})
	}
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
