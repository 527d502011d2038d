package tui

import (
	"context"
	"reflect"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// chart is what spans tell of who calls whom: more than msctl's own edges count, and of calls that do not
// go through msctl all there is.
type chart struct {
	told telemetry.Map
	err  string
	wait int // ticks until telemetry is asked again
}

// chartWindow is how far back the chart looks, and chartEvery how many seconds it holds.
const (
	chartWindow = 5 * time.Minute
	chartEvery  = 5
)

// askChart asks for the chart now and then, called each second by screens that draw it.
func (m *model) askChart() tea.Cmd {
	if m.chart.wait--; m.chart.wait > 0 {
		return nil
	}
	m.chart.wait = chartEvery
	return m.ask("map", "", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		now := time.Now()
		told, err := m.source.Map(ctx, now.Add(-chartWindow), now)
		return func(m *model) tea.Cmd {
			m.takeChart(told, err)
			return nil
		}
	})
}

func (m *model) takeChart(told telemetry.Map, err error) {
	c := &m.chart
	said := ""
	if err != nil {
		said, told = why(err), c.told
	}
	told.Since, told.Until = time.Time{}, time.Time{} // they move without anything to see
	if said != c.err || !reflect.DeepEqual(told, c.told) {
		c.told, c.err, m.dirty = told, said, true
	}
}

// edge is what spans tell of one edge, or false where they tell nothing.
func (c *chart) edge(from, to string) (telemetry.MapEdge, bool) {
	for _, e := range c.told.Edges {
		if e.From == from && e.To == to {
			return e, e.Seen
		}
	}
	return telemetry.MapEdge{}, false
}

// direct says why an edge does not go through msctl.
func direct(e state.Edge) string {
	if e.Direct == "" {
		return "direct"
	}
	return "direct: " + plainText(e.Direct)
}

// blind says what msctl cannot see of an edge that goes past it, and where its figures come from.
func (m *model) blind(e state.Edge) (what, figures string) {
	what = direct(e) + "; msctl does not stand between, so it counts and disturbs nothing there."
	if _, ok := m.chart.edge(e.From, e.To); ok {
		return what, "The figures are what " + plainText(e.From) + " itself told over OpenTelemetry in the last " + ago(chartWindow) + "."
	}
	return what, plainText(e.From) + " itself told of no call over OpenTelemetry in the last " + ago(chartWindow) + "."
}
