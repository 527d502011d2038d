package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"msctl.dev/msctl/internal/bench/proc"
)

// measures are in the order of the table. The letter is what -only names.
var measures = []struct {
	letter string
	run    func(context.Context, *bench, table) error
}{
	{"a", up}, {"b", started}, {"c", fleet},
}

// up measures providers that run already. The verifiers take turns.
func up(ctx context.Context, b *bench, t table) error {
	at, stop, err := startProviders(ctx)
	defer stop()
	if err != nil {
		return err
	}
	argv := []string{"contract", "verify"}
	for n := range providers {
		argv = append(argv, "--url", providerName(n)+"=http://"+at[n])
	}
	holds := fmt.Sprintf("%d hold", pacts*interactions)
	ways := []struct {
		name string
		run  func() (cost, error)
	}{
		{"msctl", func() (cost, error) { return b.runMsctl(ctx, b.dir, holds, argv...) }},
		{"pact-go", func() (cost, error) { return b.runPlain(ctx, at) }},
		{"npm", func() (cost, error) { return b.runNPM(ctx, at) }},
	}
	for n := range b.runs + 1 { // the first is not counted: it may build msctl's verifier
		for _, w := range ways {
			if w.name == "pact-go" && b.plain == "" || w.name == "npm" && b.npm == "" {
				continue
			}
			c, err := w.run()
			if err != nil {
				return fmt.Errorf("measure %s: %w", w.name, err)
			}
			if n > 0 {
				t.add(w.name, "up", c)
			}
		}
	}
	return nil
}

// startProviders starts each provider in a process of its own.
func startProviders(ctx context.Context) (at []string, stop func(), err error) {
	var all []proc.Child
	stop = func() {
		for _, c := range all {
			c.Stop()
		}
	}
	for range providers {
		c, err := proc.Self(ctx, 1, "provider")
		if err != nil {
			return nil, stop, err
		}
		all, at = append(all, c), append(at, c.Addrs[0])
	}
	return at, stop, nil
}

// started measures msctl with the start and the end of the same providers, and then with nothing changed.
func started(ctx context.Context, b *bench, t table) error {
	return b.both(ctx, t, b.dir, fmt.Sprintf("%d hold", pacts*interactions), "")
}

// fleet measures the same with the reference fleet: its providers have databases, brokers and stubs.
func fleet(ctx context.Context, b *bench, t table) error {
	if err := b.command(ctx, b.msctl, "contract", "verify"); err != nil { // builds what is not built yet
		return err
	}
	return b.both(ctx, t, b.repo, " hold", "Fleet")
}

func (b *bench) both(ctx context.Context, t table, dir, want, suffix string) error {
	for range b.runs {
		c, err := b.runMsctl(ctx, dir, want, "contract", "verify", "--fresh")
		if err != nil {
			return err
		}
		t.add("msctl", "started"+suffix, c)
		if c, err = b.runMsctl(ctx, dir, want, "contract", "verify"); err != nil {
			return err
		}
		t.add("msctl", "unchanged"+suffix, c)
	}
	return nil
}

func (b *bench) runMsctl(ctx context.Context, dir, want string, argv ...string) (cost, error) {
	cmd := exec.CommandContext(ctx, b.msctl, argv...)
	cmd.Dir = dir
	return timed(cmd, want)
}

// rows are the figures in the order of the table.
var rows = []struct{ key, name, goal string }{
	{"up", "providers up", "2 s"},
	{"started", "the same, with their start and end", "8 s"},
	{"unchanged", "the same, with nothing changed since", "0.3 s"},
	{"startedFleet", "the reference fleet, with the start and end of its providers", "8 s"},
	{"unchangedFleet", "the same, with nothing changed since", "0.3 s"},
}

// table is the figures of all runs in seconds, by the way and the key of the row.
type table map[string][]float64

func (t table) add(way, key string, c cost) {
	t[way+" "+key] = append(t[way+" "+key], c.wall.Seconds())
	t[way+" cpu "+key] = append(t[way+" cpu "+key], c.cpu.Seconds())
}

func (t table) print(w io.Writer) {
	fmt.Fprintln(w, "| what | msctl | pact-go | npm's pact | msctl to pact-go | msctl to npm's | to reach |\n| --- | --- | --- | --- | --- | --- | --- |")
	for _, r := range rows {
		if len(t["msctl "+r.key]) == 0 {
			continue
		}
		t.line(w, r.name+": wall", " "+r.key, r.goal)
		t.line(w, "CPU", " cpu "+r.key, "")
	}
}

// line prints one figure of all ways; what a way has not is left empty.
func (t table) line(w io.Writer, name, key, goal string) {
	cells := []string{name}
	ours := proc.Median(t["msctl"+key])
	cells = append(cells, fmt.Sprintf("%.2f s", ours))
	var ratios []string
	for _, way := range []string{"pact-go", "npm"} {
		cell, ratio := "", ""
		if all := t[way+key]; len(all) > 0 {
			theirs := proc.Median(all)
			cell, ratio = fmt.Sprintf("%.2f s", theirs), fmt.Sprintf("%.2fx", ours/theirs)
		}
		cells, ratios = append(cells, cell), append(ratios, ratio)
	}
	fmt.Fprintf(w, "| %s |\n", strings.Join(append(append(cells, ratios...), goal), " | "))
}
