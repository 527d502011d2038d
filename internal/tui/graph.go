package tui

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// graph is the view of who calls whom: the services in layers, and the edges between them.
type graph struct {
	list
	sieve
	key  string // of the chosen edge
	used bool   // only edges over which something went
}

// link is one edge as it is drawn: what msctl's own edge counts, or what spans tell.
type link struct {
	from, to, protocol string
	listen             string // the callee's port, where msctl's own edge is meant
	direct             bool   // it goes past msctl, or only spans know it
	rate, failed       float64
	requests, errors   int64
	p95                time.Duration
	faults             []string
	note               string
	open               int64
}

func (l link) name() string { return l.from + ":" + l.to }

// key tells edges to several ports of one callee apart.
func (l link) key() string { return l.name() + "/" + l.listen }

func (v *graph) title(m *model) string {
	title := v.sieve.title(m)
	switch {
	case !v.used:
		return title
	case title != "":
		title += " · "
	}
	return title + "only what was called; a shows all"
}

func (v *graph) cursor() *list          { return &v.list }
func (v *graph) edged()                 {}
func (v *graph) moved(m *model) tea.Cmd { v.remember(m); return nil }

func (v *graph) tick(m *model) tea.Cmd { return tea.Batch(m.askEdges(), m.askChart()) }

// links is every edge: msctl's own first, then those that only spans know.
func (v *graph) links(m *model) []link {
	var out []link
	add := func(l link) {
		if v.used && l.requests == 0 && len(l.faults) == 0 {
			return
		}
		if v.node.Match(linkField(l), func() string { return l.name() + " " + l.protocol + " " + strings.Join(l.faults, " ") + " " + l.note }) {
			out = append(out, l)
		}
	}
	known := map[string]bool{}
	for _, e := range m.edges.edges {
		known[e.Name()] = true
		l := link{from: e.From, to: e.To, listen: e.Listen, direct: !e.Mesh, protocol: e.Protocol, rate: e.Rate, failed: e.Failed, requests: e.Requests,
			errors: e.Errors, p95: e.P95, faults: e.Faults, open: e.Open}
		if !e.Mesh {
			l.note = direct(e)
			if t, ok := m.chart.edge(e.From, e.To); ok {
				l = l.with(t.RED)
			}
		}
		add(l)
	}
	for _, e := range m.chart.told.Edges {
		if known[e.From+":"+e.To] {
			continue
		}
		l := link{from: e.From, to: e.To, direct: true, protocol: e.Protocol, faults: e.Faults}.with(e.RED)
		switch {
		case !e.Declared:
			l.note = "not in stack.yaml"
		case !e.Seen:
			l.note = "never used"
		}
		add(l)
	}
	return out
}

// with takes its figures from spans.
func (l link) with(r telemetry.RED) link {
	l.requests, l.errors, l.rate, l.p95 = r.Count, r.Errors, r.Rate, r.P95
	if r.Count > 0 {
		l.failed = r.Rate * float64(r.Errors) / float64(r.Count)
	}
	return l
}

func linkField(l link) func(key string) (any, bool) {
	return func(key string) (any, bool) {
		switch key {
		case "service":
			return []any{l.from, l.to}, true
		case "from":
			return l.from, true
		case "to":
			return l.to, true
		case "edge", "name":
			return l.name(), true
		case "protocol", "kind":
			return l.protocol, true
		case "rate":
			return l.rate, true
		case "errors":
			return l.errors, true
		case "duration", "p95":
			return l.p95, true
		case "fault":
			return strings.Join(l.faults, " "), len(l.faults) > 0
		case "status":
			if l.errors > 0 {
				return "error", true
			}
			return "ok", true
		}
		if caller, callee, _ := strings.Cut(state.EdgeTitle(l.name()), ":"); key == caller {
			return callee, true // orders:payments, as every command writes an edge, looks for payments in what orders calls
		}
		return nil, false
	}
}

func (v *graph) chosen(m *model) (link, bool) {
	all := v.links(m)
	if v.at < 0 || v.at >= len(all) {
		return link{}, false
	}
	return all[v.at], true
}

func (v *graph) remember(m *model) {
	if l, ok := v.chosen(m); ok {
		v.key = l.key()
	}
}

func (v *graph) keys(m *model) []binding {
	lift := ""
	if l, ok := v.chosen(m); ok && len(l.faults) > 0 {
		lift = "lift"
	}
	with := func(do func(m *model, l link) tea.Cmd) func(m *model) tea.Cmd {
		return func(m *model) tea.Cmd {
			if l, ok := v.chosen(m); ok {
				return do(m, l)
			}
			return nil
		}
	}
	return []binding{
		{[]string{"enter", "t"}, "traces", "the traces that went over the chosen edge", with(func(m *model, l link) tea.Cmd {
			return m.push(newTraces("edge="+l.name(), true))
		})},
		{[]string{"a"}, "called", "only the edges over which something went, or all", func(m *model) tea.Cmd {
			v.used = !v.used
			return nil
		}},
		{[]string{"d"}, "", "all about the one that is called", with(func(m *model, l link) tea.Cmd { return m.pushUnit(l.to) })},
		{[]string{"D"}, "", "all about the caller", with(func(m *model, l link) tea.Cmd { return m.pushUnit(l.from) })},
		{[]string{"f"}, "fault", "disturb the chosen edge: latency=300ms, refuse, for=30s", with((*model).faultOn)},
		{[]string{"x"}, lift, "lift the faults of the chosen edge", with((*model).liftOff)},
		{[]string{"w"}, "why", "what most likely makes requests fail or slow", func(m *model) tea.Cmd { return m.push(&reason{}) }},
		adviseKey(),
	}
}

// pushUnit opens the first unit of a service.
func (m *model) pushUnit(service string) tea.Cmd {
	for _, u := range m.snap.Units {
		if u.Service == service || u.Name == service {
			return m.push(&unit{name: u.Name})
		}
	}
	m.complain(outside(service) + " is not part of the fleet")
	return nil
}

// faultOn asks for a fault on an edge. Where there are several to a callee, it is for one port of it.
func (m *model) faultOn(l link) tea.Cmd {
	if l.direct {
		why := "only spans know it"
		if e, own := m.edge(l); own {
			why = direct(e)
		}
		m.complain(edgeName(l) + " cannot be disturbed: " + why)
		return nil
	}
	return m.askFault(m.faultName(l))
}

// liftOff lifts what acts on an edge, whichever target it was put on: one port of the pair, or several edges at once.
// It asks which faults those are, as what is drawn may be older than they are.
func (m *model) liftOff(l link) tea.Cmd {
	if l.direct {
		m.complain("no fault acts on " + edgeName(l))
		return nil
	}
	doing := "lifting the faults of " + edgeName(l)
	return m.changeTold(doing, nil, func(ctx context.Context) (string, error) {
		all, err := m.source.Faults(ctx)
		if err != nil {
			return "", err
		}
		var ids, names []string
		for _, f := range all {
			if !f.OnEdge() || !f.On(l.from, l.to, l.listen) {
				continue
			}
			name := plainText(f.ID)
			if f.Target != l.name() && f.Target != l.key() {
				name += " of " + plainText(state.EdgeTitle(f.Target))
			}
			ids, names = append(ids, f.ID), append(names, name)
		}
		if len(ids) == 0 {
			return "", errNoFault
		}
		_, err = m.source.RemoveFaults(ctx, ids)
		return strings.Join(names, ", ") + " lifted", err
	})
}

// faultName is how a fault names an edge: with the port where the pair has several.
func (m *model) faultName(l link) string {
	n := 0
	for _, e := range m.edges.edges {
		if e.Name() == l.name() {
			n++
		}
	}
	if n > 1 && l.listen != "" {
		return l.key()
	}
	return l.name()
}
