// Command edges measures an edge of msctl beside Toxiproxy, haproxy, nginx and the direct way, in one run, and
// prints one table. "msctl" is the edge in a process of its own, "msctl up" one of a whole fleet, whose calls
// become spans in its store. Each figure is the median of -runs runs; each run has new processes, which take their turns
// so that what else the machine does falls on all alike. Toxiproxy is built from its Go module; what is not
// there has no column. Last, many connections stand over one edge of a fleet of their own.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/bench/proc"
)

// options of a whole run.
type options struct {
	runs    int
	each    time.Duration // one measurement of a rate
	idle    int           // connections that wait
	load    int           // connections that send requests
	many    int           // connections that stand over one edge of a whole fleet
	only    []string      // names of measures; none: all
	ways    []string      // names of ways; none: all
	msctl   string        // binary
	peer    string        // toxiproxy binary
	before  string        // another build of this binary; "" none
	profile string        // file for the CPU profile of the edge; "" none
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "role" {
		role(os.Args[2], os.Args[3:])
		return
	}
	var o options
	flag.IntVar(&o.runs, "runs", 5, "runs per figure; the median is shown")
	flag.DurationVar(&o.each, "each", 2*time.Second, "how long one rate is measured")
	flag.IntVar(&o.idle, "idle", 1000, "idle connections")
	flag.IntVar(&o.load, "load", 50, "connections that send HTTP requests at once")
	flag.IntVar(&o.many, "many", 10_000, "connections that stand over one edge of a whole fleet")
	only := flag.String("only", "", "which `measures` to take: "+names()+","+crowds)
	ways := flag.String("ways", "", "which `ways` to measure: "+strings.Join(columns, ","))
	flag.StringVar(&o.before, "before", "", "another build of this `binary`, whose edge is measured too")
	flag.StringVar(&o.msctl, "msctl", "bin/msctl", "the `binary` for a whole fleet")
	flag.StringVar(&o.peer, "peer", "", "toxiproxy server `binary`; built from its module when empty")
	flag.StringVar(&o.profile, "profile", "", "`file` for the CPU profile of msctl's edge in the last run")
	flag.Parse()
	if abs, err := filepath.Abs(o.msctl); err == nil {
		o.msctl = abs
	}
	o.only, o.ways = listed(*only), listed(*ways)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "edges:", err)
		os.Exit(1)
	}
}

func listed(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }

// wants reports whether a measure is to be taken.
func (o options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }

// bench takes all measures, and prints what came out.
func bench(ctx context.Context, o options) error {
	if slices.ContainsFunc(measures, func(m measure) bool { return o.wants(m.name) }) {
		if err := compare(ctx, o); err != nil {
			return err
		}
	}
	if !o.wants(crowds) {
		return nil
	}
	return crowd(ctx, o)
}

// compare takes the measures of all ways, runs times.
func compare(ctx context.Context, o options) error {
	kinds, err := prepare(ctx, &o)
	if err != nil {
		return err
	}
	t, load := newTable(kinds), proc.Load()
	for i := range o.runs {
		fmt.Fprintf(os.Stderr, "run %d of %d …\n", i+1, o.runs)
		if err := one(ctx, o, kinds, t); err != nil {
			return err
		}
	}
	t.print(os.Stdout)
	fmt.Printf("\n%d runs; load average at the start %s, at the end %s\n", o.runs, load, proc.Load())
	return nil
}

// one is a run: it starts the backend and every way to it, measures, and ends them.
func one(ctx context.Context, o options, kinds []kind, t *table) error {
	back, err := startBackend(ctx)
	if err != nil {
		return err
	}
	defer back.stop()
	var ways []*way
	defer func() {
		for _, w := range ways {
			w.stop()
		}
	}()
	for _, k := range kinds {
		w, err := k.start(ctx, o, back)
		if err != nil {
			return fmt.Errorf("start %s: %w", k.name, err)
		}
		w.atRest = proc.Memory(w.pid)
		ways = append(ways, w)
	}
	for _, m := range measures {
		if !o.wants(m.name) {
			continue
		}
		for i, w := range ways {
			if err := ctx.Err(); err != nil {
				return err
			}
			if m.at(w) == "" {
				continue
			}
			got, err := m.run(o, w)
			if err != nil {
				return fmt.Errorf("measure %s of %s: %w", m.name, kinds[i].name, err)
			}
			t.add(kinds[i].name, m, got)
		}
	}
	return nil
}
