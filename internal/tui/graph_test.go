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

// TestMapFilterMistakes names what no edge can ever match, and leaves the map as it is.
func TestMapFilterMistakes(t *testing.T) {
	for filter, said := range map[string]string{
		"rate>abc":              `rate is a number, and "abc" is none (write it like rate>10)`,
		"errors=many":           `errors is a number, and "many" is none (write it like errors=10)`,
		"rate>200ms":            "rate is a number",
		"p95>200":               `p95 is a duration, and "200" is none (write it like p95>200ms)`,
		"callee=payments":       "filter, column 1: no edge has callee (did you mean to=payments? It may say from, to, service, edge, name,",
		"protcol=http":          "did you mean protocol=http?",
		"rate>0 (a=b OR to=x)":  "filter, column 9: no edge has a (it may say from, to,",
		"ordres:payments":       "did you mean orders:payments?",
		"-http.route=/checkout": "no edge has http.route",
	} {
		s := newStage(t, shop(), 120, 30)
		s.press("4", "/", "text:"+filter, "enter")
		s.shows(said, "gateway → orders")
		s.press("esc", ":", "text:filter "+filter, "enter")
		s.shows(said, "gateway → orders")
	}
	for _, filter := range []string{"rate>=0", "duration<10m", "p95<2d", "errors!=5000", "service=orders", "payments:x OR gateway:orders", "p95=* gateway", "-fault=nothing", "service=gateway service=orders"} {
		s := newStage(t, shop(), 120, 30)
		s.press("4", "/", "text:"+filter, "enter")
		s.shows("gateway → orders")
		if s.m.prompt != nil {
			t.Errorf("%s is refused: %s", filter, s.m.prompt.mistake)
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
