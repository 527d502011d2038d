package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// copyRepo makes a checkout of the repository that a measurement may edit.
func (b *bench) copyRepo(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "bench-fleet-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // native servers run as another user
		return "", err
	}
	fleet := filepath.Join(dir, "fleet")
	if _, err := run(ctx, b.repo, "git", "clone", "-q", "--local", ".", fleet); err != nil {
		return "", err
	}
	return fleet, os.WriteFile(filepath.Join(fleet, "stack.override.yaml"), []byte(anyPort), 0o600)
}

// anyPort lets the copy run beside a fleet that the user has up.
const anyPort = "version: 1\nservices:\n  gateway:\n    listen: {http: auto}\n"

// fleetStart is (g): the reference fleet, warm, `up` to ready on each of the three backings.
func fleetStart(ctx context.Context, b *bench) error {
	dir, err := b.copyRepo(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(dir))
	for _, runtime := range []string{"embedded", "native", "container"} {
		walls, err := b.warm(ctx, dir, runtime)
		if err != nil {
			b.add("(g) reference fleet on "+runtime+" servers", "not run", "", "", "")
			fmt.Fprintf(os.Stderr, "measure (g) %s: %v\n", runtime, err)
			continue
		}
		b.durations("(g) reference fleet, warm, on "+runtime+" servers: up to ready", walls, nil, "")
	}
	return nil
}

func (b *bench) warm(ctx context.Context, dir, runtime string) (walls []time.Duration, err error) {
	for i := range b.runs + 1 {
		wall, err := timed(ctx, dir, b.msctl, "up", "-d", "--wait", "--runtime", runtime)
		if downErr := b.down(dir); err == nil {
			err = downErr
		}
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first one fills the caches
			walls = append(walls, wall)
		}
	}
	return walls, nil
}

// editToReady is (f): one Go file of the fleet is saved; until the service is ready again, beside the plain
// `go build` of the same edit.
func editToReady(ctx context.Context, b *bench) error {
	dir, err := b.copyRepo(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(dir))
	plain, err := b.copyRepo(ctx) // nothing watches this one
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(plain))
	if _, err := run(ctx, dir, b.msctl, "up", "-d", "--wait", "--watch", "--runtime", "embedded"); err != nil {
		return err
	}
	defer b.down(dir)
	var builds, edits, over []time.Duration
	for i := range b.runs + 1 {
		build, wall, err := editOnce(ctx, dir, plain, i)
		if err != nil {
			return err
		}
		if i > 0 { // the first one fills the caches
			builds, edits, over = append(builds, build), append(edits, wall), append(over, wall-build)
		}
	}
	b.durations("(f) edit one Go file to ready", edits, nil, "build + 150 ms")
	b.durations("(f) plain go build of the same edit", builds, nil, "")
	b.durations("(f) difference", over, nil, "150 ms")
	return nil
}

func editOnce(ctx context.Context, dir, plain string, n int) (build, wall time.Duration, err error) {
	if err := edit(plain, n); err != nil {
		return 0, 0, err
	}
	if build, err = timed(ctx, plain, "go", "build", "-o", filepath.Join(filepath.Dir(plain), "users"), "./services/users"); err != nil {
		return 0, 0, err
	}
	log := filepath.Join(dir, ".msctl", "msctl.log")
	info, err := os.Stat(log)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := edit(dir, n); err != nil {
		return 0, 0, err
	}
	err = restarted(ctx, log, info.Size())
	return build, time.Since(began), err
}

func edit(dir string, n int) error {
	code := fmt.Sprintf("package main\n\nimport \"os\"\n\nvar _ = os.Getenv(\"BENCH_EDIT_%d\")\n", n)
	return os.WriteFile(filepath.Join(dir, "services", "users", "zz_bench.go"), []byte(code), 0o600)
}

// restarted waits until the supervisor's log, from an offset on, says that the users service is ready. It reads
// a file, for asking the fleet all the time would slow down the build that is measured.
func restarted(ctx context.Context, log string, from int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		b, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if bytes.Contains(b[from:], []byte(`msg="unit ready" unit=users`)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for users: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
