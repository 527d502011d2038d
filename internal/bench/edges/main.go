// Command edges measures an edge of msctl beside Toxiproxy and the direct way, in one run, and prints one
// table. Each figure is the median of -runs runs, taken in turn so that what else the machine does falls
// on all alike. Toxiproxy is built from its Go module; where it cannot be built its column stays empty.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options of a whole run.
type options struct {
	runs int
	each time.Duration // one measurement of a rate
	idle int           // connections that wait
	load int           // connections that send requests
	peer string        // toxiproxy binary
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "role" {
		role(os.Args[2], os.Args[3:])
		return
	}
	var o options
	flag.IntVar(&o.runs, "runs", 5, "runs per figure; the median is shown")
	flag.DurationVar(&o.each, "each", time.Second, "how long one rate is measured")
	flag.IntVar(&o.idle, "idle", 1000, "idle connections")
	flag.IntVar(&o.load, "load", 8, "connections that send HTTP requests at once")
	flag.StringVar(&o.peer, "peer", "", "toxiproxy server `binary`; built from its module when empty")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "edges:", err)
		os.Exit(1)
	}
}

// bench starts the backend and every way to it, measures, prints and ends them.
func bench(ctx context.Context, o options) error {
	back, err := startBackend(ctx)
	if err != nil {
		return err
	}
	defer back.stop()
	ways, err := openWays(ctx, o, back)
	defer func() {
		for _, w := range ways {
			w.stop()
		}
	}()
	if err != nil {
		return err
	}
	t := table{ways: ways}
	for _, m := range measures {
		if err := t.measure(ctx, o, m); err != nil {
			return fmt.Errorf("measure %s: %w", m.name, err)
		}
	}
	t.print(os.Stdout)
	return nil
}
