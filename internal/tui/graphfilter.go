package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// linkKeys is what a filter of the map may ask for.
var linkKeys = [...]string{"from", "to", "service", "edge", "name", "protocol", "kind", "rate", "errors", "duration", "p95", "fault", "status"}

// setFilter refuses what no edge can ever match, so that a mistake does not look like a map without edges.
func (v *graph) setFilter(m *model, text string) (tea.Cmd, error) {
	n, err := filter.Parse(text)
	if err == nil {
		err = m.checkLinks(n)
	}
	if err != nil {
		return nil, err
	}
	return v.sieve.setFilter(m, text)
}

// checkLinks refuses keys that edges do not have, and values that their keys never have.
func (m *model) checkLinks(n *filter.Node) error {
	if n == nil {
		return nil
	}
	for _, k := range n.Kids {
		if err := m.checkLinks(k); err != nil {
			return err
		}
	}
	if n.Key == "" {
		return nil
	}
	if !slices.Contains(linkKeys[:], n.Key) {
		return m.strangeKey(n)
	}
	return checkFigure(n)
}

// strangeKey refuses a key that is neither one of the map's nor, as in orders:payments, a caller.
func (m *model) strangeKey(n *filter.Node) error {
	callers := m.callers()
	if slices.Contains(callers, n.Key) {
		return nil
	}
	meant := map[string]string{"caller": "from", "callee": "to"}[n.Key]
	if meant == "" {
		meant = filter.Nearest(n.Key, append(callers, linkKeys[:]...))
	}
	hint := "it may say " + strings.Join(linkKeys[:], ", ")
	if meant != "" {
		hint = fmt.Sprintf("did you mean %s%s%s? It", meant, n.Op, n.Value) + strings.TrimPrefix(hint, "it")
	}
	return &filter.Error{Column: n.Column, Msg: "no edge has " + n.Key, Hint: hint}
}

// callers is whoever calls, and what runs, as edges are written: "outside" is whoever calls from outside.
func (m *model) callers() []string {
	all := append(m.names(), "outside")
	add := func(edge string) {
		caller, _, _ := strings.Cut(state.EdgeTitle(edge), ":")
		all = append(all, caller)
	}
	for _, e := range m.edges.edges {
		add(e.Name())
	}
	for _, e := range m.chart.told.Edges {
		add(e.From + ":" + e.To)
	}
	return compact(all)
}

// checkFigure refuses what is no number, or no duration, of a key that is one.
func checkFigure(n *filter.Node) error {
	switch n.Op {
	case filter.Present, filter.Contains, filter.Match, filter.NotMatch:
		return nil
	}
	what, like := "", ""
	_, err := strconv.ParseFloat(n.Value, 64)
	switch n.Key {
	case "rate", "errors":
		if err != nil {
			what, like = "number", "10"
		}
	case "duration", "p95":
		if !n.Numeric || err == nil {
			what, like = "duration", "200ms"
		}
	}
	if what == "" {
		return nil
	}
	return &filter.Error{Column: n.Column, Msg: fmt.Sprintf("%s is a %s, and %q is none", n.Key, what, n.Value),
		Hint: fmt.Sprintf("write it like %s%s%s", n.Key, n.Op, like)}
}
