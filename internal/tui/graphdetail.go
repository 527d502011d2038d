package tui

import (
	"fmt"
	"strings"

	"msctl.dev/msctl/internal/state"
)

// detail is all that is known of the chosen edge.
func (v *graph) detail(m *model, w, h int) []string {
	l, ok := v.chosen(m)
	if !ok {
		return nil
	}
	t := m.theme
	rows := []string{cut(t.paint(strong, edgeName(l))+"  "+t.paint(faint, plainText(l.protocol)), w)}
	add := func(name, value string) {
		if value != "" && value != "–" {
			rows = append(rows, m.pair(name, value, leadWidth, w)...)
		}
	}
	e, own := m.edge(l)
	if own && !e.Mesh {
		what, figures := m.blind(e)
		for i, part := range words(what+" "+figures, max(10, w-leadWidth-1)) {
			rows = append(rows, m.pair([]string{"seen", ""}[min(i, 1)], part, leadWidth, w)...)
		}
	} else {
		add("remark", plainText(l.note))
	}
	add("faults", plainText(strings.Join(l.faults, ", ")))
	add("requests", counted(l.requests))
	add("failed", counted(l.errors))
	add("now", perSecond(l.rate))
	if !own || !e.Mesh {
		add("p95", took(l.p95))
		return rows[:min(len(rows), h)]
	}
	add("address", plainText(e.Addr))
	if e.P95 > 0 {
		add("latency", fmt.Sprintf("p50 %s, p95 %s, p99 %s", took(e.P50), took(e.P95), took(e.P99)))
	}
	add("in flight", counted(e.InFlight))
	add("connections", counted(e.Open))
	add("sent", size(e.Sent))
	add("received", size(e.Received))
	return m.targetRows(rows, e, w, h)
}

// targetRows adds the replicas and versions that an edge leads to.
func (m *model) targetRows(rows []string, e state.Edge, w, h int) []string {
	if len(e.Targets) > 0 {
		rows = append(rows, "", m.theme.paint(strong, "leads to"))
	}
	for _, g := range e.Targets {
		row := "  " + fit(plainText(g.Unit), 16) + " " + plainText(g.Addr)
		if g.Weight > 1 {
			row += fmt.Sprintf("  weight %d", g.Weight)
		}
		if g.Ejected {
			row += m.theme.paint(bad, "  left out for a while: it failed in a row")
		}
		rows = append(rows, cut(row, w))
	}
	return rows[:min(len(rows), h)]
}

// edge is msctl's own edge of a link, or false.
func (m *model) edge(l link) (state.Edge, bool) {
	for _, e := range m.edges.edges {
		if e.From == l.from && e.To == l.to && e.Listen == l.listen {
			return e, true
		}
	}
	return state.Edge{}, false
}
