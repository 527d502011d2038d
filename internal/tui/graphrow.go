package tui

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/state"
)

// linkColumns are the columns of the edges: the names as wide as they are, the rest for what is the matter.
func linkColumns(all []link, w int) []column {
	wide, remark := 12, 10
	for _, l := range all {
		wide, remark = max(wide, width(edgeName(l))), max(remark, width(linkRemark(l).text))
	}
	return []column{
		{title: "EDGE", width: min(wide, max(22, w/3))},
		{title: "PROTOCOL", width: 8, drop: 4},
		{title: "REQ/S", width: 6, right: true},
		{title: "ERR", width: 5, right: true},
		{title: "P95", width: 6, right: true, drop: 1},
		{title: "REQS", width: 6, right: true, drop: 3},
		{title: "FAILED", width: 6, right: true, drop: 5},
		{title: "OPEN", width: 4, right: true, drop: 6},
		{title: "FAULTS", width: min(remark, 22), flex: true, drop: 2},
	}
}

func edgeName(l link) string { return outside(l.from) + " → " + plainText(l.to) }

func (v *graph) draw(m *model, w, h int) []string {
	all := v.links(m)
	if len(all) == 0 {
		return m.empty(w, h, v.nothing(m))
	}
	for i, l := range all {
		if l.key() == v.key {
			v.at = i
			break
		}
	}
	v.at = clamp(v.at, 0, len(all)-1)
	v.key = all[v.at].key()
	var rows []string
	if h >= 12 {
		rows = m.layerRows(all, all[v.at], w)
		if room := max(h*2/5, 5); len(rows) > room {
			more := len(rows) - room + 1
			rows = append(rows[:room-1], m.theme.paint(faint, fmt.Sprintf(" … and %s more", plural(more, "row"))))
		}
		rows = append(rows, "")
	}
	cols := linkColumns(all, w)
	widths := layout(cols, w)
	if h > 3 {
		rows = append(rows, m.head(cols, widths))
	}
	from, to := v.set(len(all), h-len(rows))
	v.lead = len(rows)
	for i := from; i < to; i++ {
		rows = append(rows, m.row(cols, widths, linkCells(all[i]), i == v.at))
	}
	return rows
}

func (v *graph) nothing(m *model) string {
	switch {
	case v.filter != "":
		return "no edge matches " + v.filter + "; Esc drops the filter"
	case v.used:
		return "nothing was called yet; a shows every edge"
	case m.edges.err != "":
		return "edges cannot be read: " + m.edges.err
	case m.edges.have:
		return "no service calls another, as stack.yaml says it"
	}
	return ""
}

func linkCells(l link) []cell {
	errs, all := tone(plain), tone(plain)
	if l.failed > 0 {
		errs = bad
	}
	if l.errors > 0 {
		all = bad
	}
	return []cell{
		{edgeName(l), plain}, {plainText(l.protocol), faint}, {rate(l.rate), plain},
		{percent(l.failed, l.rate), errs}, {took(l.p95), plain}, {counted(l.requests), plain}, {counted(l.errors), all},
		{counted(l.open), plain}, linkRemark(l),
	}
}

// linkRemark is the faults that act on an edge, or what is to be known of it.
func linkRemark(l link) cell {
	if len(l.faults) > 0 {
		return cell{faultText(l.faults), warn}
	}
	return cell{l.note, faint}
}

// faultText is the faults that act on an edge, wherever it is drawn.
func faultText(faults []string) string { return "⚡ " + plainText(strings.Join(faults, ", ")) }

// layers sorts everything that edges touch: callers left of what they call. Cycles are broken where they
// close.
func layers(all []link) [][]string {
	depth := map[string]int{}
	var order []string
	for _, l := range all {
		for _, n := range []string{l.from, l.to} {
			if _, seen := depth[n]; !seen {
				depth[n] = 0
				order = append(order, n)
			}
		}
	}
	for range len(order) {
		moved := false
		for _, l := range all {
			if l.from != l.to && depth[l.to] <= depth[l.from] && depth[l.from]+1 < len(order) {
				depth[l.to] = depth[l.from] + 1
				moved = true
			}
		}
		if !moved {
			break
		}
	}
	out := [][]string{}
	used := map[int]int{} // depths without a node are left out
	for d := range len(order) + 1 {
		var names []string
		for _, n := range order {
			if depth[n] == d {
				names = append(names, n)
			}
		}
		if len(names) > 0 {
			used[d] = len(out)
			out = append(out, names)
		}
	}
	return out
}

// layerRows draws the layers as columns, with the ends of the chosen edge marked.
func (m *model) layerRows(all []link, here link, w int) []string {
	cols := layers(all)
	const gap = 3
	wide := make([]int, len(cols))
	tall, sum := 0, 1-gap
	for i, names := range cols {
		for _, n := range names {
			wide[i] = max(wide[i], width(outside(n))+3)
		}
		tall = max(tall, len(names))
		sum += wide[i] + gap
	}
	for ; sum > w; sum-- { // the widest column gives way
		i := slices.Index(wide, slices.Max(wide))
		if wide[i] <= 6 {
			break
		}
		wide[i]--
	}
	rows := make([]string, tall)
	for r := range rows {
		rows[r] = " "
		for i, names := range cols {
			text := ""
			if r < len(names) {
				text = m.nodeText(names[r], here, wide[i])
			}
			rows[r] += fit(text, wide[i])
			if i < len(cols)-1 {
				rows[r] += m.theme.paint(faint, arrow(r))
			}
		}
		rows[r] = cut(rows[r], w)
	}
	return rows
}

func arrow(row int) string {
	if row == 0 {
		return " ▶ "
	}
	return "   "
}

// nodeText is one service or resource of the map with its state.
func (m *model) nodeText(name string, here link, w int) string {
	sign, k := "◇", tone(faint)
	for _, u := range m.snap.Units {
		if u.Service == name || u.Name == name {
			sign, k = phaseSign(u.Phase), phaseTone(u.Phase)
			if u.Phase != state.Ready && u.Phase != state.Done {
				break
			}
		}
	}
	text := cut(outside(name), max(1, w-3))
	switch name {
	case here.from, here.to:
		return m.theme.paint(k, sign) + m.theme.paint(chosen, "["+text+"]")
	}
	return m.theme.paint(k, sign) + " " + text
}
