package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/services/kit/kittest"
)

// story is one way that an order may go, and the calls that it makes on it.
type story struct {
	name, item, card string
	cancel           bool // by the client, once it is confirmed or waits for its payment
	calls            string
	steps, reason    string
}

var stories = []story{
	{"bought", "mug", "tok_ok", false, "Reserve Capture Commit", "placed reserved paid confirmed", ""},
	{"ghost", "ghost", "tok_ok", false, "Reserve Release", "placed compensating rejected", "unknown_item"},
	{"poor", "mug", "tok_refused", false, "Reserve Capture Release",
		"placed reserved compensating rejected", "payment_refused: insufficient funds"},
	{"late", "mug", "tok_ok", false, "Reserve Capture Commit Refund Release",
		"placed reserved paid compensating refunded rejected", "stock_expired"},
	{"settled", "mug", "tok_pending", false, "Reserve Capture Commit", "placed reserved paying paid confirmed", ""},
	{"returned", "mug", "tok_ok", true, "Reserve Capture Commit Refund Release",
		"placed reserved paid confirmed compensating refunded cancelled", "cancelled"},
	{"dropped", "mug", "tok_pending", true, "Reserve Capture Refund Release",
		"placed reserved paying compensating refunded cancelled", "cancelled"},
}

// tell takes an order along its story, at one replica, as far as that answers. It may be told again.
func (s story) tell(w *world, id, base string) {
	w.shop.mu.Lock()
	w.shop.expire[id] = s.name == "late"
	w.shop.mu.Unlock()
	if !ana.insist(w.T, "POST", base+"/orders", wants(id, s.item, s.card)) {
		return
	}
	pending := s.card == "tok_pending"
	if pending && !came(w, base, id, Paying) {
		return
	}
	if pending && !s.cancel {
		w.shop.settle(id, true)
	}
	if !s.cancel || !pending && !came(w, base, id, Confirmed) {
		return
	}
	ana.insist(w.T, "POST", base+"/orders/"+id+"/cancel", nil)
	w.shop.settle(id, true) // too late: it is given back
}

// came waits for an order to come to a step, and reports false when the replica has died.
func came(w *world, base, id string, step Step) bool {
	status := 0
	kittest.Eventually(w.T, id+" "+string(step), func() bool {
		var data []byte
		status, _, data = admin.try(w.T, "GET", base+"/orders/"+id+"/events", nil)
		return status == 0 || strings.Contains(string(data), `"kind":"`+string(step)+`"`)
	})
	return status != 0
}

// ends checks that an order came to the end of its story, with money and stock where they belong.
func (s story) ends(w *world, id string) {
	w.Helper()
	o := w.ended(id)
	if got := w.steps(id); got != s.steps || o.Reason != s.reason {
		w.Errorf("%s went %s, %q; want %s, %q", id, got, o.Reason, s.steps, s.reason)
	}
}

// TestEveryStepMayFail lets each call of each story go wrong in each way: the story ends as it would
// have, and nothing is done twice or left half done.
func TestEveryStepMayFail(t *testing.T) {
	each(t, func(w *world) {
		w.env["SAGA_WAIT"] = "50ms"
		base := w.start().base
		var g errgroup.Group
		g.SetLimit(24)
		var told []func()
		for _, s := range stories {
			for _, call := range strings.Fields(s.calls) {
				for _, f := range mistakes {
					id := fmt.Sprintf("%s.%s.%s", s.name, call, f)
					w.shop.fail(id, call, f)
					g.Go(func() error { s.tell(w, id, base); return nil })
					told = append(told, func() { s.ends(w, id) })
				}
			}
		}
		_ = g.Wait() // a story reports by itself
		for _, ends := range told {
			ends()
		}
		w.shop.arrive()
		for _, ends := range told {
			ends()
		}
		w.shop.balanced(w.T)
		w.verified(int64(len(told)))
		w.shop.mu.Lock()
		defer w.shop.mu.Unlock()
		if len(w.shop.faults) != 0 {
			w.Errorf("these calls were never made: %v", w.shop.faults)
		}
	})
}

// TestKilledAnywhere kills a replica before and after each call of each story, all at once, with
// SIGKILL. Another one takes over when the leases are over, and brings every story to its end.
func TestKilledAnywhere(t *testing.T) {
	each(t, func(w *world) {
		v := w.victim(map[string]string{"SAGA_TIMEOUT": "1h", "SAGA_LEASE": "1h", "SAGA_WAIT": "100ms"})
		w.stop()
		var wg sync.WaitGroup
		told := map[string]story{}
		for _, s := range stories {
			for _, call := range strings.Fields(s.calls) {
				for _, f := range []fault{gateBefore, gateAfter} {
					id := fmt.Sprintf("%s.%s.%s", s.name, call, f)
					w.shop.fail(id, call, f)
					wg.Go(func() { s.tell(w, id, v.base) })
					told[id] = s
				}
			}
		}
		for range told {
			<-w.shop.gated
		}
		v.kill()
		wg.Wait()
		w.base = w.start().base
		w.leasesEnd()
		for id, s := range told {
			wg.Go(func() { s.tell(w, id, w.base) })
		}
		wg.Wait()
		for id, s := range told {
			s.ends(w, id)
		}
		w.shop.balanced(w.T)
		w.verified(int64(len(told)))
	})
}

// leasesEnd lets the time pass that the leases of dead replicas last.
func (w *world) leasesEnd() {
	w.Helper()
	if _, err := w.another().exec(w.Context(), `UPDATE sagas SET due = 0 WHERE owner <> ''`); err != nil {
		w.Fatal(err)
	}
}

// TestKilledOften kills one replica after the other while orders are placed, wherever they happen to
// be. Clients ask again when they get no answer: no order is lost, none is paid or told of twice.
func TestKilledOften(t *testing.T) {
	each(t, func(w *world) {
		heard := w.listen()
		told := map[string]story{}
		var wg sync.WaitGroup
		for round := range 3 {
			v := w.victim(nil)
			for i := range 14 {
				s := stories[i%len(stories)]
				id := fmt.Sprintf("o-%d-%d", round, i)
				told[id] = s
				wg.Go(func() {
					s.tell(w, id, v.base)
					s.tell(w, id, w.base)
				})
			}
			kittest.Eventually(w.T, "work", func() bool {
				w.shop.mu.Lock()
				defer w.shop.mu.Unlock()
				return len(w.shop.held) > 14*round+3*round+2
			})
			v.kill()
			w.leasesEnd()
		}
		wg.Wait()
		for id, s := range told {
			s.ends(w, id)
		}
		w.shop.balanced(w.T)
		w.verified(int64(len(told)))
		ids := map[string]string{} // order and key -> the message's id
		for last := false; !last; {
			m := <-heard
			var e OrderEvent
			if err := m.Decode(&e); err != nil {
				w.Fatal(err)
			}
			what := e.Order + " " + m.Key
			if id := ids[what]; id != "" && id != m.ID {
				w.Errorf("%s is told of twice", what)
			}
			ids[what] = m.ID
			last = len(ids) == events(told)
		}
	})
}

// events is how many messages the stories send.
func events(told map[string]story) (n int) {
	for _, s := range told {
		for step := range strings.FieldsSeq(s.steps) {
			if (Order{Step: Step(step)}).ended() || step == "placed" {
				n++
			}
		}
	}
	return n
}

// TestLeaseEnds kills a replica in the middle of an order: when the lease is over, and not before,
// another one takes it over.
func TestLeaseEnds(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t), nil)
	v := w.victim(map[string]string{"SAGA_TIMEOUT": "1h", "SAGA_LEASE": "1s"})
	w.shop.fail("o-1", "Capture", gateAfter)
	began := time.Now()
	go ana.try(t, "POST", v.base+"/orders", wants("o-1", "mug", "tok_ok"))
	<-w.shop.gated
	v.kill()
	if o := w.ended("o-1"); o.Status != "confirmed" || time.Since(began) < time.Second {
		t.Errorf("order is %+v after %v", o, time.Since(began))
	}
}

// TestManyDrivers gives leases that end at once, so that three replicas drive the same orders at the
// same time. Each step is written down once.
func TestManyDrivers(t *testing.T) {
	each(t, func(w *world) {
		heard := w.listen()
		w.env["SAGA_LEASE"], w.env["SAGA_TIMEOUT"] = "1ms", "500ms"
		bases := []string{w.start().base, w.start().base, w.start().base}
		var wg sync.WaitGroup
		told := map[string]story{}
		for i := range 21 {
			s := stories[i%len(stories)]
			id := fmt.Sprintf("o-%d", i)
			told[id] = s
			for _, call := range strings.Fields(s.calls) {
				w.shop.fail(id, call, omitted)
			}
			wg.Go(func() { s.tell(w, id, bases[i%3]) })
		}
		wg.Wait()
		for id, s := range told {
			s.ends(w, id)
		}
		w.shop.balanced(w.T)
		w.verified(int64(len(told)))
		seen := map[string]bool{}
		for range events(told) {
			var e OrderEvent
			m := <-heard
			if err := m.Decode(&e); err != nil || seen[e.Order+m.Key] {
				w.Errorf("%s of %s is told of twice, %v", m.Key, e.Order, err)
			}
			seen[e.Order+m.Key] = true
		}
	})
}
