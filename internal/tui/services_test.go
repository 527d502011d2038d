package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// TestPort shows the port of an address that does not fit, and what keeps a unit from running.
func TestPort(t *testing.T) {
	s := newStage(t, shop(), 80, 24)
	s.shows("PORT", ":8080", "looping    3 next try at 12:00:04  exited with 2", "waits for payments")
	s.send(tea.WindowSizeMsg{Width: 120, Height: 24})
	s.shows("http://127.0.0.1:8080")
	if got := s.screen(); strings.Contains(got, "PORT") {
		t.Errorf("the port is shown beside the address:\n%s", got)
	}
}

// TestFleetPage shows where telemetry goes, and copies what is chosen.
func TestFleetPage(t *testing.T) {
	s := newStage(t, shop(), 80, 24)
	s.press("i")
	s.shows("› fleet", "/home/ana/shop", "http://127.0.0.1:4318", "127.0.0.1:4317", "/metrics")
	s.press("j", "j", "j", "j", "j", "y")
	s.shows("copied http://127.0.0.1:4318")
	s.press("o")
	s.shows("http://127.0.0.1:4318")
	s.press("G", "y")
	s.shows("copied postgres://127.0.0.1:5432/orders")
	s.press("esc", "y")
	s.shows("copied http://127.0.0.1:8080")
	s.m.snap.Receiver = nil
	s.press(":", "text:fleet", "enter")
	s.shows("telemetry: off")
}

// TestBlind says of a file what msctl does not see of it, and shows what its users tell.
func TestBlind(t *testing.T) {
	f := shop()
	f.edges = append(f.edges, state.Edge{From: "orders", To: "payments-db", Protocol: "sqlite", Direct: "a file"},
		state.Edge{From: "orders", To: "api.example.com", Protocol: "http", Direct: "mesh: off"})
	f.snap.Units = append(slices.Clone(f.snap.Units), state.Unit{Name: "payments-db", Service: "payments-db", Sort: state.Resource, Phase: state.Ready})
	s := newStage(t, f, 80, 40)
	s.shows("payments-db   ● ready      – direct: a file; Enter says more")
	s.press("G", "enter")
	s.shows("direct: a file; msctl does not stand between", "orders itself told of no call over", "last 5 minutes")
	f.told = append(f.told, telemetry.MapEdge{From: "orders", To: "payments-db", Seen: true, RED: telemetry.RED{Count: 33, Rate: 0.2, P95: 3 * ms}})
	for range chartEvery {
		s.second()
	}
	s.shows("orders         sqlite       33  0.2/s  p95 3.00ms", "The figures are what orders itself told")
	s.press("4")
	s.send(tea.WindowSizeMsg{Width: 200, Height: 50})
	s.press("G", "k", "k")
	s.shows("seen         direct: a file; msctl does not", "direct: mesh: off", "requests     33")
}

// TestBacking leads from a resource to its server's output, and from a server to what is asked of it.
func TestBacking(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	s.press("G", "l")
	s.shows("logs of postgres")
	s.press("esc", "enter")
	s.shows("orders-db", "ready       12:00:00")
	s.press("esc", "/", "text:name=postgres", "enter", "t")
	s.shows("traces of postgres")
	if got, want := s.m.visible().(*traces).wanted(), "edge~:postgres$ OR edge~:orders-db$"; got != want {
		t.Errorf("asks for %s, want %s", got, want)
	}
	s.press("esc", "esc")
	s.m.snap.Units = slices.Clone(s.m.snap.Units)
	s.m.snap.Units[1].URL, s.m.snap.Units[1].Started = "sqlite:///home/ana/shop/orders.db", time.Time{}
	s.press("G", "l")
	s.shows("orders-db is no process: nothing prints")
	s.press("enter")
	if got := s.screen(); strings.Contains(got, "after") {
		t.Errorf("a file took a while to start:\n%s", got)
	}
}

// TestUnitsComeAndGo keeps the chosen unit chosen.
func TestUnitsComeAndGo(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	s.press("j", "j", "j")
	v := s.m.visible().(*services)
	if v.name != "payments" {
		t.Fatalf("%s is chosen", v.name)
	}
	s.m.feed.take(func(n *news) {
		n.snap.Seq++
		n.snap.Units = slices.Insert(slices.Clone(n.snap.Units), 3, state.Unit{Name: "early", Service: "early", Sort: state.Service, Phase: state.Starting})
	})
	s.send(pulsed{})
	s.screen()
	if v.name != "payments" || v.at != 4 {
		t.Errorf("%s is chosen in row %d", v.name, v.at)
	}
}
