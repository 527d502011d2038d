package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/telemetry"
)

// reason is the answer of why: what most likely makes requests fail or slow.
type reason struct {
	list
	trace  string // "" asks about the last minutes
	answer telemetry.Reason
	err    string
	have   bool
	causes []int // the first row of each cause, to find the one that is looked at
}

// whyWindow is how far back why looks.
const whyWindow = 5 * time.Minute

func (v *reason) title(*model) string { return "why" }
func (v *reason) cursor() *list       { return &v.list }

func (v *reason) opened(m *model) tea.Cmd {
	if v.have {
		return nil
	}
	return m.ask("why", "looking for the cause", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		answer, err := m.source.Why(ctx, v.trace, time.Now().Add(-whyWindow))
		return func(m *model) tea.Cmd {
			v.answer, v.have, m.dirty = answer, true, true
			if err != nil {
				v.err = why(err)
			}
			return nil
		}
	})
}

func (v *reason) keys(*model) []binding {
	return []binding{
		{[]string{"enter", "t"}, "traces", "a trace that shows the topmost cause", func(m *model) tea.Cmd {
			for i, c := range v.answer.Causes {
				last := i == len(v.answer.Causes)-1
				if len(c.Traces) > 0 && (last || i+1 < len(v.causes) && v.causes[i+1] > v.at) {
					return m.push(newWaterfall(c.Traces[0]))
				}
			}
			return nil
		}},
		{[]string{"R"}, "again", "ask anew", func(m *model) tea.Cmd {
			v.have, v.err = false, ""
			return v.opened(m)
		}},
	}
}

func (v *reason) draw(m *model, w, h int) []string {
	switch {
	case v.err != "":
		return m.empty(w, h, "there is no answer: "+v.err)
	case !v.have:
		return nil
	case len(v.answer.Causes) == 0 && v.trace != "":
		return m.empty(w, h, "nothing stands out in this trace")
	case len(v.answer.Causes) == 0:
		return m.empty(w, h, fmt.Sprintf("nothing stands out among %s of the last %s; R asks anew", plural(v.answer.Total, "request"), ago(whyWindow)))
	}
	t := m.theme
	head := fmt.Sprintf("%s: %d failed, %d slow", plural(v.answer.Total, "request"), v.answer.Failed, v.answer.Slow)
	if v.trace != "" {
		head = "trace " + v.trace
	}
	rows := []string{t.paint(faint, " "+head)}
	v.causes = v.causes[:0]
	for _, c := range v.answer.Causes {
		rows = append(rows, "")
		v.causes = append(v.causes, len(rows))
		rows = append(rows, " "+t.paint(strong, plainText(c.Subject)))
		for _, part := range words(plainText(c.Text), w-4) {
			rows = append(rows, "   "+part)
		}
		for _, e := range c.Evidence {
			for i, part := range words(plainText(e), w-6) {
				rows = append(rows, "   "+t.paint(accent, []string{"• ", "  "}[min(i, 1)])+part)
			}
		}
	}
	return v.window(rows, h)
}
