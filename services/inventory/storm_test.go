package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
	"msctl.dev/msctl/services/kit/rpc"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
)

// TestNoOversell lets 50 orders want the last 20 of one item and of another, at three replicas at
// once, naming them in either order: 20 get both, 30 are told that they are out of stock.
func TestNoOversell(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		rs := []replica{serve(t, env), serve(t, env), serve(t, env)}
		rs[0].receive(t, "r1", "mug", 20)
		rs[0].receive(t, "r2", "tea", 20)
		var wg sync.WaitGroup
		var got atomic.Int64
		for i := range 50 {
			wg.Go(func() {
				in := want(fmt.Sprintf("o%d", i), "mug", 1, "tea", 1)
				if i%2 == 0 {
					in.Lines[0], in.Lines[1] = in.Lines[1], in.Lines[0]
				}
				_, err := rs[i%3].Reserve(t.Context(), in)
				if reason, _ := rpc.Reason(err); err != nil && reason != "OUT_OF_STOCK" {
					t.Errorf("order %d: %v", i, err)
				}
				if err == nil {
					got.Add(1)
				}
			})
		}
		wg.Wait()
		if got.Load() != 20 {
			t.Errorf("%d orders got the last 20", got.Load())
		}
		for _, item := range []string{"mug", "tea"} {
			if got, want := rs[1].level(t, item), (Level{item, 0, 20, 0, 20, 21}); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
	})
}

const (
	stormItems  = 4
	stormOrders = 120
	stormCalls  = 150 // of each of the callers
)

// caller does random things to random orders at its replica.
type caller struct {
	replica
	store store
	rnd   *rand.Rand
}

// call does one thing, sometimes twice, to one of the few orders that all callers are at after so
// much of the storm. Refusals are fine, failures are not.
func (c caller) call(ctx context.Context, n int) error {
	const near = 5
	do := c.choose(fmt.Sprintf("o%d", n*(stormOrders-near)/stormCalls+c.rnd.IntN(near)))
	err := do(ctx)
	if c.rnd.IntN(3) == 0 && (err == nil || refusal(err)) {
		err = do(ctx)
	}
	if refusal(err) {
		return nil
	}
	return err
}

func refusal(err error) bool {
	return status.Code(err) == codes.FailedPrecondition || status.Code(err) == codes.AlreadyExists
}

func (c caller) choose(order string) func(context.Context) error {
	switch c.rnd.IntN(6) {
	case 0, 1:
		in := want(order)
		for i := range 1 + c.rnd.IntN(stormItems) {
			in.Lines = append(in.Lines, &inventoryv1.Line{ItemId: item(stormItems - 1 - i), Quantity: 1 + c.rnd.Int64N(3)})
		}
		return func(ctx context.Context) error { _, err := c.Reserve(ctx, in); return err }
	case 2:
		return func(ctx context.Context) error {
			_, err := c.Commit(ctx, &inventoryv1.CommitRequest{OrderId: order})
			return err
		}
	case 3:
		return func(ctx context.Context) error {
			_, err := c.Release(ctx, &inventoryv1.ReleaseRequest{OrderId: order})
			return err
		}
	case 4:
		in := &inventoryv1.ReceiveRequest{ReceiptId: fmt.Sprintf("r%d", c.rnd.IntN(stormOrders)), Quantity: 3}
		in.ItemId = item(int(in.ReceiptId[1]) % stormItems)
		return func(ctx context.Context) error { _, err := c.Receive(ctx, in); return err }
	default:
		late := time.Now().Add(2 * holdMost)
		return func(ctx context.Context) error {
			if _, err := c.store.expire(ctx, order, late); !noRows(err) {
				return err
			}
			return nil
		}
	}
}

func item(n int) string { return fmt.Sprintf("item-%d", n) }

// TestStorm reserves, commits, releases, expires and receives at random, from many sides of three
// replicas, many things twice. Afterwards every item adds up, by itself and with what the orders say.
func TestStorm(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		d, err := db.Open(t.Context(), kittest.App(t, env), "inventory-db", migrations)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		rs := []replica{serve(t, env), serve(t, env), serve(t, env)}
		for i := range stormItems {
			rs[0].receive(t, fmt.Sprintf("first-%d", i), item(i), 10)
		}
		var wg sync.WaitGroup
		for i := range 9 {
			c := caller{rs[i%3], store{d}, rand.New(rand.NewPCG(7, uint64(i)))}
			wg.Go(func() {
				for n := range stormCalls {
					if err := c.call(t.Context(), n); err != nil {
						t.Errorf("caller %d: %v", i, err)
						return
					}
				}
			})
		}
		wg.Wait()
		audit(t, d)
	})
}

// audit compares the levels with the receipts and reservations that they are made of.
func audit(t *testing.T, d *db.DB) {
	t.Helper()
	want := map[string]Level{}
	rows, err := d.Query(`SELECT item_id, quantity FROM receipts`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var l Line
		if err := rows.Scan(&l.Item, &l.Quantity); err != nil {
			t.Fatal(err)
		}
		sum := want[l.Item]
		sum.Received += l.Quantity
		want[l.Item] = sum
	}
	states := map[State]int{}
	for i := range stormOrders {
		r := Reservation{Order: fmt.Sprintf("o%d", i)}
		err := d.Tx(t.Context(), func(tx *db.Tx) error { r, err = take(t.Context(), tx, r.Order); return err })
		if err != nil && !noRows(err) {
			t.Fatal(err)
		}
		states[r.State]++
		for _, l := range r.Lines {
			sum := want[l.Item]
			switch r.State {
			case Held:
				sum.Reserved += l.Quantity
			case Sold:
				sum.Sold += l.Quantity
			}
			want[l.Item] = sum
		}
	}
	ls, err := store{d}.page(t.Context(), "", 100)
	if err != nil || len(ls) != stormItems {
		t.Fatalf("got %d items, %v", len(ls), err)
	}
	for _, l := range ls {
		w := want[l.Item]
		w.Item, w.Version, w.Available = l.Item, l.Version, w.Received-w.Reserved-w.Sold
		if l != w {
			t.Errorf("got %v, want %v by the orders", l, w)
		}
	}
	t.Logf("orders %v, levels %v", states, ls)
}
