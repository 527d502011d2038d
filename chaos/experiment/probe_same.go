package experiment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// sameProbe looks at two things or more, which must show the same: what one service keeps, and another.
type sameProbe struct{ parts []Probe }

func (p *sameProbe) fields(r *reader) []field {
	return []field{{"same", func(n *yaml.Node) {
		r.each("same", func(n *yaml.Node) { p.parts = append(p.parts, r.probe("same", n)) })(n)
		if len(p.parts) < 2 {
			r.fail(n, "write same: with a list of two probes", "nothing is compared")
		}
	}}}
}

func (p *sameProbe) needs() (all []need) {
	for _, one := range p.parts {
		all = append(all, one.Look.needs()...)
	}
	return all
}

func (p *sameProbe) look(ctx context.Context, w *world) Sight {
	var values []string
	for _, one := range p.parts {
		got := one.Look.look(ctx, w)
		if got.Err != nil || got.Why != "" {
			return got
		}
		values = append(values, got.Value)
	}
	if len(slices.Compact(slices.Clone(values))) == 1 {
		return held(values[0])
	}
	var why []string
	for i, one := range p.parts {
		why = append(why, fmt.Sprintf("%s is %s", one.Name, shorten(values[i])))
	}
	return judged(strings.Join(values, " and "), strings.Join(why, ", but "))
}
