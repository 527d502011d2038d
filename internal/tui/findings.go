package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/telemetry"
)

// findings is what a person should look at in the traffic: the answer of `msctl advise`, heaviest first.
type findings struct {
	list
	page page[telemetry.Finding]
}

// adviseWindow is how far back advise looks.
const adviseWindow = 15 * time.Minute

func (v *findings) title(*model) string { return "advise" }
func (v *findings) cursor() *list       { return &v.list }

func (v *findings) opened(m *model) tea.Cmd {
	if v.page.have {
		return nil
	}
	return m.ask("advise", "looking at the traffic", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		found, err := m.source.Advise(ctx, time.Now().Add(-adviseWindow))
		return func(m *model) tea.Cmd {
			v.page = page[telemetry.Finding]{rows: found, have: true}
			if err != nil {
				v.page.err = why(err)
			}
			m.dirty = true
			return nil
		}
	})
}

func (v *findings) chosen() (telemetry.Finding, bool) {
	if v.at < 0 || v.at >= len(v.page.rows) {
		return telemetry.Finding{}, false
	}
	return v.page.rows[v.at], true
}

func (v *findings) keys(*model) []binding {
	return []binding{
		{[]string{"enter", "t"}, "traces", "the traces that show the chosen one", v.openTraces},
		{[]string{"R"}, "again", "look at the traffic anew", func(m *model) tea.Cmd {
			v.page = page[telemetry.Finding]{}
			return v.opened(m)
		}},
		{[]string{"y"}, "copy", "copy what it says", func(m *model) tea.Cmd {
			f, ok := v.chosen()
			if !ok {
				return nil
			}
			m.say("copied what it says")
			m.clip(plainText(f.Kind + " " + f.Subject + ": " + f.Text))
			return nil
		}},
	}
}

// openTraces lists the traces that a finding names, or opens the only one.
func (v *findings) openTraces(m *model) tea.Cmd {
	f, ok := v.chosen()
	switch {
	case !ok:
		return nil
	case len(f.Traces) == 0:
		m.complain("no trace shows it: it is about what never came")
		return nil
	case len(f.Traces) == 1:
		return m.push(newWaterfall(f.Traces[0]))
	}
	list := newTraces("trace="+strings.Join(f.Traces, " OR trace="), true)
	list.named = f.Kind + " " + f.Subject
	return m.push(list)
}

var findingColumns = []column{
	{title: "KIND", width: 15},
	{title: "SUBJECT", width: 23},
	{title: "TRACES", width: 6, right: true, drop: 2},
	{title: "FINDING", width: 20, flex: true, drop: 1},
}

func (v *findings) draw(m *model, w, h int) []string {
	switch {
	case v.page.err != "":
		return m.empty(w, h, "the traffic cannot be looked at: "+v.page.err+"; R tries again")
	case !v.page.have:
		return nil
	case len(v.page.rows) == 0:
		return m.empty(w, h, fmt.Sprintf("nothing to say about the traffic of the last %s; R looks again", ago(adviseWindow)))
	}
	var under []string
	if f, ok := v.chosen(); ok && m.w < splitAt && h >= 10 {
		under = append([]string{m.theme.paint(faint, strings.Repeat("─", w))}, m.findingRows(f, w)...)
		under = under[:min(len(under), h*2/3)]
	}
	widths := layout(findingColumns, w)
	var rows []string
	if h > 3 {
		rows = append(rows, m.head(findingColumns, widths))
	}
	from, to := v.set(len(v.page.rows), h-len(under)-len(rows))
	v.lead = len(rows)
	for i := from; i < to; i++ {
		rows = append(rows, m.row(findingColumns, widths, findingCells(v.page.rows[i]), i == v.at))
	}
	return append(filled(rows, h-len(under)), under...)
}

func findingCells(f telemetry.Finding) []cell {
	return []cell{{plainText(f.Kind), warn}, {plainText(f.Subject), plain}, {counted(int64(f.Count)), plain}, {plainText(f.Text), faint}}
}

// findingRows is one finding at full length.
func (m *model) findingRows(f telemetry.Finding, w int) []string {
	t := m.theme
	rows := []string{cut(t.paint(warn, plainText(f.Kind))+"  "+t.paint(strong, plainText(f.Subject)), w)}
	rows = append(rows, words(plainText(f.Text), w)...)
	for i, part := range words(plainText(f.Hint), w-2) {
		if f.Hint != "" {
			rows = append(rows, t.paint(accent, []string{"→ ", "  "}[min(i, 1)])+part)
		}
	}
	if n := len(f.Traces); n > 0 {
		text := "seen in " + plural(f.Count, "trace")
		if n < f.Count {
			text += fmt.Sprintf("; Enter shows %d of them", n)
		}
		rows = append(rows, t.paint(faint, cut(text, w)))
	}
	return rows
}

func (v *findings) detail(m *model, w, h int) []string {
	f, ok := v.chosen()
	if !ok {
		return nil
	}
	rows := m.findingRows(f, w)
	return rows[:min(len(rows), h)]
}

// advise opens the findings.
func advise(m *model) tea.Cmd { return m.push(&findings{}) }

// adviseKey is the key that leads to the findings.
func adviseKey() binding {
	return binding{[]string{"A"}, "advise", "what stands out in the traffic: N+1, chatty edges, retries, lost traces, …", advise}
}
