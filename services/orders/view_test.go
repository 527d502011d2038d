package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

// happen appends an event that the test decides on.
func happen(ctx context.Context, s store, o Order, kind Step, b Body) (Order, error) {
	after := o
	err := s.db.Tx(ctx, func(tx *db.Tx) (err error) {
		after, err = s.append(ctx, tx, o, kind, b)
		return err
	})
	return after, err
}

// drawStep draws what happens next to an order.
func drawStep(t *rapid.T, o Order) (Step, Body) {
	kind := rapid.SampledFrom(follows[o.Step]).Draw(t, "step")
	switch kind {
	case Compensating:
		return kind, o.undo(rapid.SampledFrom([]Step{Rejected, Cancelled}).Draw(t, "ends"), rapid.String().Draw(t, "reason"))
	case Placed:
		b := Body{User: rapid.SampledFrom([]string{"ana", "bob"}).Draw(t, "user"), Currency: "EUR", Content: "c"}
		for i := range rapid.IntRange(1, 3).Draw(t, "lines") {
			b.Lines = append(b.Lines, Line{Item: fmt.Sprint("item-", i), Name: rapid.String().Draw(t, "name"),
				Quantity: rapid.Int64Range(1, 1000).Draw(t, "quantity"), Price: rapid.Int64Range(0, 1e9).Draw(t, "price")})
		}
		return kind, b
	}
	return kind, Body{}
}

// TestViewIsTheFold lets orders live at random, projected in batches of any size and rebuilt in
// between: what readers see is what the events fold to.
func TestViewIsTheFold(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		s := open(t, url)
		round := 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			orders := map[string]Order{}
			for range rapid.IntRange(1, 25).Draw(t, "length") {
				id := fmt.Sprintf("%04d.%d", round, rapid.IntRange(0, 4).Draw(t, "order"))
				o := orders[id]
				o.ID = id
				if len(follows[o.Step]) > 0 {
					kind, body := drawStep(t, o)
					var err error
					if orders[id], err = happen(context.Background(), s, o, kind, body); err != nil {
						t.Fatal(err)
					}
				}
				if rapid.IntRange(0, 5).Draw(t, "project") == 0 {
					if err := s.catchUp(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if rapid.IntRange(0, 20).Draw(t, "rebuild") == 0 {
				if _, err := s.rebuild(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.catchUp(context.Background()); err != nil {
				t.Fatal(err)
			}
			list, err := s.list(context.Background(), filter{after: fmt.Sprintf("%04d", round), limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]Order{}
			for _, n := range list {
				got[n.ID] = n.Order
			}
			if diff := cmp.Diff(orders, got); diff != "" {
				t.Fatal(diff)
			}
		})
		v, err := s.verify(t.Context())
		if err != nil || v.behind != 0 || len(v.differ) != 0 || v.orders < int64(round) {
			t.Errorf("verify after %d rounds: %+v, %v", round, v, err)
		}
	})
}

// TestVerifySeesDifferences spoils the read model in every way that there is.
func TestVerifySeesDifferences(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		s := open(t, url)
		for i := range verifyPage + 50 {
			if _, err := happen(t.Context(), s, Order{ID: fmt.Sprintf("o-%03d", i)}, Placed, Body{User: "ana"}); err != nil {
				t.Fatal(err)
			}
		}
		check := func(what string, want verdict) {
			t.Helper()
			got, err := s.verify(t.Context())
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(verdict{})); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", what, err, diff)
			}
		}
		const all = verifyPage + 50
		check("not projected", verdict{0, nil, all})
		if err := s.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("projected", verdict{all, nil, 0})
		last := fmt.Sprintf("o-%03d", all-1)
		for _, spoil := range []string{
			`UPDATE order_view SET body = REPLACE(body, '"placed"', '"paid"') WHERE order_id = 'o-001'`,
			`DELETE FROM order_view WHERE order_id = '` + last + `'`,
			`INSERT INTO order_view SELECT generation, 'ghost', user_id, status, body FROM order_view WHERE order_id = 'o-002'`,
		} {
			if _, err := s.exec(t.Context(), spoil); err != nil {
				t.Fatal(err)
			}
		}
		check("spoiled", verdict{all + 1, []string{"ghost", "o-001", last}, 0})
		if _, err := s.rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("rebuilt", verdict{all, nil, 0})
	})
}

// TestRebuildUnderWay rebuilds the read model, twice at once, while two replicas take orders. A
// reader never misses an order that it has seen, and never sees an older state of it.
func TestRebuildUnderWay(t *testing.T) {
	each(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		bases := []string{w.base, w.start().base}
		s := w.another()
		const old = projectBatch + 50
		for i := range old { // more than a rebuild sees at once
			if _, err := happen(ctx, s, Order{ID: fmt.Sprintf("old-%03d", i)}, Placed, Body{User: "ana"}); err != nil {
				w.Fatal(err)
			}
		}
		w.verified(old)
		var readers, writers, rebuilds sync.WaitGroup
		readers.Go(func() {
			seen := map[string]int64{}
			for tick := time.NewTicker(5 * time.Millisecond); ctx.Err() == nil; <-tick.C {
				list, err := s.list(w.Context(), filter{limit: 1000})
				if err != nil {
					w.Errorf("list: %v", err)
					return
				}
				now := map[string]int64{}
				for _, n := range list {
					now[n.ID] = n.Version
				}
				for id, version := range seen {
					if now[id] < version {
						w.Errorf("%s was seen at version %d, and now at %d", id, version, now[id])
						return
					}
				}
				seen = now
			}
		})
		for i := range 40 {
			writers.Go(func() {
				ana.insist(w.T, "POST", bases[i%2]+"/orders", wants(fmt.Sprintf("o-%02d", i), "mug", "tok_ok"))
			})
		}
		for range 2 {
			rebuilds.Go(func() {
				app := kittest.App(w.T, w.env)
				tick := time.NewTicker(100 * time.Millisecond) // for others to write
				for done := 0; done < 3 || ctx.Err() == nil; done++ {
					<-tick.C
					if err := rebuild(w.Context(), app); err != nil {
						w.Errorf("rebuild: %v", err)
					}
				}
			})
		}
		writers.Wait()
		w.verified(old + 40)
		cancel()
		rebuilds.Wait()
		readers.Wait()
		var generations int
		if err := s.db.QueryRow(`SELECT COUNT(DISTINCT generation) FROM order_view`).Scan(&generations); err != nil || generations != 1 {
			w.Errorf("%d generations are left, %v", generations, err)
		}
	})
}

// TestRebuildTask runs the service's program with the word rebuild: it mends the read model and ends.
func TestRebuildTask(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t), nil)
	w.place(wants("o-1", "mug", "tok_ok"))
	w.verified(1)
	if _, err := w.another().exec(t.Context(), `DELETE FROM order_view`); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"ORDERS_ARGS=rebuild", "ORDERS_DB_URL=" + w.env["ORDERS_DB_URL"]}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), `"events":4`) {
		t.Errorf("rebuild: %v\n%s", err, out)
	}
	w.verified(1)
}

// TestOlderRebuildGivesWay begins a rebuild and lets a later one be done first.
func TestOlderRebuildGivesWay(t *testing.T) {
	s := open(t, kittest.SQLite(t))
	if _, err := happen(t.Context(), s, Order{ID: "o-1"}, Placed, Body{User: "ana"}); err != nil {
		t.Fatal(err)
	}
	// The later one is generation 3; the earlier takes its number now, and comes to project later.
	if _, err := s.exec(t.Context(), `UPDATE projections SET generation = 3, position = 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.rebuild(t.Context()); err != errOvertaken {
		t.Errorf("got %v, want %v", err, errOvertaken)
	}
}

// TestTogether appends to one order from two sides that know the same version: one is told that it
// is stale, and its message does not leave either.
func TestTogether(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		s := open(t, url)
		o, err := happen(t.Context(), s, Order{ID: "o-1"}, Placed, Body{User: "ana"})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		results := make(chan error, 10)
		for range cap(results) {
			wg.Go(func() {
				_, err := happen(t.Context(), s, o, Reserved, Body{})
				results <- err
			})
		}
		wg.Wait()
		close(results)
		won := 0
		for err := range results {
			if err == nil {
				won++
			} else if err != errStale {
				t.Errorf("got %v, want %v", err, errStale)
			}
		}
		if again, err := s.order(t.Context(), s.db, "o-1"); won != 1 || err != nil || again.Version != 2 {
			t.Errorf("%d of 10 won, order is %+v, %v", won, again, err)
		}
		if _, err := s.place(t.Context(), "o-1", Body{User: "ana"}, "tok_ok", false); err != errStale {
			t.Errorf("place again: %v, want %v", err, errStale)
		}
		if n := outbox(t, s); n != 1 {
			t.Errorf("outbox holds %d messages, want 1", n)
		}
	})
}

func outbox(t *testing.T, s store) (n int) {
	t.Helper()
	if err := s.db.QueryRow(`SELECT COUNT(*) FROM outbox`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOutboxIsPartOfIt breaks the outbox: no event is stored without its message, and the order can
// be placed again once it is mended.
func TestOutboxIsPartOfIt(t *testing.T) {
	each(t, func(w *world) {
		heard := w.listen()
		s := w.another()
		rename := func(from, to string) {
			if _, err := s.exec(w.Context(), `ALTER TABLE `+from+` RENAME TO `+to); err != nil {
				w.Fatal(err)
			}
		}
		rename("outbox", "broken")
		if status, _ := ana.call(w.T, "POST", w.base+"/orders", wants("o-1", "mug", "tok_ok"), nil); status != 500 {
			w.Errorf("place: %d, want 500", status)
		}
		if status, _ := ana.call(w.T, "GET", w.base+"/orders/o-1", nil, nil); status != 404 {
			w.Errorf("get: %d, want 404", status)
		}
		rename("broken", "outbox")
		if status, _ := w.place(wants("o-1", "mug", "tok_ok")); status != 201 {
			w.Errorf("place again: %d", status)
		}
		for _, want := range []string{"order.placed", "order.confirmed"} {
			if m := <-heard; m.Key != want {
				w.Errorf("heard %s, want %s", m.Key, want)
			}
		}
	})
}

// TestFollowsEnds follows every way that an order may go: each comes to an end.
func TestFollowsEnds(t *testing.T) {
	ways := 0
	var walk func(o Order)
	walk = func(o Order) {
		if len(follows[o.Step]) == 0 || o.Step == Confirmed {
			if ways++; !o.ended() || o.status() != string(o.Step) {
				t.Errorf("%s is %s", o.Step, o.status())
			}
		}
		for _, kind := range follows[o.Step] {
			after, err := o.apply(Event{Order: "o", Seq: o.Version + 1, Kind: kind})
			if err != nil {
				t.Fatal(err)
			}
			walk(after)
		}
	}
	walk(Order{})
	if ways == 0 {
		t.Error("there is no way")
	}
	all := slices.Sorted(slices.Values([]Step{Placed, Reserved, Paying, Paid, Confirmed, Compensating, Refunded}))
	for _, step := range all {
		if _, err := (Order{Step: step, Version: 1}).apply(Event{Seq: 2, Kind: Placed}); err == nil {
			t.Errorf("placed can follow %s", step)
		}
	}
	if _, err := (Order{}).apply(Event{Seq: 2, Kind: Placed}); err == nil {
		t.Error("an order can begin with its second event")
	}
}
