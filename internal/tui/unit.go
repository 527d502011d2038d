package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
)

// unit is all about one unit: what it waits for, its last lines, ports, exit, edges in and out.
type unit struct {
	list
	name string
}

func (u *unit) title(*model) string { return plainText(u.name) }
func (u *unit) cursor() *list       { return &u.list }

// tick asks for the edges, and where some go past msctl for what spans tell of them.
func (u *unit) tick(m *model) tea.Cmd {
	now, ok := m.snap.Unit(u.name)
	if ok && slices.ContainsFunc(m.edges.edges, func(e state.Edge) bool { return !e.Mesh && (e.To == now.Service || e.From == now.Service) }) {
		return tea.Batch(m.askEdges(), m.askChart())
	}
	return m.askEdges()
}

func (u *unit) edged() {}
func (u *unit) pulse(_ *model, n news) bool {
	for _, l := range n.lines {
		if l.unit == u.name {
			return true
		}
	}
	return false
}

func (u *unit) keys(*model) []binding { return unitKeys(u.on) }

func (u *unit) on(do func(m *model, u state.Unit) tea.Cmd) func(m *model) tea.Cmd {
	return func(m *model) tea.Cmd {
		if now, ok := m.snap.Unit(u.name); ok {
			return do(m, now)
		}
		return nil
	}
}

func (u *unit) draw(m *model, w, h int) []string {
	now, ok := m.snap.Unit(u.name)
	if !ok {
		return m.empty(w, h, u.name+" is gone from the fleet")
	}
	rows := m.unitRows(now, w-2)
	for i := range rows {
		rows[i] = "  " + rows[i]
	}
	return u.window(rows, h)
}

// unitRows is everything known of a unit, w columns wide.
func (m *model) unitRows(u state.Unit, w int) []string {
	t := m.theme
	rows := []string{t.paint(strong, plainText(u.Name)) + "  " +
		t.paint(phaseTone(u.Phase), phaseSign(u.Phase)+" "+string(u.Phase)) + "  " + t.paint(faint, string(u.Sort)+" "+plainText(u.Backing))}
	add := func(name, value string) {
		if value == "" || value == "–" {
			return
		}
		for i, part := range words(value, max(10, w-12)) {
			if i > 0 {
				name = ""
			}
			rows = append(rows, t.paint(faint, fit(name, 11))+" "+part)
		}
	}
	add("reason", plainText(u.Reason))
	add("waits for", m.waits(u))
	if u.Phase == state.Looping {
		add("next try", clock(u.NextTry))
	}
	add("url", plainText(m.near(u.URL)))
	for _, p := range u.Ports {
		add("port "+plainText(p.Name), plainText(p.Addr))
	}
	if u.PID > 0 {
		add("process", fmt.Sprint(u.PID))
	}
	add("container", plainText(u.Container))
	add("started", m.moment(u.Started))
	switch {
	case u.Started.IsZero():
		add("ready", m.moment(u.ReadyAt))
	case u.ReadyAt.After(u.Started):
		add("ready", m.moment(u.ReadyAt)+", after "+took(u.ReadyAt.Sub(u.Started)))
	}
	add("usage", usage(u))
	if u.Restarts > 0 {
		add("restarts", fmt.Sprint(u.Restarts))
	}
	if u.Exit != nil {
		add("last exit", m.exitText(*u.Exit))
	}
	rows = append(rows, m.edgeRows(u, w)...)
	return append(rows, m.lastRows(u, w)...)
}

// waits names what a unit waits for, with what those are doing.
func (m *model) waits(u state.Unit) string {
	var out []string
	for _, name := range u.WaitsFor {
		text := plainText(name)
		if on, ok := m.snap.Unit(name); ok {
			text += " (" + string(on.Phase) + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func usage(u state.Unit) string {
	if u.CPU == 0 && u.Memory == 0 {
		return ""
	}
	return cores(u.CPU) + " of a core, " + size(u.Memory)
}

func (m *model) exitText(e state.Exit) string {
	text := fmt.Sprintf("code %d", e.Code)
	if e.Signal != "" {
		text = "killed by " + e.Signal
	}
	if e.OOM {
		text += ", out of memory"
	}
	return text + " at " + m.moment(e.At)
}

// edgeRows lists the edges that lead to a unit's service, and those that start there.
func (m *model) edgeRows(u state.Unit, w int) []string {
	var rows []string
	for _, side := range []struct {
		head string
		of   func(e state.Edge) (string, bool)
	}{
		{"called by", func(e state.Edge) (string, bool) { return e.From, e.To == u.Service }},
		{"calls", func(e state.Edge) (string, bool) { return e.To, e.From == u.Service }},
	} {
		headed := false
		var past []string // what is not seen, and why
		for _, e := range m.edges.edges {
			other, ok := side.of(e)
			if !ok {
				continue
			}
			if !headed {
				rows = append(rows, "", m.theme.paint(strong, side.head))
				headed = true
			}
			if !e.Mesh {
				what, figures := m.blind(e)
				past = append(past, what, figures)
			}
			rows = append(rows, m.edgeRow(outside(other), e, w)...)
		}
		for _, text := range compact(past) {
			for _, part := range words(text, max(10, w-2)) {
				rows = append(rows, "  "+m.theme.paint(faint, part))
			}
		}
	}
	return rows
}

// outside names the caller of an ingress.
func outside(name string) string {
	if name == "" {
		return "(outside)"
	}
	return plainText(name)
}

// edgeRow is one edge seen from one of its ends. Faults that have no room beside its figures stand below them.
func (m *model) edgeRow(other string, e state.Edge, w int) []string {
	t := m.theme
	if !e.Mesh {
		if told, ok := m.chart.edge(e.From, e.To); ok {
			l := link{}.with(told.RED)
			e.Requests, e.Rate, e.P95, e.Errors = l.requests, l.rate, l.p95, l.errors
		}
	}
	row := fmt.Sprintf("  %s %s %s %s", fit(other, 14), fit(plainText(e.Protocol), 8), fitRight(counted(e.Requests), 6), fitRight(perSecond(e.Rate), 6))
	if e.P95 > 0 {
		row += "  p95 " + took(e.P95)
	}
	if e.Errors > 0 {
		row += t.paint(bad, "  "+count(e.Errors)+" failed")
	}
	if len(e.Faults) == 0 {
		return []string{cut(row, w)}
	}
	faults := faultText(e.Faults)
	if width(row)+2+width(faults) <= w {
		return []string{row + "  " + t.paint(warn, faults)}
	}
	rows := []string{cut(row, w)}
	for _, part := range words(faults, max(10, w-4)) {
		rows = append(rows, cut("    "+t.paint(warn, part), w))
	}
	return rows
}

// perSecond is a rate with its unit, or nothing.
func perSecond(v float64) string {
	if v <= 0 {
		return ""
	}
	return rate(v) + "/s"
}

// lastRows is what the unit printed last: when it failed what the event kept, else the newest of the book.
func (m *model) lastRows(u state.Unit, w int) []string {
	const most = 12
	var last []string
	for i := len(m.book.lines) - 1; i >= 0 && len(last) < most; i-- {
		if l := m.book.lines[i]; l.unit == u.Name {
			last = append(last, m.theme.paint(faint, clock(l.at))+" "+cut(l.view(), max(1, w-9)))
		}
	}
	if len(last) == 0 {
		for _, l := range u.LastLines {
			last = append([]string{cut(plainText(l), w)}, last...)
		}
	}
	if len(last) == 0 {
		return nil
	}
	rows := []string{"", m.theme.paint(strong, "last lines")}
	for i := len(last) - 1; i >= 0; i-- {
		rows = append(rows, last[i])
	}
	return rows
}
