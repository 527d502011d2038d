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

// TestFaultsCount counts a fault once that acts on several ports of one callee.
func TestFaultsCount(t *testing.T) {
	f := shop()
	i := slices.IndexFunc(f.edges, func(e state.Edge) bool { return len(e.Faults) > 0 })
	other := f.edges[i]
	other.Listen = "another"
	f.edges = append(f.edges, other)
	newStage(t, f, 100, 30).shows("⚡ 1 fault ")
}
