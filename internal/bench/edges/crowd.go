package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"msctl.dev/msctl/internal/bench/proc"
)

// crowds is the name of the measure of this file. It takes a fleet of its own, in which msctl, the callers and the
// callees are processes of their own: each has a descriptor for each connection, and the edge may have two.
const crowds = "many"

// crowdFile is a callee of HTTP and one of bytes.
const crowdFile = `version: 1
name: bench-crowd
services:
  http: {command: [%[1]q, role, service], listen: {http: auto}, health: {http: /}}
  tcp: {command: [%[1]q, role, sink], listen: {tcp: auto}}
  a: {command: [%[1]q, role, caller], calls: [http, tcp]}
`

const (
	crowdRuns = 3
	crowdTime = time.Minute     // for one run
	settles   = 2 * time.Second // until the supervisor has given back what its start took
)

// crowdRow is one figure of a crowd.
type crowdRow struct {
	name, format, goal string
	of                 func(stood) float64
}

var crowdRows = []crowdRow{
	{"served", "%.0f", "all, or refused in words", func(s stood) float64 { return float64(s.Served) }},
	{"refused", "%.0f", "", func(s stood) float64 { return float64(s.Refused) }},
	{"hung or wrong", "%.0f", "0", func(s stood) float64 { return float64(s.Lost) }},
	{"memory of msctl for each that is served (PSS), KiB", "%.1f", "32", func(s stood) float64 { return s.memory / float64(s.Served) / 1024 }},
	{"one there and back, alone, p50, µs", "%.1f", "", func(s stood) float64 { return s.Alone[0] * 1e6 }},
	{"one there and back while all stand, p50, µs", "%.1f", "", func(s stood) float64 { return s.Among[0] * 1e6 }},
	{"one there and back, alone, p99, µs", "%.1f", "", func(s stood) float64 { return s.Alone[1] * 1e6 }},
	{"one there and back while all stand, p99, µs", "%.1f", "", func(s stood) float64 { return s.Among[1] * 1e6 }},
}

// crowd has many connections stand over one edge, of HTTP and of bytes in turns, and prints what came of it.
func crowd(ctx context.Context, o options) error {
	if _, err := os.Stat(o.msctl); err != nil {
		fmt.Fprintln(os.Stderr, "edges: without a crowd:", err)
		return nil
	}
	runs, load := min(o.runs, crowdRuns), proc.Load()
	protocols := []string{"http", "tcp"}
	all := map[string][]stood{}
	for i := range runs {
		fmt.Fprintf(os.Stderr, "crowd %d of %d …\n", i+1, runs)
		for _, protocol := range protocols {
			s, err := gather(ctx, o, protocol)
			if err != nil {
				return fmt.Errorf("measure %s of %s: %w", crowds, protocol, err)
			}
			all[protocol] = append(all[protocol], s)
		}
	}
	fmt.Printf("\n| %d connections over one edge of a whole fleet | %s | to reach |\n", o.many, strings.Join(protocols, " | "))
	fmt.Println(strings.Repeat("| --- ", len(protocols)+2) + "|")
	for _, r := range crowdRows {
		cells := []string{r.name}
		for _, protocol := range protocols {
			cells = append(cells, fmt.Sprintf(r.format, r.median(all[protocol])))
		}
		fmt.Println("| " + strings.Join(append(cells, r.goal), " | ") + " |")
	}
	fmt.Printf("\n%d runs; load average at the start %s, at the end %s\n", runs, load, proc.Load())
	return nil
}

func (r crowdRow) median(all []stood) float64 {
	var figures []float64
	for _, s := range all {
		figures = append(figures, r.of(s))
	}
	return proc.Median(figures)
}

// gather is one crowd over one edge of a new fleet.
func gather(ctx context.Context, o options, protocol string) (s stood, err error) {
	ctx, cancel := context.WithTimeout(ctx, crowdTime)
	defer cancel()
	f, err := launch(ctx, o, crowdFile)
	if err != nil {
		return s, err
	}
	defer f.stop(ctx)
	at, err := f.edge(ctx, "a:"+protocol)
	if err != nil {
		return s, err
	}
	select {
	case <-time.After(settles):
	case <-ctx.Done():
		return s, ctx.Err()
	}
	rest := proc.Own(f.pid)
	c, err := proc.Self(ctx, 1, "crowd", protocol, at, fmt.Sprint(o.many))
	if err != nil {
		return s, err
	}
	defer c.Stop()
	if err := json.Unmarshal([]byte(c.Addrs[0]), &s); err != nil {
		return s, fmt.Errorf("read what the crowd says: %w", err)
	}
	s.memory = proc.Own(f.pid) - rest
	return s, nil
}
