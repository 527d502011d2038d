package tui

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

var traceColumns = []column{
	{title: "START", width: 8, drop: 3},
	{title: "TOOK", width: 6, right: true},
	{title: "SPANS", width: 5, right: true, drop: 4},
	{title: "ERR", width: 3, right: true, drop: 1},
	{title: "SERVICE", width: 13, drop: 2},
	{title: "NAME", width: 16, flex: true},
	{title: "THROUGH", width: 22, flex: true, drop: 5},
}

// columns is traceColumns with room for the days of those that did not begin today.
func (v *traces) columns(m *model) []column {
	cols := slices.Clone(traceColumns)
	for _, t := range v.page.rows {
		cols[0].width = max(cols[0].width, m.momentWidth(t.Start))
	}
	return cols
}

func (v *traces) draw(m *model, w, h int) []string {
	switch {
	case v.page.err != "" && len(v.page.rows) == 0:
		return m.empty(w, h, "traces cannot be read: "+v.page.err)
	case len(v.page.rows) == 0 && !v.page.have:
		return nil
	case len(v.page.rows) == 0:
		return m.empty(w, h, v.nothing(m))
	}
	widths := layout(v.columns(m), w)
	var rows []string
	if h > 3 {
		rows = append(rows, m.head(traceColumns, widths))
		h--
	}
	from, to := v.set(len(v.page.rows), h)
	v.lead = len(rows)
	for i := from; i < to; i++ {
		rows = append(rows, m.row(traceColumns, widths, m.traceCells(v.page.rows[i]), i == v.at))
	}
	return rows
}

// nothing says why the list is empty and what to do about it.
func (v *traces) nothing(m *model) string {
	text := "no trace"
	if v.choosy() {
		text = "no request"
	}
	switch {
	case v.failed && v.filter != "":
		text += " that matches " + v.filter + " has an error; e shows those without"
	case v.failed:
		text += " has an error; e shows those without"
	case v.filter != v.given:
		text += " matches " + v.filter + "; Esc drops the filter"
	case v.filter != "":
		text += " matches " + v.filter
	default:
		text += " yet: one comes with each call between services"
		if url := m.entrance(); url != "" {
			text += ", for example after `curl " + url + "`"
		}
	}
	if v.choosy() {
		text += "; a shows what services do on their own too"
	}
	return plainText(text)
}

// entrance is where the fleet is called from outside, or "".
func (m *model) entrance() string {
	for _, u := range m.snap.Units {
		if u.Sort == state.Service && strings.HasPrefix(u.URL, "http") && m.edges.enters(u.Service) {
			return u.URL
		}
	}
	return ""
}

func (m *model) traceCells(t telemetry.TraceLine) []cell {
	errs := cell{"–", faint}
	if t.Errors > 0 {
		errs = cell{count(int64(t.Errors)), bad}
	}
	name := plainText(t.Name)
	if t.Partial {
		name = "… " + name
	}
	tint := tone(plain)
	if t.Errors > 0 {
		tint = bad
	}
	return []cell{{m.moment(t.Start), faint}, {took(t.Duration), plain}, {strconv.Itoa(t.Spans), plain}, errs,
		{plainText(t.Service), accent}, {name, tint}, {plainText(strings.Join(t.Services, " › ")), faint}}
}

func (v *traces) detail(m *model, w, h int) []string {
	t, ok := v.chosen()
	if !ok {
		return nil
	}
	rows := m.traceHead(t, w)
	if v.peek.ID != t.ID {
		return rows
	}
	rows = append(rows, "")
	for i := range v.peek.Rows {
		if len(rows) >= h {
			break
		}
		rows = append(rows, m.spanRow(v.peek, i, w, false))
	}
	return rows
}

// traceHead is the lines above a waterfall.
func (m *model) traceHead(t telemetry.TraceLine, w int) []string {
	text := took(t.Duration) + " · " + plural(t.Spans, "span") + " · " + plural(len(t.Services), "service")
	row := text + m.theme.paint(faint, " · "+t.Start.Local().Format(time.DateTime))
	if t.Errors > 0 {
		row += m.theme.paint(bad, " · "+plural(t.Errors, "error"))
	}
	if t.Partial {
		row += m.theme.paint(warn, " · its root is not known")
	}
	return []string{cut(m.theme.paint(strong, plainText(t.Name))+"  "+m.theme.paint(faint, t.ID.String()), w), cut(row, w)}
}
