// Command bench measures whole processes of msctl beside a peer in the same run and prints one table.
//
// Each figure is the median of -runs runs. The peer is process-compose, built from its Go module; where it
// cannot be built its column stays empty.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// bench is what every measurement needs.
type bench struct {
	msctl string // absolute path of the binary
	self  string // this binary: it is also the trivial service
	peer  string // process-compose, or ""
	repo  string // the repository, for the reference fleet
	runs  int
	use   func(pid int) (usage, error)
	rows  []row
}

// row is one line of the table.
type row struct {
	what, msctl, peer, ratio, target string
}

// measures are in the order of the table. The letter is what -only names.
var measures = []struct {
	letter string
	run    func(context.Context, *bench) error
}{
	{"a", twelve}, {"b", chain}, {"c", lines}, {"d", manyServices}, {"e", psLatency}, {"f", editToReady}, {"g", fleetStart},
	{"h", startUp}, {"i", newToReady},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve(os.Args[2:])
		return
	}
	msctl := flag.String("msctl", "bin/msctl", "the `binary` to measure")
	only := flag.String("only", "abcdefghi", "which measurements to run, by `letters`")
	runs := flag.Int("runs", 5, "runs per figure; the median is shown")
	peer := flag.String("peer", "", "process-compose `binary`; built from its module when empty")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b, err := prepare(ctx, *msctl, *peer, *runs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	failed := b.measure(ctx, *only)
	b.print(os.Stdout)
	if failed {
		os.Exit(1)
	}
}

func prepare(ctx context.Context, msctl, peer string, runs int) (*bench, error) {
	abs, err := filepath.Abs(msctl)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(abs); err != nil {
		return nil, fmt.Errorf("find msctl: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	repo, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	b := &bench{msctl: abs, self: self, repo: repo, runs: runs, use: use, peer: peer}
	if b.peer == "" {
		b.peer = buildPeer(ctx, repo)
	}
	return b, nil
}

func (b *bench) measure(ctx context.Context, only string) (failed bool) {
	for _, m := range measures {
		if !strings.Contains(only, m.letter) || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		fmt.Fprintf(os.Stderr, "measure (%s) …\n", m.letter)
		if err := m.run(ctx, b); err != nil {
			failed = true
			fmt.Fprintf(os.Stderr, "measure (%s): %v\n", m.letter, err)
		}
		fmt.Fprintf(os.Stderr, "measure (%s) took %v\n", m.letter, time.Since(began).Round(time.Second))
	}
	return failed
}

func (b *bench) add(what, msctl, peer, ratio, target string) {
	b.rows = append(b.rows, row{what, msctl, peer, ratio, target})
}

func (b *bench) print(w *os.File) {
	fmt.Fprintln(w, "| what | msctl | process-compose | ratio | to reach |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- |")
	for _, r := range b.rows {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", r.what, r.msctl, r.peer, r.ratio, r.target)
	}
}
