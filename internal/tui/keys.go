package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// binding is one row of a key map: the help and the hints at the foot are made from it.
type binding struct {
	keys []string // as bubbletea names them; the first is shown
	name string   // short, for the foot; "" is left out there
	doc  string   // one line for the help; "" is left out there
	do   func(m *model) tea.Cmd
}

// movement is the keys that move the chosen row in every list.
func movement() []binding {
	by := func(n func(l *list) int) func(m *model) tea.Cmd {
		return func(m *model) tea.Cmd {
			m.move(n)
			return nil
		}
	}
	return []binding{
		{[]string{"j", "down"}, "", "down", by(func(*list) int { return 1 })},
		{[]string{"k", "up"}, "", "up", by(func(*list) int { return -1 })},
		{[]string{"g", "home"}, "", "to the first", by(func(l *list) int { return -l.n })},
		{[]string{"G", "end"}, "", "to the last", by(func(l *list) int { return l.n })},
		{[]string{"ctrl+d"}, "", "half a screen down", by(func(l *list) int { return max(1, l.h/2) })},
		{[]string{"ctrl+u"}, "", "half a screen up", by(func(l *list) int { return -max(1, l.h/2) })},
		{[]string{"pgdown", "ctrl+f"}, "", "a screen down", by(func(l *list) int { return max(1, l.h-1) })},
		{[]string{"pgup", "ctrl+b"}, "", "a screen up", by(func(l *list) int { return -max(1, l.h-1) })},
	}
}

// common is the keys that mean the same in every view.
func common() []binding {
	return []binding{
		{[]string{"esc", "backspace"}, "", "back, or drop the filter", (*model).back},
		{[]string{"tab"}, "", "next view", func(m *model) tea.Cmd { return m.open((m.tab + 1) % len(m.tabs)) }},
		{[]string{"shift+tab"}, "", "previous view", func(m *model) tea.Cmd { return m.open((m.tab + len(m.tabs) - 1) % len(m.tabs)) }},
		{[]string{"/"}, "filter", "filter what is listed", (*model).askFilter},
		{[]string{":"}, "command", "run a command of msctl", (*model).askCommand},
		{[]string{"i"}, "", "the fleet: its folder, all addresses, where telemetry goes", (*model).fleetPage},
		{[]string{"?"}, "help", "this help, or back from it", func(m *model) tea.Cmd {
			if _, open := m.visible().(*help); open {
				return m.back()
			}
			return m.push(newHelp(m))
		}},
		{[]string{"q"}, "quit", "leave", (*model).askQuit},
		{[]string{"ctrl+c"}, "", "leave at once; in `up`: take everything down, twice: kill", (*model).interrupt},
		{[]string{"ctrl+l"}, "", "draw the screen anew", func(m *model) tea.Cmd { m.anew++; return nil }},
	}
}

// names shows the keys of a binding for the help.
func (b binding) names() string {
	var out []string
	for _, k := range b.keys {
		out = append(out, keyName(k))
	}
	return strings.Join(out, " ")
}

// keyName shows a key the way keyboards do.
func keyName(key string) string {
	switch key {
	case "down":
		return "↓"
	case "up":
		return "↑"
	case "enter":
		return "Enter"
	case "esc":
		return "Esc"
	case "tab":
		return "Tab"
	case "shift+tab":
		return "Shift-Tab"
	case "space":
		return "Space"
	case "pgup":
		return "PgUp"
	case "pgdown":
		return "PgDn"
	case "home", "end", "backspace":
		return strings.ToUpper(key[:1]) + key[1:]
	}
	if rest, ok := strings.CutPrefix(key, "ctrl+"); ok {
		return "Ctrl-" + rest
	}
	return key
}
