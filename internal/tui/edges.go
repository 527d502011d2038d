package tui

import (
	"context"
	"reflect"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
)

// traffic is what goes over the edges, as last asked, with the history that sparklines need.
type traffic struct {
	edges   []state.Edge
	err     string
	have    bool
	faults  int    // that act in the whole fleet; -1: it did not say, and the edges are all that is known
	tag     string // what is known stands for, where the source says so
	due     bool   // a second has passed that is not in the history yet: the next answer is, or what is known still holds
	byTo    map[string]load
	history map[string][]float64 // requests per second of each callee, oldest first
}

// load is the sum of all edges that lead to one service or resource.
type load struct {
	Requests, Errors int64
	Rate, Failed     float64
	P95              time.Duration // the slowest edge's
}

// maxHistory is how many seconds a sparkline can reach back.
const maxHistory = 120

// askEdges asks for the edges; the frame is drawn anew only where something changed that is seen: the
// line about the fleet is in every view, the edges themselves where a screen is drawn from them.
func (m *model) askEdges() tea.Cmd {
	if _, busy := m.asked["edges"]; busy {
		return nil
	}
	tag := m.edges.tag
	return m.ask("edges", "", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		edges, now, err := edgesAfter(ctx, m.source, tag)
		acting, lost := m.source.Faults(ctx)
		return func(m *model) tea.Cmd {
			before := m.health(m.w)
			if m.edges.faults = len(acting); lost != nil {
				m.edges.faults = -1
			}
			changed := false
			if err != nil || tag == "" || now != tag {
				m.edges.tag = now
				changed = m.edges.set(edges, err)
			}
			if _, drawn := m.visible().(edged); changed && drawn || m.health(m.w) != before {
				m.dirty = true
			}
			return nil
		}
	})
}

// patientSource is a source that tells of the edges when they change: it waits, and returns the same tag again where
// they do not.
type patientSource interface {
	EdgesAfter(ctx context.Context, tag string) (edges []state.Edge, now string, err error)
}

func edgesAfter(ctx context.Context, s Source, tag string) ([]state.Edge, string, error) {
	if p, ok := s.(patientSource); ok {
		return p.EdgesAfter(ctx, tag)
	}
	edges, err := s.Edges(ctx)
	return edges, "", err
}

// second notes that one has passed. Nothing was heard in the one before where what is known still holds.
func (t *traffic) second() (changed bool) {
	if t.due && t.have && t.err == "" {
		changed = t.remember()
	}
	t.due = true
	return changed
}

// set takes in an answer and reports whether anything that is drawn changed.
func (t *traffic) set(edges []state.Edge, err error) bool {
	if err != nil {
		said := why(err)
		changed := t.err != said
		t.err = said
		return changed
	}
	changed := !t.have || t.err != "" || !reflect.DeepEqual(edges, t.edges)
	t.edges, t.err, t.have = edges, "", true
	t.byTo = map[string]load{}
	for _, e := range edges {
		l := t.byTo[e.To]
		l.Requests, l.Errors = l.Requests+e.Requests, l.Errors+e.Errors
		l.Rate, l.Failed = l.Rate+e.Rate, l.Failed+e.Failed
		l.P95 = max(l.P95, e.P95)
		t.byTo[e.To] = l
	}
	if t.due {
		t.due = false
		changed = t.remember() || changed
	}
	return changed
}

// remember adds a second to the history and reports whether any sparkline looks different.
func (t *traffic) remember() bool {
	if t.history == nil {
		t.history = map[string][]float64{}
	}
	changed := false
	for to, l := range t.byTo {
		h := t.history[to]
		changed = changed || l.Rate > 0 || anyAbove(h)
		h = append(h, l.Rate)
		t.history[to] = h[max(0, len(h)-maxHistory):]
	}
	return changed
}

func anyAbove(values []float64) bool {
	for _, v := range values {
		if v > 0 {
			return true
		}
	}
	return false
}

// enters reports a service that is called from outside the stack.
func (t *traffic) enters(service string) bool {
	return slices.ContainsFunc(t.edges, func(e state.Edge) bool { return e.From == "" && e.To == service })
}

// total is the load on all services together, calls between them counted each.
func (t *traffic) total() load {
	var sum load
	for _, e := range t.edges {
		sum.Rate, sum.Failed = sum.Rate+e.Rate, sum.Failed+e.Failed
		sum.P95 = max(sum.P95, e.P95)
	}
	return sum
}

// sameFleet reports two snapshots that look the same: usage is compared as it is drawn.
func sameFleet(a, b state.Snapshot) bool {
	if a.Stack != b.Stack || a.Stopping != b.Stopping || len(a.Units) != len(b.Units) {
		return false
	}
	for i := range a.Units {
		x, y := a.Units[i], b.Units[i]
		if cores(x.CPU) != cores(y.CPU) || size(x.Memory) != size(y.Memory) {
			return false
		}
		x.CPU, x.Memory, y.CPU, y.Memory = 0, 0, 0, 0
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}
