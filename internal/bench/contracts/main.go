// Command contracts measures `msctl contract verify` beside the plain pact-go verifier and npm's pact, in one
// run and over the same pacts and providers, and prints one table. Each figure is the median of -runs runs. The
// verifier of pact-go is built from the module that this repository pins, npm's pact is fetched with npm; where
// one cannot be had its column stays empty, and why is said.
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

	"msctl.dev/msctl/internal/bench/proc"
)

// bench is what every measurement needs.
type bench struct {
	msctl   string // absolute path of the binary
	repo    string // the repository, for the reference fleet
	runs    int
	dir     string // of the stack that is made for the measurement
	plain   string // test binary around pact-go's verifier, or ""
	library []string
	npm     string // npm's pact, or ""
	only    string
}

// parallel is how many providers each verifier is given at the same time, as msctl does by itself.
const parallel = 4

func main() {
	if args := os.Args[1:]; slices.Equal(args, []string{"provider"}) || slices.Equal(args, []string{"role", "provider"}) {
		provide()
		return
	}
	b := bench{}
	flag.StringVar(&b.msctl, "msctl", "bin/msctl", "the `binary` to measure")
	flag.IntVar(&b.runs, "runs", 5, "runs per figure; the median is shown")
	flag.StringVar(&b.npm, "pact", "", "npm's pact `binary`; fetched when empty")
	flag.StringVar(&b.only, "only", "abc", "which measurements to run, by `letters`")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "contracts:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) error {
	var err error
	if b.msctl, err = filepath.Abs(b.msctl); err != nil {
		return err
	}
	if b.repo, err = os.Getwd(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "bench-contracts-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.peers(ctx); err != nil {
		return err
	}
	size, err := writeStack(b.dir)
	if err != nil {
		return err
	}
	t, before := table{}, proc.Load()
	for _, m := range measures {
		if !strings.Contains(b.only, m.letter) {
			continue
		}
		if err := m.run(ctx, b, t); err != nil {
			return err
		}
	}
	t.print(os.Stdout)
	fmt.Printf("\n%d runs of %s; load average at the start %s, at the end %s\n", b.runs, size, before, proc.Load())
	return ctx.Err()
}
