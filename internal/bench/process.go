package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// run executes one command to its end and returns its output; an error carries what it printed.
func run(ctx context.Context, dir string, argv ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, lastBytes(out, 600))
	}
	return out, nil
}

func lastBytes(b []byte, n int) []byte { return bytes.TrimSpace(b[max(0, len(b)-n):]) }

// timed is run and how long it took.
func timed(ctx context.Context, dir string, argv ...string) (time.Duration, error) {
	began := time.Now()
	_, err := run(ctx, dir, argv...)
	return time.Since(began), err
}

// usage is what one process has used so far.
type usage struct {
	cpu    time.Duration
	memory int64 // bytes, proportional set size
	rest   int64 // the same, later; 0 where it was not waited for
}

// restAfter is how long a supervisor has been up before it counts as at rest.
const restAfter = 10 * time.Second

// useAtRest is use now, and the memory once the supervisor has rested.
func useAtRest(pid int) (usage, error) {
	u, err := use(pid)
	time.Sleep(restAfter)
	u.rest = pss(pid)
	return u, err
}

// use reads /proc of a process; CPU counts in ticks of 10 ms.
func use(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	sys, _ := strconv.Atoi(f[12])
	return usage{cpu: time.Duration(user+sys) * 10 * time.Millisecond, memory: pss(pid)}, nil
}

func pss(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// supervisor reads the pid of the fleet in dir from its lock file.
func supervisor(dir string) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, ".msctl", "up.lock"))
	if err != nil {
		return 0, fmt.Errorf("find the supervisor: %w", err)
	}
	var v struct{ PID int }
	if err := json.Unmarshal(b, &v); err != nil || v.PID == 0 {
		return 0, fmt.Errorf("find the supervisor in %q: %v", b, err)
	}
	return v.PID, nil
}

// up brings the stack in dir up, waits for it, and returns the wall time and what the supervisor used.
func (b *bench) up(ctx context.Context, dir string, flags ...string) (wall time.Duration, u usage, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, b.down(dir))
		}
	}()
	if wall, err = timed(ctx, dir, append([]string{b.msctl, "up", "-d", "--wait"}, flags...)...); err != nil {
		return 0, usage{}, err
	}
	pid, err := supervisor(dir)
	if err != nil {
		return 0, usage{}, err
	}
	u, err = b.use(pid)
	return wall, u, err
}

func (b *bench) down(dir string) error {
	_, err := run(context.Background(), dir, b.msctl, "down")
	return err
}

// median of at least one value; the input is sorted in place.
func median[T int64 | float64 | time.Duration](xs []T) T {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

func buildPeer(ctx context.Context, repo string) string {
	bin := filepath.Join(os.TempDir(), "msctl-bench-peer-process-compose")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/f1bonacc1/process-compose/src")
	cmd.Dir = filepath.Join(repo, "internal", "bench", "peers")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: build process-compose: %v: %s\n", err, lastBytes(out, 300))
		return ""
	}
	return bin
}
