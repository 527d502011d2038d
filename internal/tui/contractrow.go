package tui

import (
	"fmt"
	"slices"
	"strings"
)

// Widths of the matrix, with the gap before a column.
const (
	narrowContract = 4 // a sign and two digits
	wideContract   = 10
	leastConsumer  = 6
)

// grid is how the matrix stands in its room: a name for each row, and as many columns as there is room for.
type grid struct{ lead, wide, columns int }

// gridIn fits rows and columns into w columns of the screen: names of consumers are cut before columns are
// left out.
func (v *pacts) gridIn(w int) grid {
	g := grid{lead: leastConsumer}
	for _, name := range v.rows {
		g.lead = max(g.lead, width(name))
	}
	n := max(1, len(v.columns))
	room := w - gutter - 1
	g.lead = min(g.lead, max(leastConsumer, room-n*narrowContract))
	g.wide = clamp((room-g.lead)/n, narrowContract, wideContract)
	g.columns = clamp((room-g.lead)/g.wide, 1, n)
	return g
}

// matrix draws consumers by providers in h rows, with what the signs mean below.
func (v *pacts) matrix(m *model, w, h int) []string {
	g := v.gridIn(w)
	v.left = clamp(v.left, max(0, v.column-g.columns+1), v.column)
	v.left = clamp(v.left, 0, max(0, len(v.columns)-g.columns))
	shown := v.columns[v.left:min(len(v.columns), v.left+g.columns)]
	var rows []string
	if h > 1 {
		rows = append(rows, v.providers(m, g, shown))
	}
	legend := h > len(rows)+2
	room := h - len(rows)
	if legend {
		room--
	}
	from, to := v.set(len(v.rows), room)
	v.lead = len(rows)
	for i := from; i < to; i++ {
		rows = append(rows, v.consumer(m, g, i, len(shown)))
	}
	if legend {
		rows = append(rows, m.contractLegend(w, v.left > 0 || len(shown) < len(v.columns)))
	}
	return rows
}

// providers is the line of their names, as far as each has room.
func (v *pacts) providers(m *model, g grid, shown []string) string {
	row := strings.Repeat(" ", gutter+g.lead)
	for i, name := range shown {
		text := brief(name, g.wide-1)
		k := faint
		if v.left+i == v.column {
			k = strong
		}
		row += " " + m.theme.paint(k, text)
	}
	return strings.TrimRight(row, " ")
}

// brief makes a name exactly w columns wide, by its beginning.
func brief(name string, w int) string {
	if width(name) <= w || w > 6 {
		return fit(name, w)
	}
	for len(name) > 0 && width(name) > w {
		r := []rune(name)
		name = string(r[:len(r)-1])
	}
	return fit(name, w)
}

// consumer is one row: its name and the contract with each provider that is shown.
func (v *pacts) consumer(m *model, g grid, row, n int) string {
	name := fit(v.rows[row], g.lead)
	if row == v.at {
		name = m.theme.paint(strong, name)
	}
	out := mark(row == v.at) + name
	for column := v.left; column < v.left+n; column++ {
		out += m.contractCell(g, v, row, column)
	}
	return strings.TrimRight(out, " ")
}

// contractCell is a sign with how many interactions there are, behind an arrow where it is chosen.
func (m *model) contractCell(g grid, v *pacts, row, column int) string {
	text, k := "", faint
	if c, there := v.of(row, column); there {
		look := contractLooks[c.State()]
		text, k = look.sign, look.tone
		if n := len(c.Agreements); n > 0 {
			text += count(int64(n))
		}
	}
	text = fit(text, g.wide-1)
	if row == v.at && column == v.column {
		return "▸" + m.theme.paint(chosen, text)
	}
	return " " + m.theme.paint(k, text)
}

// contractLegend says what the signs mean.
func (m *model) contractLegend(w int, more bool) string {
	var parts []string
	for _, i := range []ContractState{ContractHolds, ContractPending, ContractUnknown, ContractBroken, ContractNone} {
		look := contractLooks[i]
		parts = append(parts, m.theme.paint(look.tone, look.sign)+" "+m.theme.paint(faint, look.word))
	}
	if more {
		parts = append([]string{m.theme.paint(faint, "h l: more providers")}, parts...)
	}
	return cut("  "+strings.Join(parts, "  "), w)
}

// contractRows is one contract, its interactions the worst first, in at most h rows.
func (m *model) contractRows(c Contract, w, h int) []string {
	look := contractLooks[c.State()]
	head := m.theme.paint(strong, c.edge()) + "  " + m.theme.paint(look.tone, look.sign+" "+look.word)
	if n := len(c.Agreements); n > 0 {
		head += m.theme.paint(faint, " · "+plural(n, "interaction"))
	}
	rows := []string{cut(head, w)}
	if c.Why != "" {
		rows = append(rows, words(c.Why, w)...)
	}
	worst := slices.Clone(c.Agreements)
	slices.SortStableFunc(worst, func(a, b Agreement) int { return int(b.State) - int(a.State) })
	for _, a := range worst {
		if len(rows) >= h {
			break
		}
		rows = append(rows, m.agreementRows(a, w)...)
	}
	return rows[:max(0, min(len(rows), h))]
}

// agreementRows is one interaction, with what was said about it.
func (m *model) agreementRows(a Agreement, w int) []string {
	look := contractLooks[a.State]
	lead := fmt.Sprintf("%s %-7s ", look.sign, fit(a.Kind, 7))
	var rows []string
	for i, part := range words(a.Title, max(10, w-width(lead))) {
		if i > 0 {
			lead = strings.Repeat(" ", width(lead))
		}
		rows = append(rows, m.theme.paint(look.tone, lead)+part)
	}
	for _, said := range a.Said {
		for i, part := range words(said, max(10, w-4)) {
			rows = append(rows, m.theme.paint(faint, []string{"  · ", "    "}[min(i, 1)])+part)
		}
	}
	return rows
}
