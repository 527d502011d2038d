package tui

import "strings"

// help lists what the keys do, made from the key maps of the screen that it was opened from.
type help struct {
	list
	of   string
	rows [][2]string // keys and what they do; no keys: a heading
}

func newHelp(m *model) *help {
	s := m.visible()
	h := &help{of: Views[m.tab].Name}
	if len(m.trail) > 0 {
		h.of = s.title(m)
	}
	h.add(h.of, s.keys(m))
	if _, ok := s.(mover); ok {
		h.add("rows", movement())
	}
	h.add("everywhere", common())
	h.rows = append(h.rows, [2]string{"", "views"})
	for i, v := range Views {
		h.rows = append(h.rows, [2]string{string(rune('1' + i)), v.Name + ": " + v.Doc})
	}
	h.rows = append(h.rows, [2]string{"", "commands, after :"})
	for _, v := range verbs {
		h.rows = append(h.rows, [2]string{v.use, v.doc})
	}
	h.rows = append(h.rows, [2]string{"", "filters, after /"},
		[2]string{"first key", "typing replaces the filter before; Space, ← and Backspace edit it"},
		[2]string{"word", "anywhere in the row"},
		[2]string{"key=value", "also != > >= < <= ~regex !~ :part; key=* is there"},
		[2]string{"-a (b OR c)", "not a, and one of b and c"},
		[2]string{"duration>200ms status=error service=orders", "what traces know"},
		[2]string{"from=orders rate>0 p95>200ms fault=*", "what the map knows"})
	return h
}

func (h *help) add(heading string, keys []binding) {
	h.rows = append(h.rows, [2]string{"", heading})
	for _, b := range keys {
		if b.doc != "" {
			h.rows = append(h.rows, [2]string{b.names(), b.doc})
		}
	}
}

func (h *help) title(*model) string   { return "help" }
func (h *help) cursor() *list         { return &h.list }
func (h *help) keys(*model) []binding { return nil }

func (h *help) draw(m *model, w, height int) []string {
	wide := min(22, w/3)
	var all []string
	for _, r := range h.rows {
		if r[0] == "" {
			all = append(all, m.theme.paint(strong, " "+r[1]))
			continue
		}
		lead := "   " + fit(r[0], wide) + " "
		if width(r[0]) > wide {
			lead = "   " + r[0] + "  "
		}
		for i, part := range words(r[1], max(10, w-width(lead))) {
			if i > 0 {
				lead = strings.Repeat(" ", width(lead))
			}
			all = append(all, m.theme.paint(accent, lead)+part)
		}
	}
	return h.window(all, height)
}

// window scrolls by rows instead of choosing one: the chosen row is the first visible one.
func (l *list) window(rows []string, h int) []string {
	l.n, l.all, l.h = max(1, len(rows)-h+1), len(rows), h
	l.at = clamp(l.at, 0, l.n-1)
	l.top = l.at
	return rows[l.top:min(len(rows), l.top+max(0, h))]
}
