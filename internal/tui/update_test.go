package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/output"
)

// TestActions asks the source for what the keys of a service say, and shows how it went.
func TestActions(t *testing.T) {
	for _, c := range []struct {
		keys []string
		did  string
		says string
	}{
		{[]string{"r"}, "restart [gateway]", "restarted gateway"},
		{[]string{"s"}, "stop [gateway]", "stopped gateway"},
		{[]string{"j", "+"}, "scale orders 3", "orders has 3 replicas now"},
		{[]string{"j", "-"}, "scale orders 1", "orders has 1 replica now"},
		{[]string{"-"}, "", "at least one replica"},
		{[]string{"G", "+"}, "", "has no replicas"},
		{[]string{"j", "j", "j", "enter", "r"}, "restart [payments]", "restarted payments"},
		{[]string{"/", "text:skipped", "enter", "s"}, "start [grpc-web]", "started grpc-web"},
		{[]string{"o"}, "", "http://127.0.0.1:8080"},
		{[]string{":", "text:restart orders", "enter"}, "restart [orders]", "restarted orders"},
		{[]string{":", "text:scale orders 3", "enter"}, "scale orders 3", "3 replicas"},
		{[]string{":", "text:scale orders=4", "enter"}, "scale orders 4", "4 replicas"},
		{[]string{":", "text:res", "tab", "text: pay", "tab", "enter"}, "restart [payments]", "restarted payments"},
		{[]string{":", "text:restrat orders", "enter"}, "", "did you mean restart?"},
		{[]string{":", "text:restart ordres", "enter"}, "", "did you mean orders?"},
		{[]string{":", "text:map", "enter"}, "", "gateway → orders"},
		{[]string{":", "text:trace 4bf9", "enter"}, "", "POST /charge"},
		{[]string{":", "text:logs payments", "enter"}, "", "logs of payments"},
		{[]string{":", "text:filter name=push", "enter"}, "", "/name=push"},
		{[]string{":", "text:chaos add gateway:orders latency=300ms for=30s", "enter"}, "fault gateway:orders latency delay=300ms for 30s", "gateway:orders: latency=300ms, for 30s"},
		{[]string{":", "text:ch", "tab", "text: ad", "tab", "text: outs", "tab", "text: ref", "tab", "enter"}, "fault :gateway refuse for 0s", "outside:gateway: refuse, for 10m"},
		{[]string{":", "text:chaos add gateway:orders latency=1s for=25h", "enter"}, "fault gateway:orders latency delay=1s for 25h0m0s", "gateway:orders: latency=1s, for 25h"},
		{[]string{":", "text:chaos add orders:orders-db refuse", "enter"}, "fault orders:orders-db refuse for 0s", "orders:orders-db: refuse, for 10m"},
		{[]string{":", "text:chaos add ordres pause", "enter"}, "", `the fleet has no "ordres"; did you mean orders?`},
		{[]string{":", "text:chaos add orders pause", "enter"}, "fault orders pause for 0s", "orders: pause, for 10m"},
		{[]string{":", "text:chaos clear orders:payments", "enter"}, `clear "orders:payments"`, "lifting the faults of orders:payments: none acts"},
		{[]string{":", "text:chaos clear ordres", "enter"}, "", "did you mean orders?"},
		{[]string{":", "text:chaos clear", "enter"}, `clear ""`, "lifting all faults: none acts"},
		{[]string{":", "text:chaos list", "enter"}, "", "no faults act"},
		{[]string{":", "text:chaos", "enter"}, "", "chaos what: add, list, remove, clear"},
		{[]string{":", "text:chaos run chaos/experiments/saga.yaml", "enter"}, "", "chaos run is run in a terminal beside this one: msctl chaos run chaos/experiments/saga.yaml"},
		{[]string{":", "text:chaos explore", "enter"}, "", "chaos explore is run in a terminal beside this one: msctl chaos explore"},
		{[]string{":", "text:chaos rnu", "enter"}, "", "did you mean chaos run?"},
		{[]string{":", "text:trace diff 4bf9 1234", "enter"}, "", "trace diff is run in a terminal beside this one"},
		{[]string{":", "text:contract verify orders", "enter"}, "", "msctl contract verify orders; here, contracts"},
		{[]string{":", "text:help chaos", "enter"}, "", "msctl help chaos; here, ? lists keys and commands"},
		{[]string{":", "text:chaos lst", "enter"}, "", "did you mean chaos list?"},
		{[]string{":", "text:chaos add gateway:ordres refuse", "enter"}, "", "did you mean gateway:orders?"},
		{[]string{":", "text:chaos add gateway:orders latncy=3s", "enter"}, "", "did you mean latency?"},
		{[]string{":", "text:chaos add gateway:orders latency=3", "enter"}, "", "not a duration"},
		{[]string{"4", "j", "f", "enter"}, "fault gateway:orders latency delay=300ms for 0s", "gateway:orders: latency=300ms"},
		{[]string{"4", "j", "f", "ctrl+u", "text:latency=1s,jitter=soon", "enter"}, "", "not a duration"},
		{[]string{"4", "j", "f", "enter", "x"}, `fault gateway:orders latency delay=300ms for 0s; remove ["latency-1"]`, "latency-1 lifted"},
		{[]string{"4", "x"}, "", "lifting the faults of (outside) → gateway: none acts"},
		{[]string{"4", "G", "x"}, "", "no fault acts on push → api.example.com"},
		{[]string{"4", "G", "f"}, "", "push → api.example.com cannot be disturbed: only spans know it"},
	} {
		t.Run(strings.Join(c.keys, " "), func(t *testing.T) {
			f := calm()
			s := newStage(t, f, 100, 24)
			s.press(c.keys...)
			if got := strings.Join(f.did, "; "); got != c.did {
				t.Errorf("asked for %q, want %q", got, c.did)
			}
			s.shows(c.says)
		})
	}
}

// TestChaos lists the faults that act, draws them on their edges, and lifts the chosen one.
func TestChaos(t *testing.T) {
	s := newStage(t, calm(), 100, 24)
	s.press(":", "text:chaos add gateway:orders latency=300ms", "enter", "4")
	s.second()
	s.shows("⚡ latency delay=300ms", "⚡ 1 fault ")
	s.press(":", "text:chaos add gateway:push refuse for=1m", "enter", ":", "text:chaos list", "enter")
	s.second()
	s.shows("chaos", "latency-1", "gateway:orders", "refuse-2", "gateway:push", "⚡ 2 faults")
	s.press("j", "x")
	s.second()
	if got := s.screen(); strings.Contains(got, "gateway:push  ") {
		t.Errorf("the fault still acts:\n%s", got)
	}
	s.press("X")
	s.second()
	s.shows("no faults act; f here or on the map")
}

// TestPorts keeps edges to two ports of one callee apart.
func TestPorts(t *testing.T) {
	f := shop()
	f.edges[1].Listen = "http"
	second := f.edges[1]
	second.Listen, second.Protocol, second.Addr = "grpc", "grpc", "127.0.0.1:40999"
	f.edges = slices.Insert(f.edges, 2, second)
	s := newStage(t, f, 200, 50)
	s.press("4", "j", "j")
	s.shows("▌ gateway → orders       grpc", "address      127.0.0.1:40999")
	s.press("k")
	s.shows("▌ gateway → orders       http")
	s.press("j", "f", "enter")
	if got, want := strings.Join(f.did, ""), "fault gateway:orders/grpc latency delay=300ms for 0s"; got != want {
		t.Errorf("asked for %q, want %q", got, want)
	}
}

// TestLiftOnMap lifts what acts on the chosen edge whichever target it was put on, one port of two or several edges at
// once, at once after it was put, and leaves the faults of other edges alone.
func TestLiftOnMap(t *testing.T) {
	for _, c := range []struct{ target, lifted string }{
		{"gateway:orders/grpc", "latency-1 lifted"},
		{"gateway:orders", "latency-1 lifted"},
		{"gateway+push:orders", "latency-1 of gateway+push:orders lifted"},
		{"*:orders", "latency-1 of *:orders lifted"},
		{"gateway:orders/http", "none acts"},
		{"gateway:push", "none acts"},
	} {
		f := calm()
		f.edges[1].Listen = "http"
		second := f.edges[1]
		second.Listen, second.Protocol = "grpc", "grpc"
		f.edges = slices.Insert(f.edges, 2, second)
		s := newStage(t, f, 100, 24)
		s.press("4", ":", "text:chaos add "+c.target+" latency=1s", "enter", "j", "j", "x")
		s.shows("▌ gateway → orders       grpc", c.lifted)
		if lifted := len(f.faults) == 0; lifted != strings.HasSuffix(c.lifted, "lifted") {
			t.Errorf("%s: the faults that act are now %v", c.target, f.faults)
		}
	}
}

// TestLongTrouble shows in whole what went wrong, over more than one row, as the reason stands at the end; on a low
// screen one row stays one.
func TestLongTrouble(t *testing.T) {
	f := shop()
	f.err = errors.New("upset mail-smtp: it cannot be done here: a process has no network of its own; faults on its edges do the same")
	s := newStage(t, f, 80, 24)
	s.press(":", "text:chaos add orders disconnect", "enter")
	s.shows(" ✗ disturbing orders: upset mail-smtp: it cannot be done here: a process has no", "\n network of its own; faults on its edges do the same")
	low := newStage(t, f, 80, 8)
	low.press(":", "text:chaos add orders disconnect", "enter")
	low.shows(" ✗ disturbing orders: upset mail-smtp: it cannot be done here: a process has no…")
}

// refused is what a fleet says no with, and what to do about it.
type refused struct{ text, hint string }

func (r refused) Error() string  { return r.text }
func (r refused) Advice() string { return r.hint }

// TestHints shows with what the fleet refuses what to do about it, as the command line does: from the map, from the
// list of faults and from the palette.
func TestHints(t *testing.T) {
	no := refused{"put grpc-status on gateway:orders: it speaks http, and grpc-status works on grpc", "`msctl edges` lists what each speaks"}
	for _, c := range []struct {
		keys []string
		err  error
		rows []string
	}{
		{[]string{"4", "j", "f", "ctrl+u", "text:grpc-status=UNAVAILABLE", "enter"}, no,
			[]string{" ✗ disturbing gateway:orders: put grpc-status on gateway:orders: it speaks", " http, and grpc-status works on grpc; msctl edges lists what each speaks"}},
		{[]string{":", "text:chaos add gateway:orders grpc-status=UNAVAILABLE", "enter"}, no, []string{"; msctl edges lists what each speaks"}},
		{[]string{":", "text:start orders", "enter"}, fmt.Errorf("start: %w", refused{"orders needs orders-db, which is stopped", "`msctl start orders` starts it"}),
			[]string{" ✗ starting orders: start: orders needs orders-db, which is stopped; msctl", " start orders starts it"}},
		{[]string{":", "text:stop orders", "enter"}, refused{"it is busy", ""}, []string{" ✗ stopping orders: it is busy"}},
		{[]string{":", "text:chaos add gateway:orders latncy=3s", "enter"}, nil, []string{`read "latncy=3s": no such fault; did you mean latency?`}},
		{[]string{":", "text:chaos add gateway:orders wrong", "enter"}, nil, []string{`read "wrong": no such fault; msctl chaos kinds lists them`}},
	} {
		f := calm()
		f.no = c.err
		s := newStage(t, f, 80, 24)
		s.press(c.keys...)
		s.shows(c.rows...)
	}
}

// TestUnknownFault names the fault that was probably meant by an id that is not there.
func TestUnknownFault(t *testing.T) {
	s := newStage(t, calm(), 80, 24)
	s.press(":", "text:chaos add gateway:orders latency=300ms", "enter", ":", "text:chaos remove latncy-1", "enter")
	s.shows(`lift "latncy-1": no such fault`, "did you mean latency-1?")
}

// TestWholeFault shows below the table in whole the chosen fault that has no room in its row, and Enter lifts nothing.
func TestWholeFault(t *testing.T) {
	s := newStage(t, calm(), 80, 24)
	s.press(":", "text:chaos add gateway:push delay=1s match=/charge match.method=POST for=25h", "enter")
	s.press(":", "text:chaos add gateway:orders refuse", "enter", ":", "text:chaos list", "enter")
	s.shows("  25h  ", "  delay-1: gateway:push delay=1s match.method=POST match=/charge\n")
	s.press("enter", "j")
	s.shows("▌ refuse-2")
	if strings.Contains(s.screen(), "match=/") {
		t.Errorf("a fault that has room is shown twice:\n%s", s.screen())
	}
}

// TestLasting leaves out of a time what is nothing.
func TestLasting(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 500 * time.Millisecond: "500ms", 10 * time.Second: "10s", time.Minute: "1m", 70 * time.Second: "1m10s",
		10 * time.Minute: "10m", time.Hour: "1h", 25*time.Hour + 59*time.Second: "25h", 2*time.Hour + 5*time.Minute: "2h5m",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

// TestEscThenKey takes a key that comes right after Esc, which a terminal cannot tell from Alt with it, for
// both; in a prompt Alt still moves by words.
func TestEscThenKey(t *testing.T) {
	alt := func(code rune) tea.KeyPressMsg { return tea.KeyPressMsg{Code: code, Mod: tea.ModAlt} }
	s := newStage(t, shop(), 100, 24)
	s.press("j", "enter")
	s.shows("› orders")
	s.send(alt('j'))
	s.shows("▌ orders-2")
	s.press("/", "text:name=orders")
	s.send(alt('3'))
	s.shows("requests only")
	s.press("1", ":", "text:restart gateway")
	s.send(alt('b'))
	s.press("text:x")
	s.shows("restart xgateway")
	s.send(alt(tea.KeyEscape))
	s.shows("▌ orders-2")
	s.send(tea.KeyPressMsg{Code: 'g', ShiftedCode: 'G', Mod: tea.ModAlt | tea.ModShift})
	s.shows("▌ orders-db")
}

// TestRefused shows in words what the source refuses, and goes on.
func TestRefused(t *testing.T) {
	f := shop()
	s := newStage(t, f, 100, 24)
	f.err = errors.New("orders is \x1b[2Jbeing built")
	s.press("r")
	s.shows(`restarting gateway: orders is \x1b[2Jbeing built`)
	s.press("3")
	s.shows("traces cannot be read: orders is")
	s.press("4")
	s.second()
	s.press("1")
	f.err = nil
	s.press("r")
	s.shows("restarted gateway")
}

// TestWay follows the ways between views: in by Enter, out by Esc.
func TestWay(t *testing.T) {
	s := newStage(t, shop(), 120, 30)
	s.press("tab")
	s.shows("listening")
	s.press("g", "j", "t")
	s.shows("› trace 4bf92f35", "POST /charge")
	s.press("L")
	s.shows("trace 4bf92f35 › logs of it", "charge card: declined")
	s.press("enter")
	s.shows("order.id", "o-117")
	s.press("esc", "esc", "esc")
	s.shows("2 logs", "listening")
	if got, want := s.m.tab, 1; got != want {
		t.Errorf("back in tab %d, want %d", got, want)
	}
	s.press("4", "j", "enter")
	s.shows("edge=gateway:orders")
	s.press("5", "enter")
	s.shows("grpc-web", "skipped")
	s.press("esc", "esc", "esc", "1")
	s.shows("RATE")
}

// TestFilter filters at the end of typing, says what is wrong, and drops the filter by Esc.
func TestFilter(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	s.press("/", "text:service=ord", "tab")
	s.shows("service=orders")
	s.press("enter")
	if got := s.screen(); strings.Contains(got, "push") || !strings.Contains(got, "orders-2") {
		t.Errorf("the filter leaves this:\n%s", got)
	}
	s.press("/", "ctrl+u", "text:name~(", "enter")
	s.shows("column")
	s.press("esc")
	s.shows("/service=orders") // what was before
	s.press("esc")
	s.shows("push")
	s.press("/", "up", "enter")
	s.shows("/service=orders") // of the history
	s.press("esc", "t", "/", "text: status=error", "enter", "esc")
	s.shows("/service=orders · requests only") // what the list was opened with stays
	s.press("esc")
	s.shows("STATE")
	s.press("3", "/", "text:status=error", "enter")
	if got := s.screen(); strings.Contains(got, "GET /orders") {
		t.Errorf("the filter was not asked for:\n%s", got)
	}
	s.press("d", "esc")
	s.shows("longest first")
	if got := s.screen(); strings.Index(got, "240ms") > strings.Index(got, "61.0ms") {
		t.Errorf("not the longest first:\n%s", got)
	}
}

// TestLogsFollow stays at the newest line until the user looks at an older one, which then stays in place.
func TestLogsFollow(t *testing.T) {
	s := newStage(t, shop(), 80, 12)
	s.press("2")
	n := 0
	more := func() {
		n++
		for unit, lines := range flood(new(int), noon.Add(time.Duration(n)*time.Minute)) {
			s.m.feed.addLines(unit, lines[:3])
		}
		s.send(pulsed{})
	}
	more()
	s.shows("request 30")
	s.press("k", "k", "k", "k")
	v := s.m.visible().(*logs)
	chosen, at := v.chosen, v.at-v.top
	for range 50 {
		more()
	}
	s.screen()
	if v.chosen != chosen || v.at-v.top != at || v.rows[v.at] != chosen {
		t.Errorf("the chosen line moved from row %d to %d", at, v.at-v.top)
	}
	s.press("f")
	s.screen()
	if v.at != len(v.rows)-1 {
		t.Error("f does not go to the newest")
	}
	s.press("n", "text:panic", "enter")
	if !strings.Contains(string(v.chosen.text), "panic") {
		t.Errorf("the search chose %q", v.chosen.text)
	}
	s.press("e", "E")
	if !isError(v.chosen) {
		t.Errorf("E chose %q", v.chosen.text)
	}
}

// TestLogsLate shows old lines in their place also when they come after newer ones, as the histories of
// units do.
func TestLogsLate(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	s.press("2", "/", "text:order", "enter")
	for _, sec := range []int{40, 20, 30} {
		s.m.feed.addLines("push", []output.Line{{At: noon.Add(time.Duration(sec) * time.Second), Text: fmt.Appendf(nil, "order at %d", sec)}})
		s.send(pulsed{})
	}
	got := s.screen()
	if a, b, c := strings.Index(got, "order at 20"), strings.Index(got, "order at 30"), strings.Index(got, "order at 40"); a < 0 || a > b || b > c {
		t.Errorf("lines are lost or out of order:\n%s", got)
	}
}

// TestLogsServers leaves backing servers out until they are asked for.
func TestLogsServers(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	s.m.feed.addLines("nats", []output.Line{{At: noon, Text: []byte("Server is ready")}})
	s.send(pulsed{})
	s.press("2")
	if got := s.screen(); strings.Contains(got, "Server is ready") {
		t.Errorf("servers talk among the services:\n%s", got)
	}
	s.press("a")
	s.shows("Server is ready")
	s.press("a", ":", "text:logs nats", "enter")
	s.shows("Server is ready")
}

// TestLogsBounded keeps the last lines of a flood, in the order of time, and counts what came too fast.
func TestLogsBounded(t *testing.T) {
	s := newStage(t, shop(), 80, 24)
	n := 0
	for i := range 30 {
		for unit, lines := range flood(&n, noon.Add(time.Duration(i)*100*ms)) {
			s.m.feed.addLines(unit, lines)
		}
		s.send(pulsed{})
	}
	if got := len(s.m.book.lines); got != maxLines {
		t.Errorf("%d lines are kept, want %d", got, maxLines)
	}
	if !slices.IsSortedFunc(s.m.book.lines, func(a, b *line) int { return a.at.Compare(b.at) }) {
		t.Error("the lines are out of order")
	}
	for i := range 40 { // nobody fetches
		for unit, lines := range flood(&n, noon.Add(time.Duration(30+i)*100*ms)) {
			s.m.feed.addLines(unit, lines)
		}
	}
	if got := len(s.m.feed.news.lines); got > maxWaiting*3/2 {
		t.Errorf("%d lines wait, want at most %d", got, maxWaiting*3/2)
	}
	s.send(pulsed{})
	if s.m.book.lost == 0 {
		t.Error("nobody says that lines were lost")
	}
	s.press("2", "/", "text:request", "enter")
	if got := len(s.m.visible().(*logs).rows); got > maxLines {
		t.Errorf("the filter keeps %d lines", got)
	}
}

// TestLateAnswers drops what comes back after something newer was asked.
func TestLateAnswers(t *testing.T) {
	f := shop()
	s := newStage(t, f, 80, 24)
	s.press("3")
	old := s.m.ask("traces", "", nil)
	_ = old
	gen := s.m.gen
	s.m.ask("traces", "", nil)
	applied := false
	s.send(answered{"traces", gen, func(*model) tea.Cmd {
		applied = true
		return nil
	}})
	if applied {
		t.Error("a late answer was applied")
	}
}

// TestIdle draws nothing when nothing that is seen changed.
func TestIdle(t *testing.T) {
	s := newStage(t, shop(), 100, 30)
	for i := range Views {
		s.press(fmt.Sprint(i + 1))
		if i == 0 || i == 3 {
			s.f.edges = nil // nothing goes over edges, so that sparklines stand still
			s.second()
			for range maxHistory {
				s.second()
			}
		}
		s.m.View()
		s.second()
		s.second()
		s.second()
		s.m.feed.take(func(n *news) {
			n.snap.Seq++
			n.snap.Units = slices.Clone(n.snap.Units)
			n.snap.Units[0].Memory++ // too little to be seen
		})
		s.send(pulsed{})
		if s.m.dirty {
			t.Errorf("%s draws without need", Views[i].Name)
		}
	}
}

// TestQuit asks in `up` what becomes of the fleet, and leaves at once elsewhere.
func TestQuit(t *testing.T) {
	s := newStage(t, shop(), 80, 24)
	s.press("q")
	s.shows("(quit)")

	interrupts := 0
	up := func() *stage {
		s := newStage(t, shop(), 80, 24)
		interrupts = 0
		s.m.opts.Asks, s.m.opts.EndWithFleet, s.m.opts.Interrupt = true, true, func() { interrupts++ }
		return s
	}
	s = up()
	s.press("q")
	s.shows("[d] stays", "[s] stops", "[c] cancel")
	s.press("x", "c")
	s.shows("details")
	s.press("q", "d")
	if s.m.outcome != Detach || interrupts != 0 {
		t.Errorf("outcome %v after d, %d interrupts", s.m.outcome, interrupts)
	}
	s = up()
	s.press("q", "s")
	s.shows("going down")
	s.press("ctrl+c")
	if s.m.outcome != Down || interrupts != 2 {
		t.Errorf("outcome %v after s and Ctrl-C, %d interrupts", s.m.outcome, interrupts)
	}
	s = up()
	s.press("ctrl+c", "ctrl+c")
	if s.m.outcome != Interrupted || interrupts != 2 {
		t.Errorf("outcome %v after Ctrl-C twice, %d interrupts", s.m.outcome, interrupts)
	}
	s.m.feed.take(func(n *news) { n.ended = true })
	s.send(pulsed{})
	s.shows("(quit)", "the fleet went down")
}

// TestGone keeps the last state on the screen of `msctl dash` when the fleet went down.
func TestGone(t *testing.T) {
	s := newStage(t, shop(), 80, 24)
	s.m.feed.take(func(n *news) { n.ended = true })
	s.send(pulsed{})
	s.shows("the fleet went down", "payments")
}

// TestMouse scrolls, chooses rows and opens views.
func TestMouse(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	s.send(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
	v := s.m.visible().(*services)
	if v.at != 3 {
		t.Errorf("the wheel chose row %d, want 3", v.at)
	}
	s.send(tea.MouseClickMsg{X: 9, Y: 4, Button: tea.MouseLeft}) // below health, tabs and titles
	if v.at != 1 || v.name != "orders" {
		t.Errorf("the click chose row %d, %s", v.at, v.name)
	}
	s.send(tea.MouseClickMsg{X: 14, Y: 1, Button: tea.MouseLeft})
	if s.m.tab != 1 {
		t.Errorf("the click opened view %d, want 1", s.m.tab)
	}
}

// TestLight takes other colours where the terminal's ground is light.
func TestLight(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	before := s.m.View().Content
	s.send(tea.BackgroundColorMsg{Color: white{}})
	if s.m.theme != &light || s.m.View().Content == before {
		t.Error("a light ground changes nothing")
	}
}

type white struct{}

func (white) RGBA() (r, g, b, a uint32) { return 0xffff, 0xffff, 0xffff, 0xffff }

// TestTicker keeps the history of the edges a second apart in every view, and draws it only where it is seen.
func TestTicker(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	ticks := 0
	s.m.later = func(time.Duration, tea.Msg) tea.Cmd {
		ticks++
		return nil
	}
	kept := func() int { return len(s.m.edges.history["gateway"]) }
	before := kept()
	s.press("4", "1", "4", "2")
	if kept() != before || ticks != 0 {
		t.Errorf("changing views keeps %d seconds of edges and begins %d ticks", kept()-before, ticks)
	}
	s.second()
	if kept() != before+1 || ticks != 1 || s.m.dirty {
		t.Errorf("a second in the logs keeps %d, begins %d ticks, draws: %v", kept()-before, ticks, s.m.dirty)
	}
	s.f.edges[0].Requests += 1e6 // seen among the services only
	frame := s.m.frame.Content
	s.second()
	if s.m.frame.Content != frame {
		t.Error("the logs are drawn anew for edges that they do not show")
	}
	s.f.edges[0].Rate *= 3 // seen in the line about the fleet
	s.second()
	if s.m.frame.Content == frame {
		t.Error("the line about the fleet stands still")
	}
	s.m.gone, ticks = true, 0
	s.second()
	if ticks != 0 {
		t.Error("a fleet that went down is asked on")
	}
}
