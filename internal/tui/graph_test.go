package tui

import (
	"slices"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/state"
)

// TestMapCalledOnly leaves edges out over which nothing went, and says so; those with a fault stay.
func TestMapCalledOnly(t *testing.T) {
	f := shop()
	f.edges = append(f.edges, state.Edge{From: "gateway", To: "payments", Protocol: "http", Mesh: true})
	s := newStage(t, f, 100, 30)
	s.press("4")
	s.shows("gateway → payments")
	s.press("a")
	s.shows("only what was called; a shows all", "gateway → orders")
	if strings.Contains(s.screen(), "gateway → payments") {
		t.Errorf("an edge that nothing went over is listed:\n%s", s.screen())
	}
	s.press("a")
	s.shows("gateway → payments")
}

// TestMapFilter finds an edge by its name as every command writes it, and by its caller and callee.
func TestMapFilter(t *testing.T) {
	for filter, edges := range map[string]string{
		"orders:payments":       "orders → payments",
		"outside:gateway":       "(outside) → gateway",
		"orders:orders-db":      "orders → orders-db",
		"from=orders to=broker": "orders → broker",
		"fault=*":               "orders → payments",
	} {
		s := newStage(t, shop(), 100, 30)
		s.press("4", "/", "text:"+filter, "enter")
		s.shows("▌ " + edges)
		if strings.Count(s.screen(), " → ") != 1 {
			t.Errorf("%s finds more:\n%s", filter, s.screen())
		}
	}
}

// TestFaultsCount counts a fault once that acts on several edges, or on several ports of one callee, and those of units too.
func TestFaultsCount(t *testing.T) {
	f := shop()
	i := slices.IndexFunc(f.edges, func(e state.Edge) bool { return len(e.Faults) > 0 })
	other := f.edges[i]
	other.Listen = "another"
	f.edges = append(f.edges, other)
	f.edges[0].Faults = other.Faults
	s := newStage(t, f, 100, 30)
	s.shows("⚡ 1 fault ")
	f.faults = append(f.faults, state.Fault{ID: "pause-1", Target: "orders", Kind: "pause"})
	s.second()
	s.shows("⚡ 2 faults ")
	f.faults = nil
	s.second()
	if head, _, _ := strings.Cut(s.screen(), "\n"); strings.Contains(head, "⚡") {
		t.Errorf("a fault that was lifted is counted: %s", head)
	}
}

// TestFaultsAreWhole reads on the page of a unit all faults of an edge on a plain terminal: what has no room beside the
// edge's figures stands below, and drives no terminal.
func TestFaultsAreWhole(t *testing.T) {
	f := shop()
	i := slices.IndexFunc(f.edges, func(e state.Edge) bool { return len(e.Faults) > 0 })
	f.edges[i].Faults = append(f.edges[i].Faults, "duplicate", "\x1b[2Jbandwidth 100KB/s", "answer 503 after 4s")
	s := newStage(t, f, 80, 24)
	s.press("j", "j", "j", "enter")
	s.shows("360 failed\n      ⚡ latency 200ms ±20ms, duplicate, \\x1b[2Jbandwidth 100KB/s, answer 503\n      after 4s\n")
	s = newStage(t, f, 200, 50)
	s.press("j", "j", "j", "enter")
	s.shows("360 failed  ⚡ latency 200ms ±20ms, duplicate, \\x1b[2Jbandwidth 100KB/s, answer 503 after 4s\n")
}

// TestNoPlaceOfNothing checks that nothing is said of which rows are visible where a filter left none.
func TestNoPlaceOfNothing(t *testing.T) {
	f := shop()
	for len(f.edges) < 40 {
		f.edges = append(f.edges, f.edges[1])
	}
	s := newStage(t, f, 80, 24)
	s.press("4")
	s.shows(" of 4")
	s.press("/", "text:zz", "enter")
	if got := s.screen(); !strings.Contains(got, "no edge matches zz") || strings.Contains(got, " of 4") {
		t.Errorf("a place among no rows:\n%s", got)
	}
}
