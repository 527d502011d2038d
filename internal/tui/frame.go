package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
)

// View implements [tea.Model]. It is called after every message, so the last frame is kept until
// something that is seen changed; then it is given to the painter, which the program itself is not. A panic
// in it ends the dashboard in order.
func (m *model) View() (v tea.View) {
	defer func() {
		if r := recover(); r != nil {
			m.crash = crashed(r)
			m.halt()
			v = m.frame
		}
	}()
	if !m.dirty || m.crash != nil {
		return m.frame
	}
	m.dirty = false
	rows, cursor := m.draw()
	m.frame = tea.NewView(strings.Join(rows, "\n"))
	m.frame.Cursor = cursor
	m.show(frame{m.frame.Content, max(m.w, 1), max(m.h, 1), m.anew, "msctl " + plainText(m.snap.Stack), cursor})
	return m.frame
}

// splitAt is the width from which on the chosen row's details stand beside the list.
const splitAt = 150

// draw returns exactly the screen's rows.
func (m *model) draw() ([]string, *tea.Cursor) {
	w, h := max(m.w, 1), max(m.h, 1)
	var rows []string
	if h >= 4 {
		rows = append(rows, m.health(w))
	}
	foot, cursor := m.foot(w)
	if h < 2 {
		foot = nil
	}
	foot = foot[:min(len(foot), max(1, h-2))]
	body := m.body(w, max(0, h-m.bodyTop()-len(foot)))
	if h >= 10 {
		rows = append(rows, withPlace(m.tabLine(w), m.place(), w)) // the body knows by now what is visible
	}
	rows = append(append(rows, body...), foot...)
	for i := range rows {
		rows[i] = cut(clean([]byte(rows[i])), w) // the last gate: whatever was forgotten before stops here
	}
	if cursor != nil {
		cursor.Y = len(rows) - 1
	}
	return rows, cursor
}

// bodyTop is the first row of the visible screen: below health and tab line.
func (m *model) bodyTop() int {
	switch {
	case m.h >= 10:
		return 2
	case m.h >= 4:
		return 1
	}
	return 0
}

// body draws the visible screen, with details beside it where there is room.
func (m *model) body(w, h int) []string {
	s := m.visible()
	d, ok := s.(detailer)
	if !ok || w < splitAt {
		return filled(s.draw(m, w, h), h)
	}
	left := w * 3 / 5
	right := w - left - 3
	beside := d.detail(m, right, h)
	if beside == nil {
		return filled(s.draw(m, w, h), h)
	}
	list, detail := filled(s.draw(m, left, h), h), filled(beside, h)
	line := m.theme.paint(faint, "│")
	for i := range list {
		list[i] = fit(list[i], left) + " " + line + " " + cut(detail[i], right)
	}
	return list
}

// place says which part of a list is visible where not all of it is, or "".
func (m *model) place() string {
	mv, ok := m.visible().(mover)
	if _, endless := m.visible().(*logs); !ok || endless {
		return ""
	}
	l := mv.cursor()
	if l.all <= l.h || l.h < 1 {
		return ""
	}
	return fmt.Sprintf("%d–%d of %d", l.top+1, min(l.top+l.h, l.all), l.all)
}

// withPlace puts a place at the right end of a row, where there is room.
func withPlace(row, place string, w int) string {
	if place == "" || width(row)+width(place)+2 > w {
		return row
	}
	return row + strings.Repeat(" ", w-1-width(row)-width(place)) + place
}

// filled makes rows exactly h long.
func filled(rows []string, h int) []string {
	rows = rows[:min(len(rows), h)]
	for len(rows) < h {
		rows = append(rows, "")
	}
	return rows
}

// health is the one line about the whole fleet.
func (m *model) health(w int) string {
	t := m.theme
	parts := []string{t.paint(strong, plainText(m.snap.Stack))}
	phases := m.phases()
	parts = append(parts, phases[0])
	if n := m.faults(); n > 0 {
		parts = append(parts, t.paint(warn, "⚡ "+plural(n, "fault")))
	}
	parts = append(parts, phases[1:]...)
	if sum := m.edges.total(); m.edges.have && sum.Rate > 0 {
		parts = append(parts, rate(sum.Rate)+" calls/s")
		if sum.Failed > 0 {
			parts = append(parts, t.paint(bad, percent(sum.Failed, sum.Rate)+" failed"))
		}
	}
	return cut(" "+strings.Join(parts, t.paint(faint, " · ")), w)
}

// phases counts the units: those that are up, and by name those that are not.
func (m *model) phases() []string {
	t := m.theme
	switch {
	case m.gone:
		return []string{t.paint(bad, "the fleet went down")}
	case m.snap.Time.IsZero():
		return []string{t.paint(faint, "connecting")}
	}
	up, all := 0, 0
	var failing, waiting []string
	for _, u := range m.snap.Units {
		if u.Phase == state.Skipped || u.Phase == state.Stopped {
			continue
		}
		all++
		switch u.Phase {
		case state.Ready, state.Done:
			up++
		case state.Failed, state.Looping, state.Unready:
			failing = append(failing, u.Name+" "+string(u.Phase))
		default:
			waiting = append(waiting, u.Name)
		}
	}
	k, sign := good, "●"
	if len(failing) > 0 {
		k, sign = bad, "✗"
	} else if len(waiting) > 0 {
		k, sign = warn, "◐"
	}
	out := []string{t.paint(k, fmt.Sprintf("%s %d of %d ready", sign, up, all))}
	if m.snap.Stopping {
		out = append(out, t.paint(warn, "going down"))
	}
	if len(failing) > 0 {
		out = append(out, t.paint(bad, several(failing)))
	}
	if len(waiting) > 0 {
		out = append(out, t.paint(warn, "waiting for "+several(waiting)))
	}
	return out
}

// several joins names and leaves most out where they are many.
func several(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
	}
	return strings.Join(names, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// faults counts the faults that act now: one that disturbs several edges is one. Where the fleet does not list them, the
// edges tell of one on each of them, and on several ports of a callee of one.
func (m *model) faults() int {
	if m.edges.faults >= 0 {
		return m.edges.faults
	}
	seen := map[string]bool{}
	for _, e := range m.edges.edges {
		for _, f := range e.Faults {
			seen[e.Name()+" "+f] = true
		}
	}
	return len(seen)
}

// tabLine is the names of the views, or the way to the screen that was opened from one.
func (m *model) tabLine(w int) string {
	t := m.theme
	var b strings.Builder
	for i, v := range Views {
		text := fmt.Sprintf(" %d %s ", i+1, v.Name)
		switch {
		case i == m.tab && len(m.trail) == 0:
			b.WriteString(t.paint(chosen, text))
		case i == m.tab:
			b.WriteString(t.paint(strong, text))
		default:
			b.WriteString(t.paint(faint, text))
		}
	}
	var way []string
	for _, s := range m.trail {
		way = append(way, s.title(m))
	}
	if len(way) == 0 {
		if text := m.visible().title(m); text != "" {
			return cut(b.String()+"  "+t.paint(accent, text), w)
		}
		return cut(b.String(), w)
	}
	if text := strings.Join(way, " › "); width(b.String())+width(text)+4 <= w {
		return b.String() + " › " + t.paint(accent, text)
	}
	return cut(" "+t.paint(strong, Views[m.tab].Name)+" › "+t.paint(accent, strings.Join(way, " › ")), w)
}

// foot is the last rows: what is asked of the user, what is being done, or what the keys do.
func (m *model) foot(w int) ([]string, *tea.Cursor) {
	t := m.theme
	switch {
	case m.choice != nil:
		return []string{m.choice.draw(m, w)}, nil
	case m.prompt != nil:
		return m.prompt.draw(m, w)
	case m.notice != "" && m.grave:
		return m.told(bad, "✗ "+m.notice, w), nil
	case m.notice != "":
		return m.told(good, m.notice, w), nil
	}
	if doing := m.doing(); doing != "" {
		return []string{t.paint(warn, cut(" … "+doing, w))}, nil
	}
	return []string{m.hints(w)}, nil
}

// mostTold is the rows that a notice or mistake may take.
const mostTold = 3

// told is text in whole over some rows, as the reason of a failure often stands at its end. On a low screen it is one.
func (m *model) told(look tone, text string, w int) []string {
	rows := words(plainText(text), w-2)
	most := mostTold
	if m.h < 10 {
		most = 1
	}
	if len(rows) > most {
		rows = append(rows[:most-1], strings.Join(rows[most-1:], " "))
	}
	for i, row := range rows {
		rows[i] = m.theme.paint(look, cut(" "+row, w))
	}
	return rows
}

// hints is as many keys as fit, the screen's own first; the help always does.
func (m *model) hints(w int) string {
	const last = " ? help "
	var b strings.Builder
	used := len(last)
	for _, part := range m.bindings() {
		_, sifts := m.visible().(filterer)
		if part.name == "" || part.keys[0] == "?" || part.keys[0] == "/" && !sifts {
			continue
		}
		key := keyName(part.keys[0])
		n := width(key) + width(part.name) + 3
		if used+n > w {
			continue
		}
		used += n
		b.WriteString(" " + m.theme.paint(accent, key) + " " + m.theme.paint(faint, part.name) + " ")
	}
	return b.String() + " " + m.theme.paint(accent, "?") + " " + m.theme.paint(faint, "help")
}

// empty is a screen that has nothing to show, and why.
func (m *model) empty(w, h int, text string) []string {
	if mv, ok := m.visible().(mover); ok {
		mv.cursor().all = 0 // no place is said of rows that are gone
	}
	rows := []string{""}
	for _, r := range words(text, w-4) {
		rows = append(rows, m.theme.paint(faint, "  "+r))
	}
	return rows[:min(len(rows), max(h, 0))]
}
