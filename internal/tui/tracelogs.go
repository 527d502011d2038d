package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/telemetry"
)

// traceLogs is what was logged during one trace, oldest first.
type traceLogs struct {
	list
	id   string
	page page[telemetry.Log]
}

func newTraceLogs(id string) *traceLogs { return &traceLogs{id: id} }

func (v *traceLogs) title(*model) string { return "logs of it" }
func (v *traceLogs) cursor() *list       { return &v.list }

func (v *traceLogs) opened(m *model) tea.Cmd {
	if v.page.have {
		return nil
	}
	q := telemetry.Query{Filter: "trace=" + v.id, Sort: "oldest", Limit: 1000}
	return m.ask("tracelogs", "reading its logs", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		answer, err := m.source.Logs(ctx, q)
		return func(m *model) tea.Cmd {
			v.page = page[telemetry.Log]{rows: answer.Logs, info: answer.Page, have: true}
			if err != nil {
				v.page.err = why(err)
			}
			if len(v.page.rows) == 0 {
				v.page.rows = m.printedIn(v.id)
			}
			m.dirty = true
			return nil
		}
	})
}

// printedIn is the lines of the book that carry a trace's id, as log records.
func (m *model) printedIn(id string) []telemetry.Log {
	var out []telemetry.Log
	for _, l := range m.book.lines {
		if l.trace() == id {
			body, _ := l.field("msg")
			if body == "" {
				body = bare(l.view())
			}
			out = append(out, telemetry.Log{Time: l.at, Service: l.unit, Body: body, Severity: severity(l.level()), Printed: true})
		}
	}
	return out
}

func severity(level string) telemetry.Severity {
	switch level {
	case "error":
		return telemetry.Error
	case "warn":
		return telemetry.Warn
	case "info":
		return telemetry.Info
	case "debug":
		return telemetry.Debug
	}
	return 0
}

func (v *traceLogs) keys(*model) []binding {
	return []binding{
		{[]string{"enter", "w"}, "whole", "the whole record with its fields", func(m *model) tea.Cmd {
			if v.at < 0 || v.at >= len(v.page.rows) {
				return nil
			}
			l := v.page.rows[v.at]
			return m.push(&text{name: "record", rows: func(m *model, w int) []string { return m.recordRows(l, w) }})
		}},
		{[]string{"y"}, "copy", "copy the id of the trace", func(m *model) tea.Cmd { return m.copy(v.id) }},
	}
}

func (v *traceLogs) draw(m *model, w, h int) []string {
	switch {
	case !v.page.have:
		return nil
	case len(v.page.rows) == 0 && v.page.err != "":
		return m.empty(w, h, "logs cannot be read: "+v.page.err)
	case len(v.page.rows) == 0:
		return m.empty(w, h, "nothing was logged during this trace")
	}
	from, to := v.set(len(v.page.rows), h)
	var rows []string
	for i := from; i < to; i++ {
		rows = append(rows, m.recordRow(v.page.rows[i], w, i == v.at))
	}
	return rows
}

// recordRow is one log record.
func (m *model) recordRow(l telemetry.Log, w int, here bool) string {
	t := m.theme
	level := fit(strings.ToUpper(l.Severity.String()), 5)
	when, name := clockMilli(l.Time), fit(plainText(l.Service), 14)
	text := plainText(strings.ReplaceAll(l.Body, "\n", " ⏎ "))
	if here {
		return t.bar(fit(mark(true)+when+" "+name+" "+level+" "+text, w))
	}
	k := tone(faint)
	if l.Severity >= telemetry.Error {
		k = bad
	} else if l.Severity >= telemetry.Warn {
		k = warn
	}
	return cut(mark(false)+t.paint(faint, when)+" \x1b["+unitColour(l.Service)+"m"+name+off+" "+t.paint(k, level)+" "+text, w)
}

// recordRows is one log record with everything in it.
func (m *model) recordRows(l telemetry.Log, w int) []string {
	rows := []string{m.theme.paint(strong, plainText(l.Service)) + "  " + clockMilli(l.Time)}
	for part := range strings.SplitSeq(l.Body, "\n") {
		rows = append(rows, wrap(plainText(part), w)...)
	}
	return append(rows, m.attrRows("", l.Attrs, w)...)
}

func (v *traceLogs) detail(m *model, w, h int) []string {
	if v.at < 0 || v.at >= len(v.page.rows) {
		return nil
	}
	rows := m.recordRows(v.page.rows[v.at], w)
	return rows[:min(len(rows), h)]
}
