package tui

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry/filter"
)

// faults is the view of what disturbs edges now, and until when.
type faults struct {
	list
	page page[state.Fault]
}

func (v *faults) title(*model) string { return "chaos" }
func (v *faults) cursor() *list       { return &v.list }

func (v *faults) tick(m *model) tea.Cmd {
	return m.ask("faults", "", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		all, err := m.source.Faults(ctx)
		return func(m *model) tea.Cmd {
			fresh := page[state.Fault]{rows: all, have: true}
			if err != nil {
				fresh.err = why(err)
			}
			timed := func(f state.Fault) bool { return !f.Until.IsZero() }
			if !reflect.DeepEqual(fresh, v.page) || slices.ContainsFunc(all, timed) {
				v.page, m.dirty = fresh, true
			}
			return nil
		}
	})
}

func (v *faults) keys(*model) []binding {
	return []binding{
		{[]string{"x"}, "lift", "lift the chosen fault", func(m *model) tea.Cmd {
			if v.at < 0 || v.at >= len(v.page.rows) {
				return nil
			}
			return m.remove(v.page.rows[v.at])
		}},
		{[]string{"f", "a"}, "add", "disturb a target: orders:payments latency=300ms,jitter=50ms for=30s", (*model).askFaultAnywhere},
		{[]string{"X"}, "lift all", "lift all faults", func(m *model) tea.Cmd { return m.lift("") }},
	}
}

var faultColumns = []column{
	{title: "ID", width: 14},
	{title: "TARGET", width: 22},
	{title: "FAULT", width: 20, flex: true},
	{title: "SHARE", width: 5},
	{title: "ENDS IN", width: 8},
	{title: "ACTED", width: 7, right: true},
}

// cells is one fault as the table shows it.
func faultCells(f state.Fault, now time.Time) []cell {
	share := "all"
	if f.Toxicity > 0 && f.Toxicity < 1 {
		share = strconv.FormatFloat(100*f.Toxicity, 'g', 3, 64) + "%"
	}
	f.Toxicity = 0
	left := lasting(max(0, f.Until.Sub(now)).Round(time.Second))
	return []cell{{plainText(f.ID), plain}, {plainText(state.EdgeTitle(f.Target)), plain}, {plainText(chaos.Title(f)), warn},
		{share, faint}, {left, faint}, {strconv.FormatInt(f.Acted, 10), faint}}
}

// lasting shows how long something lasts without what is nothing: 25h, 9m59s, and of more than an hour no seconds.
func lasting(d time.Duration) string {
	if d > time.Hour {
		d = d.Truncate(time.Minute)
	}
	text := d.String()
	for _, nothing := range []string{"m0s", "h0m"} {
		if whole, ok := strings.CutSuffix(text, nothing); ok {
			text = whole + nothing[:1]
		}
	}
	return text
}

// wholeFault is the chosen fault in the words of the command line, where its row has no room for it.
func (v *faults) wholeFault(widths []int, w, h int) []string {
	if v.at < 0 || v.at >= len(v.page.rows) || h < 6 {
		return nil
	}
	f := v.page.rows[v.at]
	for i, c := range faultCells(f, time.Now()) {
		if width(c.text) > widths[i] {
			id := f.ID
			f.ID, f.For = "", 0 // one stands ahead, and when it ends in the row
			rows := words(plainText(id+": "+chaos.Words(f)), w-4)
			rows = rows[:min(len(rows), 3)]
			for i := range rows {
				rows[i] = "  " + rows[i]
			}
			return rows
		}
	}
	return nil
}

func (v *faults) draw(m *model, w, h int) []string {
	switch {
	case v.page.err != "":
		return m.empty(w, h, "faults cannot be read: "+v.page.err)
	case !v.page.have:
		return nil
	case len(v.page.rows) == 0:
		return m.empty(w, h, "no faults act; f here or on the map, or `:chaos add orders:payments latency=300ms for=30s`, puts one on an edge")
	}
	widths := layout(faultColumns, w)
	rows := []string{m.head(faultColumns, widths)}
	whole := v.wholeFault(widths, w, h)
	from, to := v.set(len(v.page.rows), h-1-len(whole))
	v.lead = 1
	for i := from; i < to; i++ {
		rows = append(rows, m.row(faultColumns, widths, faultCells(v.page.rows[i], time.Now()), i == v.at))
	}
	rows = filled(rows, h-len(whole))
	for _, row := range whole {
		rows = append(rows, m.theme.paint(faint, row))
	}
	return rows
}

// askFault lets the user type a fault for an edge.
func (m *model) askFault(edge string) tea.Cmd {
	begin := "latency=300ms"
	if past := m.past["fault"]; len(past) > 0 {
		begin = past[len(past)-1]
	}
	return m.openPrompt(&prompt{
		kind: "fault", sign: "⚡ " + plainText(state.EdgeTitle(edge)),
		complete: func(text string, at int) (int, []string) {
			from := strings.LastIndexByte(text[:at], ' ') + 1
			return from, chaos.Complete(strings.Fields(text[:from]), text[from:at])
		},
		accept: func(m *model, text string) (tea.Cmd, error) {
			words, err := chaos.Fields(text)
			if err != nil {
				return nil, err
			}
			return m.disturb(edge, words)
		},
	}, begin)
}

// askFaultAnywhere lets the user type a target and a fault for it.
func (m *model) askFaultAnywhere() tea.Cmd {
	return m.openPrompt(&prompt{
		kind: "fault anywhere", sign: "⚡",
		complete: func(text string, at int) (int, []string) {
			from := strings.LastIndexByte(text[:at], ' ') + 1
			return from, beginning(m.chaosOptions(strings.Fields(text[:from]), text[from:at]), text[from:at])
		},
		accept: func(m *model, text string) (tea.Cmd, error) {
			words, err := chaos.Fields(text)
			if err != nil {
				return nil, err
			}
			return m.chaosAdd(words)
		},
	}, "")
}

// disturb puts faults on a target.
func (m *model) disturb(target string, words []string) (tea.Cmd, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("say which fault, such as latency=300ms,jitter=50ms for=30s or refuse")
	}
	faults, err := chaos.Parse(append([]string{target}, words...))
	if err != nil {
		return nil, err
	}
	title := state.EdgeTitle(target)
	var doing []string
	for _, f := range faults {
		doing = append(doing, chaos.Title(f))
	}
	until := ""
	switch f := faults[0]; {
	case f.For > 0:
		until = ", for " + lasting(f.For)
	case f.Lease == "":
		until = ", for " + lasting(state.FaultTime)
	}
	return m.change("disturbing "+title, title+": "+strings.Join(doing, " ")+until, nil, func(ctx context.Context) error {
		_, err := m.source.AddFaults(ctx, faults)
		return err
	}), nil
}

// remove lifts one fault.
func (m *model) remove(f state.Fault) tea.Cmd {
	return m.change("lifting "+plainText(f.ID), plainText(f.ID)+" is lifted", nil, func(ctx context.Context) error {
		_, err := m.source.RemoveFaults(ctx, []string{f.ID})
		return err
	})
}

// errNoFault says that there was nothing to lift.
var errNoFault = errors.New("none acts")

// lift lifts the faults that were put on a target, "" of all.
func (m *model) lift(target string) tea.Cmd {
	of, where := "all faults", ""
	if target != "" {
		where = " of " + plainText(state.EdgeTitle(target))
		of = "the faults" + where
	}
	return m.changeTold("lifting "+of, nil, func(ctx context.Context) (string, error) {
		n, err := m.source.ClearFaults(ctx, target)
		if err == nil && n == 0 {
			err = errNoFault
		}
		return plural(n, "fault") + where + " lifted", err
	})
}

// edgeTitles is every edge that can be disturbed, as it is written in commands.
func (m *model) edgeTitles() []string {
	var out []string
	for _, e := range m.edges.edges {
		if e.Mesh {
			out = append(out, state.EdgeTitle(e.Name()))
		}
	}
	return compact(out)
}

// knownTarget returns the name of a target that was typed, and refuses what there is not: an edge of the map, or for
// kinds that act on what runs a service, replica or resource.
func (m *model) knownTarget(typed string) (string, error) {
	name := state.EdgeName(typed)
	switch {
	case strings.ContainsAny(name, "+*"):
		return name, nil // several: the fleet knows
	case !strings.Contains(name, ":"):
		return name, m.knownUnit(name)
	}
	pair, _, _ := strings.Cut(name, "/")
	for _, e := range m.edges.edges {
		switch {
		case e.Name() != pair || pair != name && name != pair+"/"+e.Listen:
		case !e.Mesh:
			return "", fmt.Errorf("%s cannot be disturbed: %s", state.EdgeTitle(name), direct(e))
		default:
			return name, nil
		}
	}
	if near := filter.Nearest(typed, m.edgeTitles()); near != "" {
		return "", fmt.Errorf("unknown edge %q; did you mean %s?", typed, near)
	}
	return "", fmt.Errorf("unknown edge %q; an edge is CALLER:CALLEE, as the map shows them", typed)
}

// knownUnit refuses the name of what is not in the fleet.
func (m *model) knownUnit(typed string) error {
	known := m.names()
	if slices.Contains(known, typed) {
		return nil
	}
	if near := filter.Nearest(typed, known); near != "" {
		return fmt.Errorf("the fleet has no %q; did you mean %s?", typed, near)
	}
	return fmt.Errorf("the fleet has no %q; a target is an edge, CALLER:CALLEE, or what runs", typed)
}

func (m *model) chaosAdd(words []string) (tea.Cmd, error) {
	if len(words) < 2 {
		return nil, fmt.Errorf("which edge and which fault: chaos add orders:payments latency=300ms")
	}
	edge, err := m.knownTarget(words[0])
	if err != nil {
		return nil, err
	}
	return m.disturb(edge, words[1:])
}

func (m *model) chaosClear(words []string) (tea.Cmd, error) {
	if len(words) == 0 {
		return m.lift(""), nil
	}
	var cmds []tea.Cmd
	for _, w := range words {
		edge, err := m.knownTarget(w)
		if err != nil {
			return nil, err
		}
		cmds = append(cmds, m.lift(edge))
	}
	return tea.Batch(cmds...), nil
}

// chaosRemove lifts faults by their ids.
func (m *model) chaosRemove(ids []string) (tea.Cmd, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("which fault: chaos list shows their ids")
	}
	return m.change("lifting "+strings.Join(ids, ", "), strings.Join(ids, ", ")+" lifted", nil, func(ctx context.Context) error {
		_, err := m.source.RemoveFaults(ctx, ids)
		if errors.Is(err, state.ErrUnknownFault) {
			return m.strangeFault(ctx, ids, err)
		}
		return err
	}), nil
}

// strangeFault adds to the error about an id that is not there the nearest one that is.
func (m *model) strangeFault(ctx context.Context, ids []string, err error) error {
	all, lost := m.source.Faults(ctx)
	if lost != nil {
		return err
	}
	var known []string
	for _, f := range all {
		known = append(known, f.ID)
	}
	for _, id := range ids {
		if near := filter.Nearest(id, known); near != "" && near != id {
			return fmt.Errorf("%w; did you mean %s?", err, near)
		}
	}
	return err
}

// chaosOptions completes an edge, and behind it the words of a fault.
func (m *model) chaosOptions(given []string, begun string) []string {
	if len(given) == 0 {
		return m.edgeTitles()
	}
	return chaos.Complete(given[1:], begun)
}
