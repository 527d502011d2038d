package experiment

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/state"
)

// measures are the figures of an edge. Those that are counted begin with the workload; rates and
// percentiles are of the last ten seconds.
var measures = []struct {
	name string
	of   func(now, base state.Edge) string
}{
	{"requests", func(now, base state.Edge) string { return strconv.FormatInt(now.Requests-base.Requests, 10) }},
	{"errors", func(now, base state.Edge) string { return strconv.FormatInt(now.Errors-base.Errors, 10) }},
	{"ok", func(now, base state.Edge) string {
		n := now.Requests - base.Requests
		return share(n-(now.Errors-base.Errors), n)
	}},
	{"in_flight", func(now, _ state.Edge) string { return strconv.FormatInt(now.InFlight, 10) }},
	{"open", func(now, _ state.Edge) string { return strconv.FormatInt(now.Open, 10) }},
	{"rate", func(now, _ state.Edge) string { return strconv.FormatFloat(now.Rate, 'f', 1, 64) }},
	{"failed", func(now, _ state.Edge) string { return strconv.FormatFloat(now.Failed, 'f', 1, 64) }},
	{"p50", func(now, _ state.Edge) string { return now.P50.Round(10 * time.Microsecond).String() }},
	{"p95", func(now, _ state.Edge) string { return now.P95.Round(10 * time.Microsecond).String() }},
	{"p99", func(now, _ state.Edge) string { return now.P99.Round(10 * time.Microsecond).String() }},
}

// share writes a part of a whole; of nothing it is all.
func share(part, whole int64) string {
	if whole <= 0 {
		return "100%"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + "%"
}

// edgeProbe is a figure of an edge.
type edgeProbe struct {
	edge, measure string
	want          Want
}

func (p *edgeProbe) fields(r *reader) []field {
	return []field{{"edge", r.text(&p.edge)}, {"measure", func(n *yaml.Node) {
		r.text(&p.measure)(n)
		var known []string
		for _, m := range measures {
			known = append(known, m.name)
		}
		if !slices.Contains(known, p.measure) {
			r.fail(n, meant(p.measure, known), "an edge has no measure %q", shorten(p.measure))
		}
	}}, {"want", r.want(&p.want)}}
}

func (p *edgeProbe) needs() []need { return []need{{edge, p.edge}} }

func (p *edgeProbe) look(ctx context.Context, w *world) Sight {
	now, base, err := w.edge(ctx, p.edge)
	if err != nil {
		return missed(err)
	}
	for _, m := range measures {
		if m.name == p.measure {
			return compared(m.of(now, base), p.want)
		}
	}
	return missed(cannotf("look at %s: no measure %q", p.edge, p.measure))
}

// processProbe is the state of the units of a service.
type processProbe struct {
	name     string
	is       string // a phase; "" is not looked at. running: any in which it runs
	restarts Want   // since the workload began, of all units together
	replicas Want   // that are as is says

}

// phases are what units can be.
var phases = []string{"running", string(state.Pending), string(state.Building), string(state.Starting), string(state.Ready), string(state.Unready),
	string(state.Stopping), string(state.Stopped), string(state.Done), string(state.Failed), string(state.Looping), string(state.Skipped)}

func (p *processProbe) fields(r *reader) []field {
	return []field{{"process", r.text(&p.name)}, {"is", func(n *yaml.Node) {
		r.text(&p.is)(n)
		if !slices.Contains(phases, p.is) {
			r.fail(n, meant(p.is, phases), "a unit is never %q", shorten(p.is))
		}
	}}, {"restarts", r.want(&p.restarts)}, {"replicas", r.want(&p.replicas)}}
}

func (p *processProbe) needs() []need { return []need{{unit, p.name}} }

func (p *processProbe) look(ctx context.Context, w *world) Sight {
	units, err := w.units(ctx, p.name)
	if err != nil {
		return missed(err)
	}
	as, restarts := 0, 0
	var seen []string
	for _, u := range units {
		if p.is == "" || string(u.Phase) == p.is || p.is == "running" && u.PID > 0 {
			as++
		}
		if restarts += u.Restarts; u.Started.After(w.begun) && u.Restarts == 0 {
			restarts++ // a new run that somebody asked for
		}
		seen = append(seen, u.Name+" is "+string(u.Phase))
	}
	value := strings.Join(seen, ", ")
	switch {
	case p.replicas.Set() && !p.replicas.Takes(strconv.Itoa(as)):
		return judged(value, fmt.Sprintf("%d are so, want %s: %s", as, p.replicas, value))
	case !p.replicas.Set() && as < len(units):
		return judged(value, "want all to be "+p.is+": "+value)
	case p.restarts.Set() && !p.restarts.Takes(strconv.Itoa(restarts)):
		return judged(value, fmt.Sprintf("restarted %d times, want %s", restarts, p.restarts))
	}
	return held(value)
}
