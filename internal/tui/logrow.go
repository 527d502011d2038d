package tui

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/output"
)

func (v *logs) draw(m *model, w, h int) []string {
	if len(v.rows) == 0 {
		return m.empty(w, h, v.nothing())
	}
	if v.follow {
		v.at = len(v.rows) - 1
	} else {
		v.hold()
	}
	var under []string
	if v.whole && v.at < len(v.rows) && m.w < splitAt {
		under = append([]string{m.theme.paint(faint, strings.Repeat("─", w))}, m.wholeLine(v.rows[v.at], w)...)
		under = under[:min(len(under), h*2/3)]
		h -= len(under)
	}
	from, to := v.set(len(v.rows), h)
	v.chosen = v.rows[v.at]
	wide := m.unitWidth(v.rows[from:to])
	var rows []string
	for i := from; i < to; i++ {
		rows = append(rows, m.lineRow(v.rows[i], w, wide, i == v.at, v.search))
	}
	return append(filled(rows, h), under...)
}

// hold keeps the cursor on its line when lines come or are dropped.
func (v *logs) hold() {
	if v.chosen == nil || v.at < len(v.rows) && v.rows[v.at] == v.chosen {
		return
	}
	i, found := slices.BinarySearchFunc(v.rows, v.chosen, func(l, want *line) int { return l.at.Compare(want.at) })
	if !found {
		v.move(i - v.at)
		return
	}
	for ; i < len(v.rows) && v.rows[i].at.Equal(v.chosen.at); i++ {
		if v.rows[i] == v.chosen {
			v.top += i - v.at // the window moves along: the line stays where it is on the screen
			v.at = i
			return
		}
	}
}

func (v *logs) nothing() string {
	switch {
	case v.sifting:
		return "looking through the lines"
	case v.filter != "":
		return "nothing matches " + v.filter + "; Esc drops the filter"
	case len(v.units) > 0:
		return strings.Join(v.units, ", ") + " printed nothing since this screen was opened"
	}
	return "nothing was printed yet"
}

// unitWidth is the width of the names before the lines.
func (m *model) unitWidth(rows []*line) int {
	wide := 4
	for _, u := range m.snap.Units {
		wide = max(wide, len(u.Name))
	}
	return min(wide, max(6, m.w/6))
}

// lineRow is one line with its time and unit.
func (m *model) lineRow(l *line, w, wide int, here bool, search string) string {
	t := m.theme
	name := fit(plainText(l.unit), wide)
	when := clock(l.at)
	text := l.view()
	room := w - gutter - 9 - wide - 1
	if w < 50 { // the time gives way
		when, room = "", room+9
	}
	if here {
		return t.bar(fit(mark(true)+spaced(when)+name+" "+text, w))
	}
	text = cut(text, room)
	if search != "" {
		text = m.highlight(text, search)
	} else {
		text = m.tinted(l, text)
	}
	return mark(false) + t.paint(faint, spaced(when)) + "\x1b[" + unitColour(l.unit) + "m" + name + off + " " + text
}

func spaced(text string) string {
	if text == "" {
		return ""
	}
	return text + " "
}

// tinted colours the level at the start of a structured line, and msctl's own remarks.
func (m *model) tinted(l *line, text string) string {
	if l.stream == output.Note {
		return m.theme.paint(faint, text)
	}
	for level, k := range map[string]tone{"ERROR": bad, "FATAL": bad, "WARN": warn, "DEBUG": faint} {
		if rest, ok := strings.CutPrefix(text, level); ok {
			return m.theme.paint(k, level) + rest
		}
	}
	return text
}

// highlight marks what the search found. The text loses its own colours.
func (m *model) highlight(text, search string) string {
	text = bare(text)
	low := strings.ToLower(text)
	if len(low) != len(text) {
		return text // letters whose lower case is longer: no place to mark
	}
	var b strings.Builder
	for {
		i := strings.Index(low, search)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		b.WriteString(m.theme.paint(chosen, text[i:i+len(search)]))
		text, low = text[i+len(search):], low[i+len(search):]
	}
}

// wholeLine is one line at full length: its text and its fields.
func (m *model) wholeLine(l *line, w int) []string {
	t := m.theme
	rows := []string{t.paint(strong, plainText(l.unit)) + "  " + clockMilli(l.at) + "  " + t.paint(faint, l.stream.String())}
	fields := l.all()
	if len(fields) == 0 {
		return append(rows, wrap(clean(l.text), w)...)
	}
	if l.text[0] != '{' {
		rows = append(rows, wrap(clean(l.text), w)...)
	}
	keys := make([]string, 0, len(fields))
	wide := 4
	for k := range fields {
		keys = append(keys, k)
		wide = max(wide, min(width(plainText(k)), 24))
	}
	slices.Sort(keys)
	for _, k := range keys {
		for i, part := range wrap(plainText(fields[k]), max(8, w-wide-2)) {
			lead := fit(plainText(k), wide)
			if i > 0 {
				lead = strings.Repeat(" ", wide)
			}
			rows = append(rows, t.paint(accent, lead)+"  "+part)
		}
	}
	if l.cut > 0 {
		rows = append(rows, t.paint(faint, fmt.Sprintf("… %s more were cut off", size(int64(l.cut)))))
	}
	return rows
}

func (v *logs) detail(m *model, w, h int) []string {
	if v.chosen == nil || !v.whole {
		return nil // the room is for the lines
	}
	rows := m.wholeLine(v.chosen, w)
	return rows[:min(len(rows), h)]
}
