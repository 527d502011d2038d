package tui

import (
	"fmt"
	"net"
	"strings"

	"msctl.dev/msctl/internal/state"
)

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
	if why := m.unseen(u); why != "" && widths[remarkColumn] == 0 {
		return append(cells, cell{why, faint})
	}
	l := m.edges.byTo[u.Service]
	spiky := ""
	if h := m.edges.history[u.Service]; anyAbove(h) && u.Replica <= 1 {
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

// unseen says why there are no figures of a resource that is reached past msctl only, or "".
func (m *model) unseen(u state.Unit) string {
	text := ""
	for _, e := range m.edges.edges {
		if e.To != u.Service || u.Sort != state.Resource {
			continue
		}
		if e.Mesh {
			return ""
		}
		text = direct(e) + "; Enter says more"
	}
	return text
}

// portOf is ":8080" of a unit's address, or "".
func portOf(u state.Unit) string {
	_, port, err := net.SplitHostPort(hostOf(u))
	if err != nil {
		return ""
	}
	return plainText(":" + port)
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
