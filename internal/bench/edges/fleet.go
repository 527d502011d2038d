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

// fleet is a stack that the whole of msctl has up.
type fleet struct {
	msctl, dir string
	pid        int // of the supervisor
}

// launch brings a stack up, in whose file %[1]q is this binary.
func launch(ctx context.Context, o options, file string) (_ *fleet, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &fleet{msctl: o.msctl}
	if f.dir, err = os.MkdirTemp("", "bench-fleet-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.stop(ctx)
		}
	}()
	if err := os.WriteFile(filepath.Join(f.dir, "stack.yaml"), fmt.Appendf(nil, file, self), 0o600); err != nil {
		return nil, err
	}
	if _, err := f.run(ctx, "up", "-d", "--wait"); err != nil {
		return nil, err
	}
	var lock struct{ PID int }
	text, err := os.ReadFile(filepath.Join(f.dir, ".msctl", "up.lock"))
	if err == nil {
		err = json.Unmarshal(text, &lock)
	}
	f.pid = lock.PID
	return f, err
}

// run runs one command of msctl in the folder of the stack.
func (f *fleet) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, f.msctl, args...)
	cmd.Dir = f.dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("msctl %s: %w: %s", args[0], err, out)
	}
	return out, nil
}

// edge returns where the caller finds an edge.
func (f *fleet) edge(ctx context.Context, name string) (string, error) {
	var edge struct{ Addr string }
	out, err := f.run(ctx, "edges", name, "--json")
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(out)).Decode(&edge)
	}
	return edge.Addr, err
}

func (f *fleet) stop(ctx context.Context) {
	_, _ = f.run(context.WithoutCancel(ctx), "down")
	os.RemoveAll(f.dir)
}

// up brings a stack up under the whole of msctl. Only HTTP goes over it.
func up(ctx context.Context, o options, _ *way) (*way, error) {
	f, err := launch(ctx, o, fleetFile)
	if err != nil {
		return nil, err
	}
	at, err := f.edge(ctx, "a:b")
	if err != nil {
		f.stop(ctx)
		return nil, err
	}
	return &way{pid: f.pid, http: at, cpu: proc.Alone, stop: func() { f.stop(ctx) }}, nil
}
