package experiment

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/broker"
)

// queueProbe is how many messages wait in a queue.
type queueProbe struct {
	resource, name string
	want           Want
}

func (p *queueProbe) fields(r *reader) []field {
	return []field{{"queue", r.text(&p.resource)}, {"of", r.text(&p.name)}, {"want", r.want(&p.want)}}
}

func (p *queueProbe) needs() []need { return []need{{resource, p.resource}} }

func (p *queueProbe) look(ctx context.Context, w *world) Sight {
	wire, err := w.broker(ctx, p.resource)
	if err != nil {
		return missed(err)
	}
	defer wire.Close()
	n, err := wire.Depth(ctx, p.name)
	if err != nil {
		return missed(fmt.Errorf("count %s: %w", p.name, err))
	}
	return compared(strconv.Itoa(n), p.want)
}

// broker connects to a broker of messages.
func (w *world) broker(ctx context.Context, name string) (broker.Wire, error) {
	where, err := w.resource(ctx, name)
	if err != nil {
		return nil, err
	}
	wire, err := broker.Dial(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", name, err)
	}
	return wire, nil
}

// workloadProbe is how the requests of the workload fared so far.
type workloadProbe struct {
	name, measure string
	want          Want
}

// fares are the figures of a workload.
var fares = []struct {
	name string
	of   func(t Tally) string
}{
	{"ok", func(t Tally) string { return share(t.OK, t.Done) }},
	{"done", func(t Tally) string { return strconv.FormatInt(t.Done, 10) }},
	{"failed", func(t Tally) string { return strconv.FormatInt(t.Done-t.OK, 10) }},
	{"exit", func(t Tally) string { return strconv.Itoa(t.Exit) }},
	{"p50", func(t Tally) string { return t.P50.Round(100 * time.Microsecond).String() }},
	{"p95", func(t Tally) string { return t.P95.Round(100 * time.Microsecond).String() }},
	{"p99", func(t Tally) string { return t.P99.Round(100 * time.Microsecond).String() }},
	{"max", func(t Tally) string { return t.Max.Round(100 * time.Microsecond).String() }},
}

func (p *workloadProbe) fields(r *reader) []field {
	return []field{{"workload", r.text(&p.name)}, {"measure", func(n *yaml.Node) {
		r.text(&p.measure)(n)
		if _, status := p.status(); status {
			return
		}
		known := []string{"status 429"}
		for _, f := range fares {
			known = append(known, f.name)
			if f.name == p.measure {
				return
			}
		}
		r.fail(n, meant(p.measure, known), "a workload has no measure %q", shorten(p.measure))
	}}, {"want", r.want(&p.want)}}
}

// status is the code of the measure "status 429": how many answers had it.
func (p *workloadProbe) status() (int, bool) {
	var code int
	n, err := fmt.Sscanf(p.measure, "status %d", &code)
	return code, n == 1 && err == nil
}

func (p *workloadProbe) needs() []need { return []need{{load, p.name}} }

func (p *workloadProbe) look(_ context.Context, w *world) Sight {
	w.mu.Lock()
	t := w.loads[p.name]
	w.mu.Unlock()
	if t == nil {
		return missed(cannotf("look at workload %s: it has not begun", p.name))
	}
	now := t.sum()
	if code, ok := p.status(); ok {
		return compared(strconv.FormatInt(now.Statuses[code], 10), p.want)
	}
	for _, f := range fares {
		if f.name == p.measure {
			return compared(f.of(now), p.want)
		}
	}
	return missed(cannotf("look at workload %s: no measure %q", p.name, p.measure))
}

// pactProbe is that a service answers as its consumers need it.
type pactProbe struct {
	cmdProbe
	service string
}

func (p *pactProbe) fields(r *reader) []field {
	return []field{{"pact", r.text(&p.service)}, {"timeout", r.duration(&p.timeout, time.Second, limitMost)}}
}

func (p *pactProbe) needs() []need { return []need{{unit, p.service}} }

func (p *pactProbe) look(ctx context.Context, w *world) Sight {
	if w.Exe == "" {
		return missed(cannotf("verify %s: msctl is not known here", p.service))
	}
	p.argv = []string{w.Exe, "contract", "verify", p.service}
	return p.cmdProbe.look(ctx, w)
}
