package proxy

import (
	"fmt"
	"testing"
	"time"
)

// picks draws n targets and counts them by unit; each draw counts as a connection that stays.
func picks(e *Edge, n int) map[string]int {
	got := map[string]int{}
	for range n {
		t := e.pick(nil)
		t.busy.Add(1)
		got[t.unit]++
	}
	return got
}

// TestLessBusy checks that two draws keep replicas level.
func TestLessBusy(t *testing.T) {
	e := &Edge{}
	e.SetTargets(to("a", "b", "c", "d"))
	for unit, n := range picks(e, 400) {
		if n < 90 || n > 110 {
			t.Errorf("%s has %d of 400", unit, n)
		}
	}
}

// TestShares checks that weights hold exactly, also over a replacement of the targets.
func TestShares(t *testing.T) {
	e := &Edge{}
	list := []Target{{Unit: "a", Addr: "1", Weight: 90}, {Unit: "b", Addr: "2", Weight: 9}, {Unit: "c", Addr: "3"}}
	got := map[string]int{}
	for range 100 {
		e.SetTargets(list)
		for unit, n := range picks(e, 10) {
			got[unit] += n
		}
	}
	if want := (map[string]int{"a": 900, "b": 90, "c": 10}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestEjection checks that a target that fails is left out for a growing time, but never the last one.
func TestEjection(t *testing.T) {
	e := &Edge{}
	e.SetTargets(to("a", "b"))
	a, b := e.table.Load().live[0], e.table.Load().live[1]
	only := func(want *target) {
		t.Helper()
		for range 50 {
			if got := e.pick(nil); got != want {
				t.Fatalf("picked %s", got.unit)
			}
		}
	}
	for range maxFailures {
		a.fail(false)
	}
	only(b)
	first := a.until.Load() - time.Now().UnixNano()
	a.fail(true)
	if again := a.until.Load() - time.Now().UnixNano(); again < first+int64(firstOut)/2 {
		t.Errorf("out for %d, then for %d", first, again)
	}
	if s := e.Stats(time.Now()); !s.Targets[0].Ejected || s.Targets[1].Ejected {
		t.Errorf("got %+v", s.Targets)
	}
	b.fail(true)
	if e.pick(nil) == nil || e.pick([]*target{b}) != a || e.pick([]*target{a, b}) != nil {
		t.Error("the last ones are left out")
	}
	a.well()
	only(a)
	for range 20 {
		b.fail(true)
	}
	if out := time.Until(time.Unix(0, b.until.Load())); out > longestOut {
		t.Errorf("out for %v", out)
	}
	e.SetTargets(to("a"))
	e.SetTargets(to("a", "b")) // made anew
	if e.Stats(time.Now()).Targets[1].Ejected {
		t.Error("a new target is out")
	}
}

// TestIdleTime checks that a connection that has waited too long serves no request: its server may just be
// closing it.
func TestIdleTime(t *testing.T) {
	addr := backend(t, echo)
	for _, tc := range []struct {
		waited time.Duration
		good   bool
	}{{idleTime - time.Second, true}, {idleTime, false}} {
		var i idle
		w := newWire(dial(t, addr), 0)
		i.put(w, time.Now().Add(-tc.waited))
		if got := i.take(); (got == w) != tc.good {
			t.Errorf("after %v: taken %v, want %v", tc.waited, got == w, tc.good)
		}
	}
}
