package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// choice is a question that one key answers. It stands at the foot until it is answered.
type choice struct {
	text    string
	answers []binding
}

// choose answers the open question.
func (m *model) choose(key string) tea.Cmd {
	for _, b := range m.choice.answers {
		for _, k := range b.keys {
			if k == key {
				m.choice = nil
				return b.do(m)
			}
		}
	}
	return nil
}

func (c *choice) draw(m *model, w int) string {
	var b strings.Builder
	b.WriteString(" " + m.theme.paint(warn, c.text) + " ")
	for _, a := range c.answers {
		b.WriteString(" " + m.theme.paint(accent, "["+keyName(a.keys[0])+"]") + " " + a.name + " ")
	}
	return cut(b.String(), w)
}

// askQuit leaves, or asks first what becomes of the fleet.
func (m *model) askQuit() tea.Cmd {
	if !m.opts.Asks || m.gone || m.snap.Stopping {
		return tea.Quit
	}
	leave := func(o Outcome) func(m *model) tea.Cmd {
		return func(m *model) tea.Cmd {
			m.outcome = o
			return tea.Quit
		}
	}
	m.choice = &choice{"leave: the fleet", []binding{
		{keys: []string{"d"}, name: "stays, detached", do: leave(Detach)},
		{keys: []string{"s"}, name: "stops", do: func(m *model) tea.Cmd { return m.takeDown(Down) }},
		{keys: []string{"c", "esc", "q"}, name: "cancel", do: func(*model) tea.Cmd { return nil }},
	}}
	return nil
}

// takeDown ends the fleet; the dashboard shows how, where it can, and leaves with it.
func (m *model) takeDown(how Outcome) tea.Cmd {
	m.outcome = how
	if m.opts.Interrupt == nil {
		return tea.Quit
	}
	m.opts.Interrupt()
	m.say("going down; Ctrl-C kills at once")
	return nil
}

// interrupt is Ctrl-C: where the fleet belongs to this terminal it takes it down, the second time at once.
func (m *model) interrupt() tea.Cmd {
	m.choice = nil
	if !m.opts.Asks || m.gone {
		return tea.Quit
	}
	if m.outcome == Down {
		return m.takeDown(Down)
	}
	return m.takeDown(Interrupted)
}
