package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
)

// services is the view of what runs: one row per unit, services first.
type services struct {
	list
	name string // of the chosen unit, so that it stays chosen when rows come and go
	sieve
}

func (s *services) cursor() *list         { return &s.list }
func (s *services) tick(m *model) tea.Cmd { return m.askEdges() }
func (s *services) edged()                {}

func (s *services) pulse(m *model, n news) bool { return false } // the model compares the fleet itself
func (s *services) moved(m *model) tea.Cmd      { s.remember(m); return nil }

// units is what is listed: services and jobs in file order, then servers, then what they hold.
func (s *services) units(m *model) []state.Unit {
	var out []state.Unit
	for _, sort := range [][2]state.Sort{{state.Service, state.Job}, {state.Server, state.Server}, {state.Resource, state.Resource}} {
		for _, u := range m.snap.Units {
			if (u.Sort == sort[0] || u.Sort == sort[1]) && s.node.Match(unitField(u), func() string { return unitText(u) }) {
				out = append(out, u)
			}
		}
	}
	return out
}

// unitField answers a filter about a unit.
func unitField(u state.Unit) func(key string) (any, bool) {
	return func(key string) (any, bool) {
		switch key {
		case "service":
			return u.Service, true
		case "unit", "name":
			return u.Name, true
		case "status", "state", "phase":
			return string(u.Phase), true
		case "kind", "sort":
			return string(u.Sort), true
		case "restarts":
			return int64(u.Restarts), true
		case "cpu":
			return u.CPU, true
		case "memory":
			return u.Memory, true
		}
		return nil, false
	}
}

func unitText(u state.Unit) string {
	return strings.Join([]string{u.Name, string(u.Sort), string(u.Phase), u.Backing, u.URL, u.Reason}, " ")
}

// chosen is the unit under the cursor.
func (s *services) chosen(m *model) (state.Unit, bool) {
	units := s.units(m)
	if len(units) == 0 {
		return state.Unit{}, false
	}
	return units[clamp(s.at, 0, len(units)-1)], true
}

func (s *services) remember(m *model) {
	if u, ok := s.chosen(m); ok {
		s.name = u.Name
	}
}

// find puts the cursor on the unit that was chosen, wherever it is now.
func (s *services) find(units []state.Unit) {
	for i, u := range units {
		if u.Name == s.name {
			s.at = i
			return
		}
	}
	s.at = clamp(s.at, 0, len(units)-1)
	if len(units) > 0 {
		s.name = units[s.at].Name
	}
}

func (s *services) draw(m *model, w, h int) []string {
	units := s.units(m)
	if len(units) == 0 {
		return m.empty(w, h, s.nothing("nothing runs yet"))
	}
	s.find(units)
	cols, widths := serviceColumns(units, w)
	var rows []string
	if h > 3 {
		rows = append(rows, m.head(cols, widths))
		h--
	}
	from, to := s.set(len(units), h)
	s.lead = len(rows)
	for i := from; i < to; i++ {
		rows = append(rows, m.row(cols, widths, m.serviceCells(units[i], widths), i == s.at))
	}
	return rows
}

// on gives the chosen unit to an action.
func (s *services) on(do func(m *model, u state.Unit) tea.Cmd) func(m *model) tea.Cmd {
	return func(m *model) tea.Cmd {
		u, ok := s.chosen(m)
		if !ok {
			return nil
		}
		s.name = u.Name
		return do(m, u)
	}
}

func (s *services) keys(*model) []binding {
	return append([]binding{
		{[]string{"enter"}, "details", "all about the chosen one", s.on(func(m *model, u state.Unit) tea.Cmd { return m.push(&unit{name: u.Name}) })},
	}, unitKeys(s.on)...)
}

// unitKeys is what can be done to one unit, wherever it is shown.
func unitKeys(on func(func(m *model, u state.Unit) tea.Cmd) func(m *model) tea.Cmd) []binding {
	resize := func(by int) func(m *model) tea.Cmd {
		return on(func(m *model, u state.Unit) tea.Cmd {
			if u.Sort != state.Service {
				m.complain(u.Name + " has no replicas")
				return nil
			}
			return m.scale(u.Service, m.replicas(u.Service)+by)
		})
	}
	return []binding{
		{[]string{"l"}, "logs", "what it prints", on((*model).logsOf)},
		{[]string{"t"}, "traces", "its traces", on((*model).tracesOf)},
		{[]string{"r"}, "restart", "restart it", on(func(m *model, u state.Unit) tea.Cmd { return m.restart(u.Name) })},
		{[]string{"s"}, "stop/start", "stop it, or start it with what it needs", on(toggle)},
		{[]string{"+", "="}, "", "one replica more", resize(1)},
		{[]string{"-"}, "", "one replica less", resize(-1)},
		{[]string{"o"}, "open", "open its page in the browser", on((*model).openPage)},
		{[]string{"y"}, "", "copy its address", on(func(m *model, u state.Unit) tea.Cmd {
			if u.URL == "" {
				m.complain(u.Name + " has no address")
				return nil
			}
			return m.copy(plainText(u.URL))
		})},
	}
}

func toggle(m *model, u state.Unit) tea.Cmd {
	if running(u.Phase) {
		return m.stop(u.Name)
	}
	return m.start(u.Name)
}

func (s *services) detail(m *model, w, h int) []string {
	u, ok := s.chosen(m)
	if !ok {
		return nil
	}
	rows := m.unitRows(u, w)
	return rows[:min(len(rows), h)]
}
