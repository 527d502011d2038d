package main

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

func TestRestockIsTranslated(t *testing.T) {
	r := serve(t, depot(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/warehouse/mug":
			_, _ = io.WriteString(w, `{"WHEN":"24.12.2026","QTY":"12"}`)
		case "/warehouse/odd":
			_, _ = io.WriteString(w, `{"WHEN":"soon","QTY":"12"}`)
		default:
			http.NotFound(w, r)
		}
	}))
	for _, item := range []string{"mug", "odd", "tea"} {
		r.receive(t, "r-"+item, item, 10)
	}
	for item, want := range map[string][2]string{
		"mug": {`{"at":"2026-12-24T00:00:00Z","quantity":12}`, ""},
		"odd": {"null", "restock"},
		"tea": {"null", ""}, // nothing is on its way
	} {
		if got, degraded := r.restock(t, item); got != want[0] || degraded != want[1] {
			t.Errorf("%s: got %s %q, want %q", item, got, degraded, want)
		}
	}
}

// TestBulkhead lets the warehouse hang. It gets four calls and no more; who comes then is answered
// without it, and the rest of the service goes on.
func TestBulkhead(t *testing.T) {
	var inside, most atomic.Int64
	entered, leave := make(chan bool, 100), make(chan bool)
	r := serve(t, depot(t, func(w http.ResponseWriter, _ *http.Request) {
		if n := inside.Add(1); n > most.Load() {
			most.Store(n)
		}
		entered <- true
		<-leave
		inside.Add(-1)
		_, _ = io.WriteString(w, `{"WHEN":"24.12.2026","QTY":"12"}`)
	}))
	free := sync.OnceFunc(func() { close(leave) })
	defer free()
	r.receive(t, "r1", "mug", 10)
	ask := func(n int) (wait func() int) {
		var wg sync.WaitGroup
		var degraded atomic.Int64
		for range n {
			wg.Go(func() {
				if _, d := r.restock(t, "mug"); d != "" {
					degraded.Add(1)
				}
			})
		}
		return func() int { wg.Wait(); return int(degraded.Load()) }
	}
	first := ask(warehouseAtOnce)
	for range warehouseAtOnce {
		<-entered
	}
	if got := ask(20)(); got != 20 {
		t.Errorf("%d of 20 were degraded", got)
	}
	if l := r.level(t, "mug"); l.Available != 10 {
		t.Errorf("got %v", l)
	}
	free()
	if got := first(); got != 0 {
		t.Errorf("%d of the first were degraded", got)
	}
	if got := most.Load(); got != warehouseAtOnce {
		t.Errorf("the warehouse had %d calls at once, want %d", got, warehouseAtOnce)
	}
}

// TestSlowWarehouse waits for the warehouse no longer than it may.
func TestSlowWarehouse(t *testing.T) {
	leave := make(chan bool)
	env := depot(t, func(http.ResponseWriter, *http.Request) { <-leave })
	defer close(leave)
	env["WAREHOUSE_TIMEOUT"] = "50ms"
	r := serve(t, env)
	r.receive(t, "r1", "mug", 10)
	if got, degraded := r.restock(t, "mug"); got != "null" || degraded != "restock" {
		t.Errorf("got %s %q, want it degraded", got, degraded)
	}
}
