// Package e2e_test runs the whole fleet.
package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

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
