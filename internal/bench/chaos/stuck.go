package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/control"
)

// stuckStack is a caller and a callee that reads nothing.
const stuckStack = `version: 1
name: bench-chaos
services:
  b: {command: [%[1]q, role, sink], listen: {tcp: auto}}
  a: {command: [%[1]q, role, caller], calls: [b]}
`

// role is what this binary does as a service of the stack.
func role(name string) {
	if name == "sink" {
		if _, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("TCP_PORT")); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
	time.Sleep(time.Hour) // it only has to be there
}

// Of one figure: what a run lifts, and how many runs there are.
const (
	removals    = 1000
	removalRuns = 5
)

// stuck takes the time of removals over the control socket of a whole msctl, while its edge cannot send on.
func stuck(ctx context.Context, msctl string) ([]row, error) {
	f, err := upStuck(ctx, msctl)
	if err != nil {
		return nil, err
	}
	defer f.down(ctx)
	c, err := stuff(f.edge)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	client, err := control.Dial(ctx, f.socket)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var p99 []time.Duration
	for range removalRuns {
		took, err := remove(ctx, client)
		if err != nil {
			return nil, err
		}
		p99 = append(p99, took[len(took)*99/100])
	}
	slices.Sort(p99)
	return []row{{fmt.Sprintf("%d removals over the control socket with a stuck sink: p99, median and worst of %d", removals, removalRuns),
		milliseconds(p99[removalRuns/2]) + ", " + milliseconds(p99[removalRuns-1]), "under 50 ms", p99[removalRuns-1] < 50*time.Millisecond}}, nil
}

// remove puts faults one after another, and returns how long their removals took, the shortest first.
func remove(ctx context.Context, client *control.Client) (took []time.Duration, err error) {
	lines := []string{"latency=1h", "bandwidth=1KB/s", "stall", "slicer=10", "slow-close=1h", "limit,time=1h"}
	for i := range removals {
		faults, err := chaos.Parse([]string{"a:b", lines[i%len(lines)], "stream=up"})
		if err != nil {
			return nil, err
		}
		put, err := client.AddFaults(ctx, faults)
		if err != nil {
			return nil, err
		}
		begin := time.Now()
		if _, err := client.RemoveFaults(ctx, []string{put[0].ID}); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took, nil
}

// stuff sends over a new connection until it takes no more.
func stuff(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	for b := make([]byte, 1<<20); err == nil; {
		if err = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err == nil {
			_, err = c.Write(b)
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.Close()
		return nil, err
	}
	return c, nil
}

// stuckFleet is the stack under msctl.
type stuckFleet struct{ msctl, dir, edge, socket string }

func upStuck(ctx context.Context, msctl string) (_ *stuckFleet, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &stuckFleet{msctl: msctl}
	if f.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.down(ctx)
		}
	}()
	if err := os.WriteFile(filepath.Join(f.dir, "stack.yaml"), fmt.Appendf(nil, stuckStack, self), 0o600); err != nil {
		return nil, err
	}
	if _, err := f.run(ctx, "up", "-d", "--wait"); err != nil {
		return nil, err
	}
	out, err := f.run(ctx, "edges", "a:b", "--json")
	if err != nil {
		return nil, err
	}
	var edge struct{ Addr string }
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&edge); err != nil {
		return nil, fmt.Errorf("read edges: %w", err)
	}
	sockets, err := filepath.Glob(filepath.Join(f.dir, "msctl", "*.sock"))
	if err != nil || len(sockets) != 1 {
		return nil, fmt.Errorf("find the control socket: there is %q", sockets)
	}
	f.edge, f.socket = edge.Addr, sockets[0]
	return f, nil
}

// run is msctl with this stack, whose control socket is in its folder.
func (f *stuckFleet) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, f.msctl, args...)
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), "XDG_RUNTIME_DIR="+f.dir)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("msctl %s: %w: %s", args[0], err, out)
	}
	return out, nil
}

func (f *stuckFleet) down(ctx context.Context) {
	_, _ = f.run(context.WithoutCancel(ctx), "down")
	os.RemoveAll(f.dir)
}
