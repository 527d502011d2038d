package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
)

// events is the view of what happened, the newest last.
type events struct {
	list
	sieve
	away bool // the cursor was moved off the newest
}

func (v *events) cursor() *list               { return &v.list }
func (v *events) pulse(_ *model, n news) bool { return len(n.events) > 0 }

func (v *events) moved(*model) tea.Cmd {
	v.away = v.at < v.n-1
	return nil
}

func (v *events) setFilter(m *model, text string) (tea.Cmd, error) {
	cmd, err := v.sieve.setFilter(m, text)
	v.away = v.away && err != nil
	return cmd, err
}

func (v *events) matching(m *model) []state.Event {
	if v.node == nil {
		return m.events
	}
	var out []state.Event
	for _, e := range m.events {
		if v.node.Match(eventField(e), func() string { return string(e.Kind) + " " + e.Text }) {
			out = append(out, e)
		}
	}
	return out
}

// eventField answers a filter about an event.
func eventField(e state.Event) func(key string) (any, bool) {
	return func(key string) (any, bool) {
		switch {
		case key == "kind":
			return string(e.Kind), true
		case e.Unit == nil:
			return nil, false
		}
		return unitField(*e.Unit)(key)
	}
}

func (v *events) keys(m *model) []binding {
	return []binding{
		{[]string{"enter"}, "details", "all about the unit that it is about", func(m *model) tea.Cmd {
			if all := v.matching(m); v.at < len(all) && all[v.at].Unit != nil {
				return m.push(&unit{name: all[v.at].Unit.Name})
			}
			return nil
		}},
		{[]string{"f"}, "newest", "to the newest, and stay there", func(*model) tea.Cmd {
			v.away = false
			return nil
		}},
	}
}

func (v *events) draw(m *model, w, h int) []string {
	all := v.matching(m)
	if len(all) == 0 {
		return m.empty(w, h, v.nothing("nothing happened since this screen was opened"))
	}
	if !v.away {
		v.at = len(all) - 1
	}
	from, to := v.set(len(all), h)
	wide := m.momentWidth(all[0].Time)
	var rows []string
	for i := from; i < to; i++ {
		e := all[i]
		text := fit(m.moment(e.Time), wide) + "  " + fit(plainText(string(e.Kind)), 8) + "  "
		said := plainText(strings.ReplaceAll(e.Text, "\n", " "))
		if i == v.at {
			rows = append(rows, m.theme.bar(fit(mark(true)+text+said, w)))
			continue
		}
		rows = append(rows, cut(mark(false)+m.theme.paint(faint, text)+m.theme.paint(eventTone(e), said), w))
	}
	return rows
}

// eventTone colours trouble and what needs to be read.
func eventTone(e state.Event) tone {
	switch {
	case e.Unit != nil && e.Kind == state.KindPhase:
		return phaseTone(e.Unit.Phase)
	case e.Kind == state.KindNotice, e.Kind == state.KindRestart, e.Kind == state.KindGap:
		return warn
	}
	return plain
}
