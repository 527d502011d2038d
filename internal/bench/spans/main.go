// Command spans measures msctl's receiver and store beside Jaeger all-in-one, in one run, and prints one
// table. Both are given the same spans over OTLP/gRPC by the same loader and asked the same questions over
// Jaeger's query API. Each figure is the median of -runs runs with new processes. Jaeger is built from its Go
// module, with its store in memory; where it cannot be built its column stays empty.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"msctl.dev/msctl/internal/bench/proc"
)

// options of a whole run.
type options struct {
	runs    int
	spans   int    // given to each
	conns   int    // that send at once
	alone   bool   // without Jaeger
	peer    string // jaeger binary
	profile string // file for the CPU profile of the store; "" none
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "role" {
		role(os.Args[3:])
		return
	}
	var o options
	flag.IntVar(&o.runs, "runs", 3, "runs per figure; the median is shown")
	flag.IntVar(&o.spans, "spans", 1_000_000, "how many spans each is given")
	flag.IntVar(&o.conns, "conns", 4, "connections that send at once")
	flag.BoolVar(&o.alone, "alone", false, "measure msctl alone")
	flag.StringVar(&o.peer, "peer", "", "jaeger `binary`; built from its module when empty")
	flag.StringVar(&o.profile, "profile", "", "`file` for the CPU profile of msctl's store in the last run")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "spans:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o options) error {
	if o.peer == "" && !o.alone {
		var err error
		if o.peer, err = proc.Build(ctx, "jaeger", "peers/jaeger", "github.com/jaegertracing/jaeger/cmd/jaeger"); err != nil {
			fmt.Fprintln(os.Stderr, "spans:", err)
		}
	}
	load := newLoad(o)
	t, before := table{}, proc.Load()
	for i := range o.runs {
		fmt.Fprintf(os.Stderr, "run %d of %d …\n", i+1, o.runs)
		if err := ours(ctx, o, load, t); err != nil {
			return fmt.Errorf("measure msctl: %w", err)
		}
		if o.peer == "" || o.alone {
			continue
		}
		if err := theirs(ctx, o, load, t); err != nil {
			return fmt.Errorf("measure jaeger: %w", err)
		}
	}
	t.print(os.Stdout)
	fmt.Printf("\n%d runs of %d spans; load average at the start %s, at the end %s\n", o.runs, o.spans, before, proc.Load())
	return nil
}

// row is one figure.
type row struct {
	key, name, format string
	scale             float64
	goal              string
}

var rows = []row{
	{"rate", "spans accepted/s", "%.0f", 1, "2x"},
	{"cpu", "CPU seconds per million spans", "%.2f", 1e6, "0.40x"},
	{"memory", "memory (PSS) with all spans, MB", "%.0f", 1e-6, "0.12x"},
	{"peak", "memory, peak (RSS), MB", "%.0f", 1e-6, ""},
	{"disk", "disk per span, bytes", "%.1f", 1, "50"},
	{"api", "search by service, duration and attribute over the API, ms", "%.1f", 1e3, ""},
	{"hot", "the same in the store, hot, ms", "%.1f", 1e3, "10"},
	{"cold", "the same in the store, first after a restart, files not in memory, ms", "%.1f", 1e3, "100"},
	{"apiTrace", "trace by id over the API, ms", "%.1f", 1e3, ""},
	{"trace", "the same in the store, hot, ms", "%.2f", 1e3, "5"},
	{"coldTrace", "the same in the store, first after a restart, files not in memory, ms", "%.1f", 1e3, "5"},
	{"apiMap", "map of all calls over the API, ms", "%.1f", 1e3, ""},
	{"map", "map of a window, in the store, hot, ms", "%.2f", 1e3, "5"},
	{"coldMap", "map of all calls, in the store, first after a restart, files not in memory, ms", "%.0f", 1e3, ""},
	{"why", "why half of the requests failed or were slow, in the store, hot, ms", "%.1f", 1e3, "5"},
	{"advise", "findings on all spans, in the store, hot, ms", "%.1f", 1e3, "5"},
	{"diff", "comparison of the first half with the second, in the store, hot, ms", "%.1f", 1e3, ""},
	{"restart", "restart until a search is answered, ms", "%.0f", 1e3, "1000"},
}

// table is the figures of all runs, by the way and the key of the row.
type table map[string][]float64

func (t table) add(way, key string, v float64) { t[way+key] = append(t[way+key], v) }

func (t table) print(w *os.File) {
	fmt.Fprintln(w, "| what | msctl | jaeger | ratio | to reach |\n| --- | --- | --- | --- | --- |")
	for _, r := range rows {
		cells := []string{r.name}
		var of []float64
		for _, way := range []string{"msctl", "jaeger"} {
			cell := ""
			if all := t[way+r.key]; len(all) > 0 {
				of = append(of, proc.Median(all))
				cell = fmt.Sprintf(r.format, proc.Median(all)*r.scale)
			}
			cells = append(cells, cell)
		}
		ratio := ""
		if len(of) == 2 {
			ratio = fmt.Sprintf("%.2fx", of[0]/of[1])
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(append(cells, ratio, r.goal), " | "))
	}
}
