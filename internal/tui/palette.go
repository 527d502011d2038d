package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// verb is one command of the palette: the same words as on the command line.
type verb struct {
	name, use, doc string
	options        func(m *model, given []string) []string // completes the next word; nil: as a filter
	run            func(m *model, words []string) (tea.Cmd, error)
}

// begins reports whether the words of a line begin with those of the verb, and how many those are.
func (v verb) begins(words []string) (int, bool) {
	own := strings.Fields(v.name)
	return len(own), len(words) >= len(own) && slices.Equal(words[:len(own)], own)
}

// verbs is every command of the palette, in the order of the help.
var verbs = []verb{
	{"restart", "restart NAME…", "restart services", unitNames, onUnits((*model).restart)},
	{"start", "start NAME…", "start services with what they need", unitNames, onUnits((*model).start)},
	{"stop", "stop NAME…", "stop services", unitNames, onUnits((*model).stop)},
	{"scale", "scale NAME N", "run that many replicas", unitNames, (*model).scaleWords},
	{"open", "open NAME", "open its page in the browser", unitNames, (*model).openWords},
	{"logs", "logs [NAME…]", "what they print", unitNames, (*model).logsWords},
	{"traces", "traces [FILTER]", "where requests went", nil, (*model).tracesWords},
	{"trace", "trace ID", "one trace; the first digits are enough", nil, (*model).traceWords},
	{"advise", "advise", "what stands out in the traffic", nil, func(m *model, _ []string) (tea.Cmd, error) { return advise(m), nil }},
	{"why", "why [TRACE]", "what most likely makes requests fail or slow", nil, (*model).whyWords},
	{"chaos add", "chaos add EDGE FAULT…", "disturb calls: latency=300ms,jitter=50ms refuse for=30s", func(m *model, given []string) []string { return m.chaosOptions(given, "") }, (*model).chaosAdd},
	{"chaos list", "chaos list", "the faults that act now", nil, func(m *model, _ []string) (tea.Cmd, error) { return m.push(&faults{}), nil }},
	{"chaos remove", "chaos remove ID…", "lift faults by their ids", nil, (*model).chaosRemove},
	{"chaos clear", "chaos clear [EDGE…]", "lift the faults of edges, or all", func(m *model, _ []string) []string { return m.edgeTitles() }, (*model).chaosClear},
	{"filter", "filter FILTER", "filter what is listed", nil, (*model).filterWords},
	{"fleet", "fleet", "its folder, all addresses, where telemetry goes", nil, func(m *model, _ []string) (tea.Cmd, error) { return m.fleetPage(), nil }},
	{"quit", "quit", "leave", nil, func(m *model, _ []string) (tea.Cmd, error) { return m.askQuit(), nil }},
}

func unitNames(m *model, _ []string) []string { return m.names() }

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
	if words[0] == "q" {
		words[0] = "quit"
	}
	if err := m.refuse(words); err != nil {
		return nil, err
	}
	known := strangers()
	for _, v := range verbs {
		n, is := v.begins(words)
		if is {
			return v.run(m, words[n:])
		}
		if known = append(known, v.name); n > 1 && len(words) < 2 {
			known = append(known, strings.Fields(v.name)[0])
		}
	}
	typed := strings.Join(words[:min(len(words), 2)], " ")
	if near := filter.Nearest(typed, known); near != "" && near != typed {
		return nil, fmt.Errorf("unknown command %q; did you mean %s?", typed, near)
	}
	if near := filter.Nearest(words[0], known); near != "" && near != words[0] {
		return nil, fmt.Errorf("unknown command %q; did you mean %s?", words[0], near)
	}
	if next := nextWords(words[:1]); len(next) > 0 {
		return nil, fmt.Errorf("%s what: %s", words[0], strings.Join(next, ", "))
	}
	return nil, fmt.Errorf("unknown command %q; ? lists them", words[0])
}

// nextWords is what may follow the words of a command as part of its name.
func nextWords(given []string) []string {
	var out []string
	add := func(name string) {
		own := strings.Fields(name)
		if len(own) > len(given) && slices.Equal(own[:len(given)], given) {
			out = append(out, own[len(given)])
		}
	}
	for _, v := range verbs {
		add(v.name)
	}
	for _, v := range Views {
		add(v.Name)
	}
	return compact(out)
}

// completeCommand completes verbs and views, then what they take.
func (m *model) completeCommand(text string, at int) (int, []string) {
	head := text[:at]
	from := strings.LastIndexByte(head, ' ') + 1
	given := strings.Fields(head[:from])
	if next := nextWords(given); len(next) > 0 {
		return from, beginning(next, head[from:])
	}
	for _, v := range verbs {
		if n, is := v.begins(given); is && v.options != nil {
			return from, beginning(v.options(m, given[n:]), head[from:])
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
