package tui

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/telemetry"
)

// waterfall is one trace: its spans as a tree over time, and the attributes of the chosen one.
type waterfall struct {
	list
	id       string // as asked for: the first digits may be enough
	trace    telemetry.Trace
	err      string
	have     bool
	critical bool // only the critical path
	folded   map[telemetry.SpanID]bool
	shown    []int // rows of the trace that are visible
}

func newWaterfall(id string) *waterfall {
	return &waterfall{id: id, folded: map[telemetry.SpanID]bool{}}
}

func (v *waterfall) title(*model) string {
	id := v.id
	if len(id) > 8 {
		id = id[:8]
	}
	if v.critical {
		return "trace " + plainText(id) + ", critical path"
	}
	return "trace " + plainText(id)
}

func (v *waterfall) cursor() *list { return &v.list }

func (v *waterfall) opened(m *model) tea.Cmd {
	if v.have {
		return nil
	}
	return m.ask("trace", "reading the trace", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		got, err := m.source.Trace(ctx, v.id)
		return func(m *model) tea.Cmd {
			v.take(got, err)
			m.dirty = true
			return nil
		}
	})
}

func (v *waterfall) take(got telemetry.Trace, err error) {
	v.have = true
	if err != nil {
		v.err = why(err)
		return
	}
	v.trace, v.err = got, ""
	v.unfold()
}

// unfold lists the visible rows anew.
func (v *waterfall) unfold() {
	v.shown = v.shown[:0]
	hidden := -1 // depth of the folded row whose children are passed over
	for i, r := range v.trace.Rows {
		if hidden >= 0 && r.Depth > hidden {
			continue
		}
		hidden = -1
		if v.critical && r.Critical == 0 {
			continue
		}
		v.shown = append(v.shown, i)
		if v.folded[r.ID] {
			hidden = r.Depth
		}
	}
}

// left shows the whole trace again.
func (v *waterfall) left(*model) bool {
	was := v.critical
	v.critical = false
	v.unfold()
	return was
}

// chosen is the row under the cursor.
func (v *waterfall) chosen() (telemetry.Row, bool) {
	if v.at < 0 || v.at >= len(v.shown) {
		return telemetry.Row{}, false
	}
	return v.trace.Rows[v.shown[v.at]], true
}

func (v *waterfall) keys(*model) []binding {
	return []binding{
		{[]string{"enter", "a"}, "attributes", "the attributes of the chosen span", func(m *model) tea.Cmd {
			if r, ok := v.chosen(); ok {
				return m.push(&text{name: "span", rows: func(m *model, w int) []string { return m.spanRows(r, w) }})
			}
			return nil
		}},
		{[]string{"c"}, "critical", "only the critical path, or all", func(*model) tea.Cmd {
			v.critical = !v.critical
			v.unfold()
			return nil
		}},
		{[]string{"space"}, "fold", "hide or show the children of the chosen span", func(*model) tea.Cmd {
			if r, ok := v.chosen(); ok && r.Children > 0 {
				v.folded[r.ID] = !v.folded[r.ID]
				v.unfold()
			}
			return nil
		}},
		{[]string{"e"}, "error", "next span that failed", func(m *model) tea.Cmd { return v.seek(m, 1) }},
		{[]string{"E"}, "", "previous span that failed", func(m *model) tea.Cmd { return v.seek(m, -1) }},
		{[]string{"L"}, "logs", "what was logged during this trace", func(m *model) tea.Cmd { return m.push(newTraceLogs(v.full())) }},
		{[]string{"w"}, "why", "what most likely made it fail or slow", func(m *model) tea.Cmd { return m.push(&reason{trace: v.full()}) }},
		{[]string{"y"}, "copy", "copy the id of the trace", func(m *model) tea.Cmd { return m.copy(v.full()) }},
		{[]string{"R"}, "", "read it anew: spans may have come", func(m *model) tea.Cmd {
			v.have = false
			return v.opened(m)
		}},
	}
}

// full is the whole id.
func (v *waterfall) full() string {
	if id := v.trace.ID.String(); id != "" {
		return id
	}
	return v.id
}

// seek goes to the next failed span in that direction.
func (v *waterfall) seek(m *model, by int) tea.Cmd {
	for i := v.at + by; i >= 0 && i < len(v.shown); i += by {
		if v.trace.Rows[v.shown[i]].Status == telemetry.Failed {
			v.at = i
			return nil
		}
	}
	m.complain("no more errors in that direction")
	return nil
}

func (v *waterfall) draw(m *model, w, h int) []string {
	switch {
	case v.err != "":
		return m.empty(w, h, "the trace cannot be read: "+v.err)
	case !v.have:
		return nil
	case len(v.shown) == 0:
		return m.empty(w, h, "nothing to show")
	}
	rows := m.traceHead(v.trace.TraceLine, w-gutter)
	for i := range rows {
		rows[i] = mark(false) + rows[i]
	}
	if h < 8 {
		rows = nil
	} else if slices.ContainsFunc(v.trace.Rows, func(r telemetry.Row) bool { return r.Guessed }) {
		rows = append(rows, mark(false)+m.theme.paint(faint, cut(guessedLegend, w-gutter)))
	}
	h -= len(rows)
	from, to := v.set(len(v.shown), h)
	v.lead = len(rows)
	for i := from; i < to; i++ {
		row := m.spanRow(v.trace, v.shown[i], w, i == v.at)
		if v.folded[v.trace.Rows[v.shown[i]].ID] {
			row = fit(cut(row, w-2), w-2) + " +"
		}
		rows = append(rows, row)
	}
	return rows
}

const guessedLegend = "~ guessed: nobody said what it was for, and its service worked on nothing else"

func (v *waterfall) detail(m *model, w, h int) []string {
	r, ok := v.chosen()
	if !ok {
		return nil
	}
	rows := m.spanRows(r, w)
	return rows[:min(len(rows), h)]
}

// spanRow is one span: its place in the tree, its name, when it ran and how long.
func (m *model) spanRow(t telemetry.Trace, i, w int, here bool) string {
	r := t.Rows[i]
	wide, step := max(12, w*2/5), 2
	if w < 100 {
		wide, step = max(12, w/2), 1 // names matter more than bars
	}
	bars := w - gutter - wide - 1 - 8
	label := strings.Repeat(" ", min(r.Depth*step, wide/2)) + branch(r) + plainText(spanName(r))
	label = fit(label, wide)
	time := fitRight(took(r.Duration), 7)
	bar := ""
	if bars >= 8 {
		bar = " " + barOf(t, r, bars)
	} else {
		label = fit(label, max(1, w-gutter-8))
	}
	if here {
		return m.theme.bar(mark(true) + label + bar + " " + time)
	}
	th := m.theme
	k, edge := tone(plain), tone(accent)
	if r.Status == telemetry.Failed {
		k, edge = bad, bad
	} else if r.Critical > 0 {
		edge = warn
	}
	return mark(false) + th.paint(k, label) + th.paint(edge, bar) + " " + th.paint(k, time)
}

// branch tells spans that failed, orphans, and those whose parent is a guess, without colour.
func branch(r telemetry.Row) string {
	switch {
	case r.Status == telemetry.Failed && r.Guessed:
		return "✗~"
	case r.Status == telemetry.Failed:
		return "✗ "
	case r.Orphan:
		return "? "
	case r.Guessed:
		return "~ "
	}
	return "  "
}

// spanName is who did what, or who was called where msctl's edge saw it.
func spanName(r telemetry.Row) string {
	if _, to, ok := strings.Cut(r.Edge, ":"); ok {
		return "→ " + to + " " + r.Name
	}
	return r.Service + " " + r.Name
}

// barOf draws when a span ran, in w columns: full where it is on the critical path.
func barOf(t telemetry.Trace, r telemetry.Row, w int) string {
	whole := max(t.Duration, time.Nanosecond)
	from := clamp(int(float64(r.Start.Sub(t.Start))/float64(whole)*float64(w)), 0, w-1)
	to := clamp(int(float64(r.Start.Add(r.Duration).Sub(t.Start))/float64(whole)*float64(w)+0.5), from+1, w)
	block := "─"
	if r.Critical > 0 {
		block = "█"
	}
	return strings.Repeat(" ", from) + strings.Repeat(block, to-from) + strings.Repeat(" ", w-to)
}
