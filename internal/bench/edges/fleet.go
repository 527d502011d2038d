package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"msctl.dev/msctl/internal/bench/proc"
)

// fleetFile is a caller and a callee whose calls msctl carries, counts, names and stores.
const fleetFile = `version: 1
name: bench-edges
services:
  b: {command: [%[1]q, role, service], listen: {http: auto}, health: {http: /}}
  a: {command: [%[1]q, role, caller], calls: [b]}
`

// up brings a stack up under the whole of msctl. Only HTTP goes over it.
func up(ctx context.Context, o options, _ *way) (_ *way, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-fleet-")
	if err != nil {
		return nil, err
	}
	run := func(ctx context.Context, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, o.msctl, args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("msctl %s: %w: %s", args[0], err, out)
		}
		return out, nil
	}
	stop := func() {
		_, _ = run(context.WithoutCancel(ctx), "down")
		os.RemoveAll(dir)
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), fmt.Appendf(nil, fleetFile, self), 0o600); err != nil {
		return nil, err
	}
	if _, err := run(ctx, "up", "-d", "--wait"); err != nil {
		return nil, err
	}
	var edge struct{ Addr string }
	out, err := run(ctx, "edges", "a:b", "--json")
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(out)).Decode(&edge)
	}
	if err != nil {
		return nil, err
	}
	var lock struct{ PID int }
	text, err := os.ReadFile(filepath.Join(dir, ".msctl", "up.lock"))
	if err == nil {
		err = json.Unmarshal(text, &lock)
	}
	return &way{pid: lock.PID, http: edge.Addr, cpu: proc.Alone, stop: stop}, err
}
