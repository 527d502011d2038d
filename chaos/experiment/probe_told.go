package experiment

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// logProbe is how many lines a service has printed since the workload began.
type logProbe struct {
	name string
	find string // "" is any line
	want Want   // the zero value is at least one
}

func (p *logProbe) fields(r *reader) []field {
	return []field{{"log", r.text(&p.name)}, {"find", r.expression(&p.find)}, {"want", r.want(&p.want)}}
}

func (p *logProbe) needs() []need { return []need{{unit, p.name}} }

func (p *logProbe) look(ctx context.Context, w *world) Sight {
	re, err := regexp.Compile(w.fill(p.find, nil))
	if err != nil {
		return missed(cannot{err})
	}
	units, err := w.units(ctx, p.name)
	if err != nil {
		return missed(err)
	}
	n := 0
	for _, u := range units {
		err := output.Read(ctx, filepath.Join(w.Logs, u.Name), output.Query{Since: w.begun, Grep: re},
			func(output.Line) error { n++; return nil })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return missed(cannotf("read log of %s: %w", u.Name, err))
		}
	}
	return compared(strconv.Itoa(n), orSome(p.want))
}

// orSome is a comparison, or at least one.
func orSome(w Want) Want {
	if w.Set() {
		return w
	}
	return Want{op: ">=", value: "1"}
}

// traceProbe is how many traces match a filter since the workload began.
type traceProbe struct {
	filter string
	want   Want // the zero value is at least one
}

// mostTraces bounds how many are counted.
const mostTraces = 5000

func (p *traceProbe) fields(r *reader) []field {
	return []field{{"traces", func(n *yaml.Node) {
		r.text(&p.filter)(n)
		if _, err := filter.Parse(variable.ReplaceAllString(p.filter, "x")); err != nil {
			hint := ""
			if mistake := (*filter.Error)(nil); errors.As(err, &mistake) {
				hint = mistake.Hint
			}
			r.fail(n, hint, "read filter: %v", err)
		}
	}}, {"want", r.want(&p.want)}}
}

func (p *traceProbe) needs() []need { return nil }

func (p *traceProbe) look(ctx context.Context, w *world) Sight {
	if w.Telemetry == nil {
		return missed(cannotf("count traces: telemetry is off"))
	}
	page, err := w.Telemetry.Traces(ctx, telemetry.Query{Filter: w.fill(p.filter, nil), Since: w.begun, Limit: mostTraces})
	if err != nil {
		return missed(cannotf("count traces: %w", err))
	}
	s := compared(strconv.Itoa(len(page.Traces)), orSome(p.want))
	for _, t := range page.Traces[:min(len(page.Traces), 3)] {
		s.Traces = append(s.Traces, t.ID.String())
	}
	return s
}
