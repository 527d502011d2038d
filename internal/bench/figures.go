package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// together holds the runs of one stack under one tool.
type together struct {
	wall, cpu []time.Duration
	memory    []int64
	rest      []int64
}

func (t *together) add(wall time.Duration, u usage) {
	t.wall, t.cpu = append(t.wall, wall), append(t.cpu, u.cpu)
	t.memory, t.rest = append(t.memory, u.memory), append(t.rest, u.rest)
}

// both brings s up and down runs times under msctl and, where it is there, under the peer, in turn.
func (b *bench) both(ctx context.Context, s stackFile, runs int) (ours, theirs together, err error) {
	dir, err := b.stackDir(s)
	if err != nil {
		return ours, theirs, err
	}
	defer os.RemoveAll(dir)
	for i := range runs {
		wall, u, err := b.up(ctx, dir)
		if err != nil {
			return ours, theirs, err
		}
		ours.add(wall, u)
		if err := b.down(dir); err != nil {
			return ours, theirs, err
		}
		if b.peer == "" || i > 0 && len(theirs.wall) == 0 {
			continue // it is not there, or did not manage once
		}
		if wall, u, err = b.peerRun(ctx, s); err != nil {
			fmt.Fprintf(os.Stderr, "process-compose, %d services: %v\n", len(s.services), err)
			continue
		}
		theirs.add(wall, u)
	}
	return ours, theirs, nil
}

func (b *bench) stackDir(s stackFile) (string, error) {
	dir, err := os.MkdirTemp("", "bench-msctl-")
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(s.msctl(b.self)), 0o600)
}

// twelve is (a): 12 trivial services up and healthy.
func twelve(ctx context.Context, b *bench) error {
	b.use = useAtRest
	defer func() { b.use = use }()
	ours, theirs, err := b.both(ctx, flat(12, ""), b.runs)
	if err != nil {
		return err
	}
	b.durations("(a) 12 services up and healthy: wall", ours.wall, theirs.wall, "0.3 s")
	b.durations("(a) CPU of the supervisor", ours.cpu, theirs.cpu, "")
	b.sizes("(a) memory of the supervisor (PSS), the moment all are up", ours.memory, theirs.memory, "")
	b.sizes("(a) the same, 10 s later", ours.rest, theirs.rest, "30 MB")
	return nil
}

// chain is (b): 6 services, each ready 200 ms after its start, each waiting for the one before.
func chain(ctx context.Context, b *bench) error {
	ours, theirs, err := b.both(ctx, line(6, "-delay 200ms"), b.runs)
	if err != nil {
		return err
	}
	b.durations("(b) chain of 6, 200 ms each (ideal 1.2 s): wall", ours.wall, theirs.wall, "1.35 s")
	return nil
}

const logLines = 300_000

// lines is (c): 300,000 lines from one service, until `msctl logs` has printed the last one.
func lines(ctx context.Context, b *bench) error {
	s := flat(1, fmt.Sprintf("-lines %d", logLines))
	dir, err := b.stackDir(s)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var rates []float64
	for range b.runs {
		rate, err := b.logRun(ctx, dir)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
	}
	b.add("(c) 300,000 log lines: stored and ready", fmt.Sprintf("%.0f lines/s, none lost", median(rates)), "", "", "300,000 lines/s")
	return nil
}

// logRun counts from before the service starts until it is ready (it prints first) and checks every line.
func (b *bench) logRun(ctx context.Context, dir string) (float64, error) {
	if err := os.RemoveAll(filepath.Join(dir, ".msctl")); err != nil {
		return 0, err
	}
	wall, _, err := b.up(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer b.down(dir)
	out, err := run(ctx, dir, b.msctl, "logs", "s000", "--tail", "all", "--raw")
	if err != nil {
		return 0, err
	}
	if err := everyLine(out); err != nil {
		return 0, err
	}
	return logLines / wall.Seconds(), nil
}

func everyLine(out []byte) error {
	for i := range logLines {
		at := bytes.Index(out, fmt.Appendf(nil, "line %07d of a service that has much to say about the orders that it took today", i))
		if at < 0 {
			return fmt.Errorf("line %d is lost or torn", i)
		}
		out = out[at:]
	}
	return nil
}

// manyServices is (d): 500 trivial services, and whether the CPU grows with their number alone.
func manyServices(ctx context.Context, b *bench) error {
	for _, n := range []int{125, 500} {
		ours, theirs, err := b.both(ctx, flat(n, ""), min(b.runs, 5))
		if err != nil {
			return err
		}
		target := ""
		if n == 500 {
			target = "5 s"
		}
		b.durations(fmt.Sprintf("(d) %d services: wall", n), ours.wall, theirs.wall, target)
		b.durations(fmt.Sprintf("(d) %d services: CPU of the supervisor", n), ours.cpu, theirs.cpu, "linear")
	}
	return nil
}

// psLatency is (e): one `msctl ps --json` of 12 services.
func psLatency(ctx context.Context, b *bench) error {
	dir, err := b.stackDir(flat(12, ""))
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, _, err := b.up(ctx, dir); err != nil {
		return err
	}
	defer b.down(dir)
	return b.command(ctx, "(e) ps --json of 12 services", dir, "20 ms", "ps", "--json")
}

// startUp is (h): the start of the binary itself.
func startUp(ctx context.Context, b *bench) error {
	return b.command(ctx, "(h) msctl version", os.TempDir(), "30 ms", "version")
}

func (b *bench) command(ctx context.Context, what, dir, target string, args ...string) error {
	var walls []time.Duration
	for range 4 * b.runs {
		wall, err := timed(ctx, dir, append([]string{b.msctl}, args...)...)
		if err != nil {
			return err
		}
		walls = append(walls, wall)
	}
	b.durations(what, walls, nil, target)
	return nil
}

func (b *bench) durations(what string, ours, theirs []time.Duration, target string) {
	o := median(ours)
	if len(theirs) == 0 {
		b.add(what, show(o), "", "", target)
		return
	}
	t := median(theirs)
	b.add(what, show(o), show(t), ratio(o.Seconds(), t.Seconds()), target)
}

func (b *bench) sizes(what string, ours, theirs []int64, target string) {
	o := median(ours)
	if len(theirs) == 0 {
		b.add(what, megabytes(o), "", "", target)
		return
	}
	t := median(theirs)
	b.add(what, megabytes(o), megabytes(t), ratio(float64(o), float64(t)), target)
}

func ratio(o, t float64) string {
	if t == 0 {
		return ""
	}
	return fmt.Sprintf("%.2fx", o/t)
}

func show(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
