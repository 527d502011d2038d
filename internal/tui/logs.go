package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// logs is the view of what units print: merged by time, all or some.
type logs struct {
	list
	units  []string // names of units or services; none is all that the stack's owner wrote
	all    bool     // with no units: backing servers too
	follow bool     // stay at the newest
	filter string
	node   *filter.Node
	search string // what n and N look for, in lower case

	rows    []*line // that match; with no filter the book's own
	sifting bool    // the book is being matched in the background
	late    []*line // came meanwhile
	whole   bool    // the chosen line is shown at full length
	chosen  *line
}

func newLogs(units ...string) *logs { return &logs{units: units, follow: true} }

func (v *logs) title(*model) string {
	parts := slices.Clone(v.units)
	if v.filter != "" {
		parts = append(parts, "/"+v.filter)
	}
	if len(v.units) > 0 {
		return "logs of " + strings.Join(parts, " ")
	}
	return strings.Join(parts, " ")
}

func (v *logs) cursor() *list      { return &v.list }
func (v *logs) filterText() string { return v.filter }

func (v *logs) opened(m *model) tea.Cmd { return v.sift(m) }

func (v *logs) moved(*model) tea.Cmd {
	v.follow = v.at >= v.n-1
	if v.at < len(v.rows) {
		v.chosen = v.rows[v.at]
	}
	return nil
}

// left closes the whole line.
func (v *logs) left(*model) bool {
	was := v.whole
	v.whole = false
	return was
}

func (v *logs) setFilter(m *model, text string) (tea.Cmd, error) {
	n, err := filter.Parse(text)
	if err != nil {
		return nil, err
	}
	v.filter, v.node = text, n
	return v.sift(m), nil
}

// plainly reports that every line is shown: the rows are the book's.
func (v *logs) plainly() bool { return v.node == nil && len(v.units) == 0 && v.all }

// wants tells which lines are shown, by what is known now.
func (v *logs) wants(m *model) func(l *line) bool {
	units, node, servers := slices.Clone(v.units), v.node, map[string]bool{}
	for _, u := range m.snap.Units {
		if u.Sort == state.Server && len(v.units) == 0 && !v.all {
			servers[u.Name] = true
		}
	}
	return func(l *line) bool { return !servers[l.unit] && matches(l, units, node) }
}

// sift matches the whole book in the background; what comes meanwhile is matched when it is done.
func (v *logs) sift(m *model) tea.Cmd {
	if v.plainly() {
		v.rows, v.sifting = m.book.lines, false
		return nil
	}
	v.sifting, v.late = true, nil
	lines := slices.Clone(m.book.lines)
	wants := v.wants(m)
	return m.ask(fmt.Sprintf("sift%p", v), "", func(ctx context.Context) func(*model) tea.Cmd {
		var rows []*line
		for i, l := range lines {
			if i%256 == 0 && ctx.Err() != nil {
				return nil
			}
			if wants(l) {
				rows = append(rows, l)
			}
		}
		return func(m *model) tea.Cmd {
			v.rows, v.sifting, m.dirty = rows, false, true
			v.take(m, v.late)
			v.late = nil
			return nil
		}
	})
}

// take shows those of the fresh lines that are wanted, and reports whether there were any.
func (v *logs) take(m *model, fresh []*line) bool {
	wants := v.wants(m)
	var wanted []*line
	for _, l := range fresh {
		if wants(l) {
			wanted = append(wanted, l)
		}
	}
	v.rows = merged(v.rows, wanted)
	v.rows = v.rows[max(0, len(v.rows)-maxLines):]
	return len(wanted) > 0
}

func (v *logs) pulse(m *model, n news) bool {
	switch {
	case len(n.lines) == 0:
		return false
	case v.plainly():
		v.rows = m.book.lines
		return true
	case v.sifting:
		v.late = merged(v.late, n.lines)
		return false
	}
	return v.take(m, n.lines)
}

func matches(l *line, units []string, node *filter.Node) bool {
	if len(units) > 0 && !slices.ContainsFunc(units, func(u string) bool { return ofUnit(l.unit, u) }) {
		return false
	}
	return node.Match(func(key string) (any, bool) {
		switch key {
		case "service", "unit":
			return l.unit, true
		case "stream":
			return l.stream.String(), true
		case "trace":
			id := l.trace()
			return id, id != ""
		case "level", "severity", "status":
			level := l.level()
			return level, level != ""
		}
		v, ok := l.field(key)
		return v, ok
	}, func() string { return l.unit + " " + bare(l.view()) })
}

// ofUnit reports a unit that is the named one, or a replica of the named service.
func ofUnit(unit, name string) bool {
	rest, ok := strings.CutPrefix(unit, name)
	return ok && (rest == "" || rest[0] == '-' && strings.Trim(rest[1:], "0123456789") == "")
}

func (v *logs) keys(*model) []binding {
	keys := v.lineKeys()
	if len(v.units) == 0 {
		keys = append(keys, v.unitKeys()...)
	}
	return keys
}

// unitKeys choose among the units where all are shown.
func (v *logs) unitKeys() []binding {
	return []binding{
		{[]string{"u"}, "only", "only the unit of the chosen line", func(m *model) tea.Cmd {
			if v.chosen == nil {
				return nil
			}
			return m.push(newLogs(v.chosen.unit))
		}},
		{[]string{"a"}, "servers", "what backing servers print too, or no more", func(m *model) tea.Cmd {
			v.all = !v.all
			return v.sift(m)
		}},
	}
}

func (v *logs) lineKeys() []binding {
	return []binding{
		{[]string{"f", "space"}, "follow", "stay at the newest, or stop there", func(*model) tea.Cmd {
			v.follow = !v.follow
			return nil
		}},
		{[]string{"t"}, "trace", "the trace that the chosen line belongs to", v.openTrace},
		{[]string{"enter"}, "open", "the trace of the chosen line, or where it has none the whole line", func(m *model) tea.Cmd {
			l := v.chosen
			switch {
			case l == nil:
				return nil
			case l.trace() != "":
				return v.openTrace(m)
			}
			return m.push(&text{name: "line", rows: func(m *model, w int) []string { return m.wholeLine(l, w) }})
		}},
		{[]string{"w"}, "whole", "the whole chosen line with its fields, below the list", func(*model) tea.Cmd {
			v.whole = !v.whole
			return nil
		}},
		{[]string{"ctrl+s"}, "", "search", v.askSearch},
		{[]string{"n"}, "", "next that the search finds; the first time, what to search", func(m *model) tea.Cmd { return v.find(m, 1) }},
		{[]string{"N"}, "", "the one before", func(m *model) tea.Cmd { return v.find(m, -1) }},
		{[]string{"e"}, "", "next error", func(m *model) tea.Cmd { return v.seek(m, 1, "error", isError) }},
		{[]string{"E"}, "", "previous error", func(m *model) tea.Cmd { return v.seek(m, -1, "error", isError) }},
		{[]string{"y"}, "", "copy the chosen line", func(m *model) tea.Cmd {
			if v.chosen == nil {
				return nil
			}
			m.say("copied the line")
			m.clip(plainText(string(v.chosen.text)))
			return nil
		}},
	}
}

func isError(l *line) bool { return l.level() == "error" }

func (v *logs) openTrace(m *model) tea.Cmd {
	if v.chosen == nil {
		return nil
	}
	id := v.chosen.trace()
	if id == "" {
		m.complain("the chosen line carries no trace id")
		return nil
	}
	return m.push(newWaterfall(id))
}

func (v *logs) askSearch(m *model) tea.Cmd {
	return m.openPrompt(&prompt{kind: "search", sign: "search:", accept: func(m *model, text string) (tea.Cmd, error) {
		v.search = strings.ToLower(text)
		return v.find(m, -1), nil
	}}, v.search)
}

// find goes to the next line that has the searched text.
func (v *logs) find(m *model, by int) tea.Cmd {
	if v.search == "" {
		return v.askSearch(m)
	}
	return v.seek(m, by, v.search, func(l *line) bool {
		return strings.Contains(strings.ToLower(bare(l.view())), v.search)
	})
}

// seek goes to the next row in that direction that is wanted.
func (v *logs) seek(m *model, by int, what string, wanted func(*line) bool) tea.Cmd {
	for i := v.at + by; i >= 0 && i < len(v.rows); i += by {
		if wanted(v.rows[i]) {
			v.at, v.chosen, v.follow = i, v.rows[i], false
			return nil
		}
	}
	m.complain("no more " + what + " in that direction")
	return nil
}
