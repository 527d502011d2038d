package tui

import (
	"context"
	"reflect"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// traces is the view of requests: the newest first, or the longest.
type traces struct {
	list
	filter string
	named  string // what is listed, in words, where the filter says nothing to people
	all    bool   // what services do on their own too
	failed bool   // only those with errors
	sort   string // of [telemetry.Query]
	page   page[telemetry.TraceLine]
	id     telemetry.TraceID // of the chosen one, so that it stays chosen when new ones come
	paused bool
	more   bool // pages after the first are shown: they are not asked for anew
	wait   int  // ticks until the next question
	peek   telemetry.Trace
}

func (v *traces) title(m *model) string {
	parts := []string{}
	switch {
	case v.named != "":
		parts = append(parts, "traces of "+v.named)
	case v.filter != "":
		parts = append(parts, "/"+v.filter)
	}
	if v.failed {
		parts = append(parts, "errors only")
	}
	if v.sort != "" {
		parts = append(parts, "longest first")
	}
	if v.paused {
		parts = append(parts, "paused")
	}
	switch {
	case v.all:
	case m.w < splitAt:
		parts = append(parts, "requests only")
	default:
		parts = append(parts, "requests only; a shows what services do on their own too")
	}
	return strings.Join(parts, " · ")
}

// wanted is the filter that is asked for. The words of a filter hold for one span, so those of the user
// stand alone unless requests are asked for.
func (v *traces) wanted() string {
	var parts []string
	if !v.all {
		parts = append(parts, telemetry.Requests)
	}
	if v.filter != "" {
		parts = append(parts, "("+v.filter+")")
	}
	if v.failed {
		parts = append(parts, "trace.errors>0")
	}
	return strings.Join(parts, " ")
}

func (v *traces) cursor() *list      { return &v.list }
func (v *traces) filterText() string { return v.filter }

func (v *traces) setFilter(m *model, text string) (tea.Cmd, error) {
	if _, err := filter.Parse(text); err != nil {
		return nil, err
	}
	v.filter, v.named, v.all = text, "", text != "" // as `msctl traces`: who filters means all that matches
	return v.anew(m), nil
}

// anew lists from the first on.
func (v *traces) anew(m *model) tea.Cmd {
	v.at, v.more, v.id = 0, false, telemetry.TraceID{}
	v.page = page[telemetry.TraceLine]{}
	return v.load(m, "")
}

// tick asks anew every other second.
func (v *traces) tick(m *model) tea.Cmd {
	if v.wait--; v.wait > 0 || v.paused || v.more {
		return nil
	}
	v.wait = 2
	if _, busy := m.asked["traces"]; busy {
		return nil
	}
	return v.load(m, "")
}

// load asks for the first page, or for the one behind cursor.
func (v *traces) load(m *model, cursor string) tea.Cmd {
	doing := ""
	if !v.page.have || cursor != "" {
		doing = "searching traces"
	}
	q := telemetry.Query{Filter: v.wanted(), Sort: v.sort, Cursor: cursor, Limit: 200}
	return m.ask("traces", doing, func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		answer, err := m.source.Traces(ctx, q)
		return func(m *model) tea.Cmd { return v.take(m, answer, err, cursor != "") }
	})
}

// take shows an answer. Nothing is drawn anew where it says the same as the last.
func (v *traces) take(m *model, answer telemetry.TracePage, err error, further bool) tea.Cmd {
	before := v.page
	switch {
	case err != nil:
		v.page.err = why(err)
	case further:
		v.page.rows = append(v.page.rows, answer.Traces...)
		v.page.info, v.more = answer.Page, true
	default:
		v.page = page[telemetry.TraceLine]{rows: answer.Traces, info: answer.Page, have: true}
	}
	v.page.have = true
	if before.have && before.err == v.page.err && reflect.DeepEqual(before.rows, v.page.rows) {
		return nil
	}
	m.dirty = true
	for i, t := range v.page.rows {
		if v.id != (telemetry.TraceID{}) && t.ID == v.id {
			v.at = i
		}
	}
	return v.look(m)
}

// moved remembers the chosen trace, asks for more at the end of the list, and for its rows where they are
// drawn beside it.
func (v *traces) moved(m *model) tea.Cmd {
	cmd := v.look(m)
	if t, ok := v.chosen(); ok {
		v.id = t.ID
	}
	if v.at == 0 {
		v.id = telemetry.TraceID{} // at the top: stay with the newest
	}
	if v.at >= len(v.page.rows)-1 && v.page.info.Next != "" {
		if _, busy := m.asked["traces"]; !busy {
			return tea.Batch(cmd, v.load(m, v.page.info.Next))
		}
	}
	return cmd
}

func (v *traces) chosen() (telemetry.TraceLine, bool) {
	if v.at < 0 || v.at >= len(v.page.rows) {
		return telemetry.TraceLine{}, false
	}
	return v.page.rows[v.at], true
}

// look asks for the chosen trace where it is drawn beside the list.
func (v *traces) look(m *model) tea.Cmd {
	t, ok := v.chosen()
	if !ok || m.w < splitAt || v.peek.ID == t.ID && v.peek.Spans == t.Spans {
		return nil
	}
	return m.ask("peek", "", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		got, err := m.source.Trace(ctx, t.ID.String())
		return func(m *model) tea.Cmd {
			if err == nil {
				v.peek, m.dirty = got, true
			}
			return nil
		}
	})
}

func (v *traces) keys(*model) []binding {
	return []binding{
		{[]string{"enter"}, "waterfall", "the spans of the chosen trace", func(m *model) tea.Cmd {
			if t, ok := v.chosen(); ok {
				return m.push(newWaterfall(t.ID.String()))
			}
			return nil
		}},
		{[]string{"d"}, "sort", "longest first, or newest first", func(m *model) tea.Cmd {
			v.sort = map[string]string{"": "duration", "duration": ""}[v.sort]
			return v.anew(m)
		}},
		{[]string{"e"}, "errors", "only those with errors, or all", func(m *model) tea.Cmd {
			v.failed = !v.failed
			return v.anew(m)
		}},
		{[]string{"a"}, "all", "what services do on their own too, such as health checks of databases, or requests only", func(m *model) tea.Cmd {
			v.all = !v.all
			return v.anew(m)
		}},
		{[]string{"space", "f"}, "pause", "hold the list still, or go on", func(m *model) tea.Cmd {
			v.paused = !v.paused
			return nil
		}},
		{[]string{"L"}, "logs", "what was logged during the chosen trace", func(m *model) tea.Cmd {
			if t, ok := v.chosen(); ok {
				return m.push(newTraceLogs(t.ID.String()))
			}
			return nil
		}},
		{[]string{"w"}, "why", "what most likely makes requests fail or slow", func(m *model) tea.Cmd { return m.push(&reason{}) }},
		{[]string{"y"}, "", "copy the id", func(m *model) tea.Cmd {
			if t, ok := v.chosen(); ok {
				return m.copy(t.ID.String())
			}
			return nil
		}},
	}
}

// copy puts text into the terminal's clipboard.
func (m *model) copy(text string) tea.Cmd {
	m.say("copied " + text)
	return tea.SetClipboard(text)
}

var traceColumns = []column{
	{title: "START", width: 8, drop: 3},
	{title: "TOOK", width: 6, right: true},
	{title: "SPANS", width: 5, right: true, drop: 4},
	{title: "ERR", width: 3, right: true, drop: 1},
	{title: "SERVICE", width: 13, drop: 2},
	{title: "NAME", width: 16, flex: true},
	{title: "THROUGH", width: 22, flex: true, drop: 5},
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
	widths := layout(traceColumns, w)
	var rows []string
	if h > 3 {
		rows = append(rows, m.head(traceColumns, widths))
		h--
	}
	from, to := v.set(len(v.page.rows), h)
	v.lead = len(rows)
	for i := from; i < to; i++ {
		rows = append(rows, m.row(traceColumns, widths, traceCells(v.page.rows[i]), i == v.at))
	}
	return rows
}

// nothing says why the list is empty and what to do about it.
func (v *traces) nothing(m *model) string {
	text := "no trace"
	if !v.all {
		text = "no request"
	}
	switch {
	case v.failed && v.filter != "":
		text += " that matches " + v.filter + " has an error; e shows those without"
	case v.failed:
		text += " has an error; e shows those without"
	case v.filter != "":
		text += " matches " + v.filter + "; Esc drops the filter"
	default:
		text += " yet: one comes with each call between services"
		if url := m.entrance(); url != "" {
			text += ", for example after `curl " + url + "`"
		}
	}
	if !v.all {
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

func traceCells(t telemetry.TraceLine) []cell {
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
	return []cell{{clock(t.Start), faint}, {took(t.Duration), plain}, {strconv.Itoa(t.Spans), plain}, errs,
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
