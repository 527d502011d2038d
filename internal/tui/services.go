package tui

import (
	"fmt"
	"net/url"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// services is the view of what runs: one row per unit, services first.
type services struct {
	list
	name   string // of the chosen unit, so that it stays chosen when rows come and go
	filter string
	node   *filter.Node
}

func (s *services) title(*model) string   { return filterTitle(s.filter) }
func (s *services) cursor() *list         { return &s.list }
func (s *services) tick(m *model) tea.Cmd { return m.askEdges() }
func (s *services) edged()                {}
func (s *services) filterText() string    { return s.filter }

func (s *services) pulse(m *model, n news) bool { return false } // the model compares the fleet itself
func (s *services) moved(m *model) tea.Cmd      { s.remember(m); return nil }

// filterTitle names a filter beside the title of a view.
func filterTitle(text string) string {
	if text == "" {
		return ""
	}
	return "/" + text
}

func (s *services) setFilter(_ *model, text string) (tea.Cmd, error) {
	n, err := filter.Parse(text)
	if err != nil {
		return nil, err
	}
	s.filter, s.node = text, n
	return nil, nil
}

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
		if s.filter != "" {
			return m.empty(w, h, "nothing matches "+s.filter+"; Esc drops the filter")
		}
		return m.empty(w, h, "nothing runs yet")
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

// The columns of services by number, where they matter.
const (
	portColumn   = 9
	rateColumn   = 10
	remarkColumn = 11
)

// serviceColumns lays the columns out. Where the last, with the address, does not fit, the port stands in
// for it.
func serviceColumns(units []state.Unit, w int) ([]column, []int) {
	name := 8
	for _, u := range units {
		name = max(name, width(u.Name))
	}
	cols := []column{
		{title: "NAME", width: min(name, max(10, w/4))},
		{title: "STATE", width: 10},
		{title: "RST", width: 3, right: true, drop: 5},
		{title: "CPU", width: 5, right: true, drop: 4},
		{title: "MEM", width: 5, right: true, drop: 4},
		{title: "REQ/S", width: 5, right: true, drop: 2},
		{title: "REQS", width: 6, right: true, drop: 7},
		{title: "ERR", width: 5, right: true, drop: 1},
		{title: "P95", width: 6, right: true, drop: 3},
		{title: "PORT", right: true, drop: 5},
		{title: "RATE", width: 10, right: true, drop: 6},
		{title: "", width: 22, flex: true, drop: 8},
	}
	widths := layout(cols, w)
	if widths[remarkColumn] == 0 {
		cols[portColumn].width, cols[rateColumn].flex = 6, true
		widths = layout(cols, w)
	}
	return cols, widths
}

// serviceCells are the fields of one unit's row. What keeps a unit from running takes the room of figures
// that it does not have, where the last column does not fit.
func (m *model) serviceCells(u state.Unit, widths []int) []cell {
	restarts := cell{"–", faint}
	if u.Restarts > 0 {
		restarts = cell{fmt.Sprint(u.Restarts), warn}
	}
	cells := []cell{
		{plainText(u.Name), plain},
		{phaseSign(u.Phase) + " " + phaseName(u.Phase), phaseTone(u.Phase)},
		restarts,
	}
	if widths[remarkColumn] == 0 && (u.Reason != "" || len(u.WaitsFor) > 0) && phaseTone(u.Phase) != good {
		return append(cells, cell{m.remark(u), phaseTone(u.Phase)})
	}
	l := m.edges.byTo[u.Service]
	spiky := ""
	if h := m.edges.history[u.Service]; len(h) > 0 && u.Replica <= 1 {
		spiky = spark(h, max(widths[rateColumn], 1))
	}
	if u.Replica > 1 {
		l = load{}
	}
	errs := tone(plain)
	if l.Failed > 0 {
		errs = bad
	}
	return append(cells,
		cell{cores(u.CPU), plain}, cell{size(u.Memory), plain},
		cell{rate(l.Rate), plain}, cell{counted(l.Requests), plain}, cell{percent(l.Failed, l.Rate), errs}, cell{took(l.P95), plain},
		cell{portOf(u), faint}, cell{spiky, accent}, cell{m.remark(u), faint})
}

// portOf is ":8080" of a unit's address, or "".
func portOf(u state.Unit) string {
	at, err := url.Parse(u.URL)
	if err != nil || at.Port() == "" {
		return ""
	}
	return plainText(":" + at.Port())
}

// remark is the free last column: what is wrong or waited for, else where it is found.
func (m *model) remark(u state.Unit) string {
	switch {
	case len(u.WaitsFor) > 0:
		return "waits for " + plainText(strings.Join(u.WaitsFor, ", "))
	case u.Phase == state.Looping && !u.NextTry.IsZero():
		return "next try at " + clock(u.NextTry) + "  " + plainText(u.Reason)
	case u.Reason != "":
		return plainText(u.Reason)
	case u.URL != "":
		return plainText(m.near(u.URL))
	}
	return plainText(u.Backing)
}

// near leaves the stack's own folder out of an address.
func (m *model) near(url string) string {
	if m.snap.Dir == "" {
		return url
	}
	return strings.Replace(url, strings.TrimSuffix(m.snap.Dir, "/")+"/", "", 1)
}

func counted(n int64) string {
	if n == 0 {
		return "–"
	}
	return count(n)
}

// cores shows CPU as a share of one core.
func cores(v float64) string {
	if v < 0.0005 {
		return "–"
	}
	if v < 0.0995 {
		return fmt.Sprintf("%.1f%%", v*100)
	}
	return fmt.Sprintf("%.0f%%", v*100)
}

// phaseSign is a mark that tells phases apart without colour.
func phaseSign(p state.Phase) string {
	switch p {
	case state.Ready:
		return "●"
	case state.Done:
		return "✓"
	case state.Failed, state.Looping:
		return "✗"
	case state.Unready:
		return "!"
	case state.Stopped, state.Skipped:
		return "○"
	}
	return "◐"
}

// phaseName is the phase in at most eight columns.
func phaseName(p state.Phase) string {
	if p == state.Looping {
		return "looping"
	}
	return string(p)
}

func phaseTone(p state.Phase) tone {
	switch p {
	case state.Ready, state.Done:
		return good
	case state.Failed, state.Looping:
		return bad
	case state.Stopped, state.Skipped:
		return faint
	}
	return warn
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
		{[]string{"l"}, "logs", "what it prints", on(func(m *model, u state.Unit) tea.Cmd { return m.push(newLogs(u.Name)) })},
		{[]string{"t"}, "traces", "its traces", on((*model).tracesOf)},
		{[]string{"r"}, "restart", "restart it", on(func(m *model, u state.Unit) tea.Cmd { return m.restart(u.Name) })},
		{[]string{"s"}, "stop/start", "stop it, or start it with what it needs", on(toggle)},
		{[]string{"+", "="}, "", "one replica more", resize(1)},
		{[]string{"-"}, "", "one replica less", resize(-1)},
		{[]string{"o"}, "open", "open its page in the browser", on((*model).openPage)},
	}
}

// tracesOf shows the requests that a service took or made, or all that was asked of a resource.
func (m *model) tracesOf(u state.Unit) tea.Cmd {
	if u.Sort == state.Service || u.Sort == state.Job {
		return m.push(newTraces("service="+u.Service, false))
	}
	return m.push(newTraces("edge~:"+u.Service+"$", true))
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
