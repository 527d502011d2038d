package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
)

// about is the fleet as a whole: where it is found, and where telemetry is sent to and asked for.
type about struct{ list }

// fact is one row of it. Without a value it is a heading or a gap.
type fact struct{ name, value, doc string }

func (v *about) title(*model) string { return "fleet" }
func (v *about) cursor() *list       { return &v.list }

func (v *about) facts(m *model) []fact {
	s := m.snap
	out := []fact{{"stack", s.Stack, ""}, {"folder", s.Dir, ""}, {"runtime", s.Runtime, "how backing servers run"}}
	if s.PID > 0 {
		out = append(out, fact{"supervisor", fmt.Sprint(s.PID), "the process that runs it"})
	}
	if r := s.Receiver; r != nil {
		out = append(out,
			fact{"", "", "telemetry"}, fact{"OTLP/HTTP", r.HTTP, "send traces, metrics and logs here"}, fact{"OTLP/gRPC", r.GRPC, "or here"},
			fact{"Jaeger API", r.HTTP, "where Jaeger's UI and Grafana ask"}, fact{"metrics", r.HTTP + "/metrics", "for Prometheus"})
	} else {
		out = append(out, fact{"", "", "telemetry"}, fact{"off", "telemetry: off", "as stack.yaml says"})
	}
	for _, group := range []struct {
		head string
		of   []state.Sort
	}{{"services", []state.Sort{state.Service}}, {"backing servers and what they hold", []state.Sort{state.Server, state.Resource}}} {
		out = append(out, fact{"", "", group.head})
		n := len(out)
		for _, sort := range group.of {
			for _, u := range s.Units {
				if u.Sort == sort && u.URL != "" {
					out = append(out, fact{u.Name, u.URL, ""})
				}
			}
		}
		if len(out) == n {
			out = out[:n-1]
		}
	}
	return out
}

func (v *about) keys(*model) []binding {
	return []binding{
		{[]string{"y", "enter"}, "copy", "copy the chosen value", func(m *model) tea.Cmd {
			if f := v.chosen(m); f.value != "" {
				return m.copy(plainText(f.value))
			}
			return nil
		}},
		{[]string{"o"}, "open", "open the chosen page in the browser", func(m *model) tea.Cmd {
			f := v.chosen(m)
			return m.openPage(state.Unit{Name: f.name, URL: f.value})
		}},
	}
}

func (v *about) chosen(m *model) fact {
	all := v.facts(m)
	return all[clamp(v.at, 0, len(all)-1)]
}

func (v *about) draw(m *model, w, h int) []string {
	all := v.facts(m)
	lead, wide := 10, 0
	for _, f := range all {
		lead = max(lead, min(width(plainText(f.name)), w/3))
		if f.doc != "" {
			wide = max(wide, width(plainText(f.value)))
		}
	}
	from, to := v.set(len(all), h)
	v.lead = 0
	var rows []string
	for i := from; i < to; i++ {
		rows = append(rows, m.factRow(all[i], lead, wide, w, i == v.at))
	}
	return rows
}

func (m *model) factRow(f fact, lead, wide, w int, here bool) string {
	t := m.theme
	name, value, doc := fit(plainText(f.name), lead), plainText(f.value), ""
	if f.value == "" {
		name, value = "", f.doc
	} else if f.doc != "" {
		doc = strings.Repeat(" ", max(0, wide-width(value))) + "  " + f.doc
	}
	switch {
	case here && f.value == "":
		return t.bar(fit(mark(true)+value, w))
	case here:
		return t.bar(fit(mark(true)+name+" "+value+doc, w))
	case f.value == "":
		return mark(false) + t.paint(strong, cut(value, w-gutter))
	}
	return cut(mark(false)+t.paint(faint, name)+" "+value+t.paint(faint, doc), w)
}

// fleetPage opens what there is to know of the fleet as a whole.
func (m *model) fleetPage() tea.Cmd {
	if _, ok := m.visible().(*about); ok {
		return nil
	}
	return m.push(&about{})
}
