package tui

import (
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// verb is one command of the palette: the same words as on the command line.
type verb struct {
	name, use, doc string
	units          bool // its words are names of units
	run            func(m *model, words []string) (tea.Cmd, error)
}

// verbs is every command of the palette, in the order of the help.
var verbs = []verb{
	{"restart", "restart NAME…", "restart services", true, onUnits((*model).restart)},
	{"start", "start NAME…", "start services with what they need", true, onUnits((*model).start)},
	{"stop", "stop NAME…", "stop services", true, onUnits((*model).stop)},
	{"scale", "scale NAME N", "run that many replicas", true, (*model).scaleWords},
	{"open", "open NAME", "open its page in the browser", true, (*model).openWords},
	{"logs", "logs [NAME…]", "what they print", true, (*model).logsWords},
	{"traces", "traces [FILTER]", "where requests went", false, (*model).tracesWords},
	{"trace", "trace ID", "one trace; the first digits are enough", false, (*model).traceWords},
	{"advise", "advise", "what stands out in the traffic", false, func(m *model, _ []string) (tea.Cmd, error) { return advise(m), nil }},
	{"why", "why [TRACE]", "what most likely makes requests fail or slow", false, (*model).whyWords},
	{"filter", "filter FILTER", "filter what is listed", false, (*model).filterWords},
	{"fleet", "fleet", "its folder, all addresses, where telemetry goes", false, func(m *model, _ []string) (tea.Cmd, error) { return m.fleetPage(), nil }},
	{"quit", "quit", "leave", false, func(m *model, _ []string) (tea.Cmd, error) { return m.askQuit(), nil }},
}

// askCommand opens the palette.
func (m *model) askCommand() tea.Cmd {
	return m.openPrompt(&prompt{kind: "command", sign: ":", complete: m.completeCommand, accept: (*model).command}, "")
}

// command runs one line of the palette.
func (m *model) command(text string) (tea.Cmd, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, nil
	}
	for i, v := range Views {
		if v.Name == words[0] && len(words) == 1 {
			return m.open(i), nil
		}
	}
	var known []string
	for _, v := range verbs {
		if v.name == words[0] || words[0] == "q" && v.name == "quit" {
			return v.run(m, words[1:])
		}
		known = append(known, v.name)
	}
	if near := filter.Nearest(words[0], known); near != "" {
		return nil, fmt.Errorf("unknown command %q; did you mean %s?", words[0], near)
	}
	return nil, fmt.Errorf("unknown command %q; ? lists them", words[0])
}

// completeCommand completes verbs and views, then names.
func (m *model) completeCommand(text string, at int) (int, []string) {
	head := text[:at]
	from := strings.LastIndexByte(head, ' ') + 1
	if !strings.Contains(strings.TrimLeft(head, " "), " ") {
		var all []string
		for _, v := range verbs {
			all = append(all, v.name)
		}
		for _, v := range Views {
			all = append(all, v.Name)
		}
		return from, beginning(compact(all), head[from:])
	}
	first := strings.Fields(head)[0]
	for _, v := range verbs {
		if v.name == first && v.units {
			return from, beginning(m.names(), head[from:])
		}
	}
	return m.completeFilter(text, at)
}

func compact(all []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range all {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}

// onUnits runs a change for each name, after all were checked.
func onUnits(do func(m *model, name string) tea.Cmd) func(m *model, words []string) (tea.Cmd, error) {
	return func(m *model, words []string) (tea.Cmd, error) {
		if len(words) == 0 {
			return nil, fmt.Errorf("name a service")
		}
		for _, w := range words {
			if err := m.known(w); err != nil {
				return nil, err
			}
		}
		var cmds []tea.Cmd
		for _, w := range words {
			cmds = append(cmds, do(m, w))
		}
		return tea.Batch(cmds...), nil
	}
}

// known refuses names that the fleet does not have.
func (m *model) known(name string) error {
	names := m.names()
	for _, n := range names {
		if n == name {
			return nil
		}
	}
	if near := filter.Nearest(name, names); near != "" {
		return fmt.Errorf("unknown service %q; did you mean %s?", name, near)
	}
	return fmt.Errorf("unknown service %q", name)
}

func (m *model) scaleWords(words []string) (tea.Cmd, error) {
	if len(words) == 1 {
		words = strings.SplitN(words[0], "=", 2) // as on the command line
	}
	if len(words) != 2 {
		return nil, fmt.Errorf("scale what to how many: scale orders 3")
	}
	if err := m.known(words[0]); err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q is no number of replicas", words[1])
	}
	return m.scale(words[0], n), nil
}

func (m *model) openWords(words []string) (tea.Cmd, error) {
	if len(words) != 1 {
		return nil, fmt.Errorf("open what: open gateway")
	}
	if err := m.known(words[0]); err != nil {
		return nil, err
	}
	var best state.Unit
	for _, u := range m.snap.Units {
		if (u.Name == words[0] || u.Service == words[0]) && pageOf(best) == "" {
			best = u
		}
	}
	return m.openPage(best), nil
}

func (m *model) logsWords(words []string) (tea.Cmd, error) {
	for _, w := range words {
		if err := m.known(w); err != nil {
			return nil, err
		}
	}
	return m.push(newLogs(words...)), nil
}

func (m *model) tracesWords(words []string) (tea.Cmd, error) {
	text := strings.Join(words, " ")
	if _, err := filter.Parse(text); err != nil {
		return nil, err
	}
	return m.push(newTraces(text, false)), nil
}

func (m *model) traceWords(words []string) (tea.Cmd, error) {
	if len(words) != 1 {
		return nil, fmt.Errorf("which trace: trace 4bf92f35")
	}
	return m.push(newWaterfall(words[0])), nil
}

func (m *model) whyWords(words []string) (tea.Cmd, error) {
	if len(words) > 1 {
		return nil, fmt.Errorf("why of one trace, or of all: why 4bf92f35")
	}
	return m.push(&reason{trace: strings.Join(words, "")}), nil
}

func (m *model) filterWords(words []string) (tea.Cmd, error) {
	f, ok := m.visible().(filterer)
	if !ok {
		return nil, fmt.Errorf("there is nothing to filter here")
	}
	return f.setFilter(m, strings.Join(words, " "))
}
