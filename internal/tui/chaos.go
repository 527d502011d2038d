package tui

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// faults is the view of what disturbs edges now, and until when.
type faults struct {
	list
	page page[state.Fault]
}

func (v *faults) title(*model) string { return "chaos" }
func (v *faults) cursor() *list       { return &v.list }

func (v *faults) tick(m *model) tea.Cmd {
	return m.ask("faults", "", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		all, err := m.source.Faults(ctx)
		return func(m *model) tea.Cmd {
			fresh := page[state.Fault]{rows: all, have: true}
			if err != nil {
				fresh.err = why(err)
			}
			timed := func(f state.Fault) bool { return !f.Until.IsZero() }
			if !reflect.DeepEqual(fresh, v.page) || slices.ContainsFunc(all, timed) {
				v.page, m.dirty = fresh, true
			}
			return nil
		}
	})
}

func (v *faults) keys(*model) []binding {
	return []binding{
		{[]string{"x", "enter"}, "lift", "lift the faults of the chosen edge", func(m *model) tea.Cmd {
			if v.at < 0 || v.at >= len(v.page.rows) {
				return nil
			}
			return m.lift(v.page.rows[v.at].Edge)
		}},
		{[]string{"X"}, "lift all", "lift all faults", func(m *model) tea.Cmd { return m.lift("") }},
	}
}

var faultColumns = []column{
	{title: "EDGE", width: 30},
	{title: "FAULT", width: 24, flex: true},
	{title: "LEFT", width: 20},
}

func (v *faults) draw(m *model, w, h int) []string {
	switch {
	case v.page.err != "":
		return m.empty(w, h, "faults cannot be read: "+v.page.err)
	case !v.page.have:
		return nil
	case len(v.page.rows) == 0:
		return m.empty(w, h, "no faults act; f on the map, or `:chaos add orders:payments latency=300ms for=30s`, puts one on an edge")
	}
	widths := layout(faultColumns, w)
	rows := []string{m.head(faultColumns, widths)}
	from, to := v.set(len(v.page.rows), h-1)
	v.lead = 1
	for i := from; i < to; i++ {
		f := v.page.rows[i]
		left := "until it is lifted"
		if !f.Until.IsZero() {
			left = max(0, time.Until(f.Until)).Round(time.Second).String() + " more"
		}
		rows = append(rows, m.row(faultColumns, widths, []cell{{plainText(state.EdgeTitle(f.Edge)), plain}, {plainText(f.String()), warn}, {left, faint}}, i == v.at))
	}
	return rows
}

// askFault lets the user type a fault for an edge.
func (m *model) askFault(edge string) tea.Cmd {
	begin := "latency=300ms"
	if past := m.past["fault"]; len(past) > 0 {
		begin = past[len(past)-1]
	}
	return m.openPrompt(&prompt{
		kind: "fault", sign: "⚡ " + plainText(state.EdgeTitle(edge)),
		complete: func(text string, at int) (int, []string) {
			from := strings.LastIndexByte(text[:at], ' ') + 1
			return from, beginning(faultWords(), text[from:at])
		},
		accept: func(m *model, text string) (tea.Cmd, error) { return m.disturb(edge, strings.Fields(text)) },
	}, begin)
}

// faultWords is what a fault is written with, as far as it can be completed.
func faultWords() []string {
	words := state.FaultWords()
	for i, w := range words {
		if w != "refuse" {
			words[i] = w + "="
		}
	}
	return words
}

// disturb puts a fault on an edge.
func (m *model) disturb(edge string, words []string) (tea.Cmd, error) {
	f := state.Fault{Edge: edge}
	if len(words) == 0 {
		return nil, fmt.Errorf("which fault: latency=300ms jitter=50ms refuse for=30s")
	}
	for _, w := range words {
		if err := f.Set(w); err != nil {
			return nil, err
		}
	}
	if err := f.Check(); err != nil {
		return nil, err
	}
	title, until := state.EdgeTitle(edge), ", until it is lifted"
	if f.For > 0 {
		until = ", for " + f.For.String()
	}
	return m.change("disturbing "+title, title+": "+f.String()+until, nil, func(ctx context.Context) error {
		return m.source.SetFault(ctx, f)
	}), nil
}

// lift lifts the faults of an edge, "" of all.
func (m *model) lift(edge string) tea.Cmd {
	of := "all edges"
	if edge != "" {
		of = state.EdgeTitle(edge)
	}
	return m.change("lifting the faults of "+of, "the faults of "+of+" are lifted", nil, func(ctx context.Context) error {
		_, err := m.source.ClearFaults(ctx, edge)
		return err
	})
}

// edgeTitles is every edge that can be disturbed, as it is written in commands.
func (m *model) edgeTitles() []string {
	var out []string
	for _, e := range m.edges.edges {
		if e.Mesh {
			out = append(out, state.EdgeTitle(e.Name()))
		}
	}
	return compact(out)
}

// knownEdge returns the name of an edge that was typed, and refuses those that there are not.
func (m *model) knownEdge(typed string) (string, error) {
	name := state.EdgeName(typed)
	pair, _, _ := strings.Cut(name, "/")
	for _, e := range m.edges.edges {
		if e.Name() == pair && (pair == name || name == pair+"/"+e.Listen) {
			return name, nil
		}
	}
	if near := filter.Nearest(typed, m.edgeTitles()); near != "" {
		return "", fmt.Errorf("unknown edge %q; did you mean %s?", typed, near)
	}
	return "", fmt.Errorf("unknown edge %q; an edge is CALLER:CALLEE, as the map shows them", typed)
}

func (m *model) chaosAdd(words []string) (tea.Cmd, error) {
	if len(words) < 2 {
		return nil, fmt.Errorf("which edge and which fault: chaos add orders:payments latency=300ms")
	}
	edge, err := m.knownEdge(words[0])
	if err != nil {
		return nil, err
	}
	return m.disturb(edge, words[1:])
}

func (m *model) chaosClear(words []string) (tea.Cmd, error) {
	if len(words) == 0 {
		return m.lift(""), nil
	}
	var cmds []tea.Cmd
	for _, w := range words {
		edge, err := m.knownEdge(w)
		if err != nil {
			return nil, err
		}
		cmds = append(cmds, m.lift(edge))
	}
	return tea.Batch(cmds...), nil
}

// chaosOptions completes an edge, and behind it the words of a fault.
func (m *model) chaosOptions(given []string) []string {
	if len(given) == 0 {
		return m.edgeTitles()
	}
	return faultWords()
}
