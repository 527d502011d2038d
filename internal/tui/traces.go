package tui

import (
	"context"
	"reflect"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// traces is the view of requests: the newest first, or the longest.
type traces struct {
	list
	filter string
	given  string // the filter that the screen was opened with: Esc does not drop it
	named  string // what that is, in words, where it says nothing to people
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

// newTraces lists what matches a filter: requests, or all.
func newTraces(given string, all bool) *traces {
	return &traces{filter: given, given: given, all: all}
}

func (v *traces) title(m *model) string {
	parts := []string{}
	switch {
	case v.named != "" && v.filter == v.given:
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
	case !v.choosy():
	case m.w < splitAt:
		parts = append(parts, "requests only")
	default:
		parts = append(parts, "requests only; a shows what services do on their own too")
	}
	return strings.Join(parts, " · ")
}

// wanted is the filter that is asked for.
func (v *traces) wanted() string {
	text := v.filter
	if !v.all {
		text = telemetry.OnlyRequests(text)
	}
	switch {
	case !v.failed:
		return text
	case text == "":
		return onlyFailed
	}
	return "(" + text + ") " + onlyFailed
}

const onlyFailed = "trace.errors>0"

// choosy reports that only requests are listed, and not because the filter says so.
func (v *traces) choosy() bool {
	return !v.all && telemetry.OnlyRequests(v.filter) != v.filter
}

func (v *traces) cursor() *list      { return &v.list }
func (v *traces) filterText() string { return v.filter }
func (v *traces) givenText() string  { return v.given }

func (v *traces) setFilter(m *model, text string) (tea.Cmd, error) {
	if _, err := filter.Parse(text); err != nil {
		return nil, err
	}
	v.filter = text
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
		adviseKey(),
		{[]string{"y"}, "", "copy the id", func(m *model) tea.Cmd {
			if t, ok := v.chosen(); ok {
				return m.copy(t.ID.String())
			}
			return nil
		}},
	}
}

// copy puts text into the terminal's clipboard, and says so.
func (m *model) copy(text string) tea.Cmd {
	m.say("copied " + text)
	m.clip(text)
	return nil
}

// clip puts text into the terminal's clipboard.
func (m *model) clip(text string) {
	m.tell(ansi.SetSystemClipboard(text))
}
