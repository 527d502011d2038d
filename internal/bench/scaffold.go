package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// newToReady is (i): a service is written into a stack that runs; until it is ready, beside the plain
// `go build` of the same service in a stack that does not.
func newToReady(ctx context.Context, b *bench) error {
	top, err := os.MkdirTemp("", "bench-new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(top)
	runs, plain := filepath.Join(top, "runs"), filepath.Join(top, "plain")
	for _, dir := range []string{runs, plain} {
		if _, err := run(ctx, top, b.msctl, "init", dir, "--name", "shop", "--yes"); err != nil {
			return err
		}
	}
	if _, err := run(ctx, runs, b.msctl, "up", "-d", "--runtime", "embedded"); err != nil {
		return err
	}
	defer b.down(runs)
	var writes, builds, walls, over []time.Duration
	for i := range b.runs + 1 {
		name := fmt.Sprintf("bench-%d", i)
		words := []string{b.msctl, "new", "service", name, "--uses", "postgres", "--calls", "catalog", "--yes"}
		write, err := timed(ctx, plain, words...)
		if err != nil {
			return err
		}
		build, err := timed(ctx, plain, "go", "build", "-o", filepath.Join(top, name), "./services/"+name)
		if err != nil {
			return err
		}
		wall, err := timed(ctx, runs, words...)
		if err != nil {
			return err
		}
		if i > 0 { // the first one fills the caches
			writes, builds = append(writes, write), append(builds, build)
			walls, over = append(walls, wall), append(over, wall-build)
		}
	}
	b.durations("(i) new service, written", writes, nil, "100 ms")
	b.durations("(i) new service in a fleet that runs, to ready", walls, nil, "build + 500 ms")
	b.durations("(i) plain go build of the same service", builds, nil, "")
	b.durations("(i) difference", over, nil, "500 ms")
	return nil
}
