package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
	"msctl.dev/msctl/services/kit/rpc"
	ordersv1 "msctl.dev/msctl/services/proto/shop/orders/v1"
)

// TestOrderLives places an order, reads it in both versions and by its events, hears of it, and takes
// it back. Nobody else sees it, and nobody sees the card.
func TestOrderLives(t *testing.T) {
	each(t, func(w *world) {
		heard := w.listen()
		in := Request{ID: "o-1", Lines: []Wants{{"mug", 2}, {"pot", 1}}, Card: "tok_ok"}
		var o orderV1
		status, header := ana.call(w.T, "POST", w.base+"/orders", in, &o)
		want := orderV1{both: both{ID: "o-1", Status: "confirmed", Version: 4, PlacedAt: o.PlacedAt, UpdatedAt: o.UpdatedAt},
			User: "ana", UserName: "Ana", Total: 6499, Currency: "EUR",
			Lines: []Line{{"mug", "A mug", 2, 1250}, {"pot", "A pot", 1, 3999}}}
		if diff := cmp.Diff(want, o, cmp.AllowUnexported(orderV1{})); status != 201 || diff != "" {
			t.Fatalf("place: %d\n%s", status, diff)
		}
		if got := header.Get("Location"); got != "/orders/o-1" {
			t.Errorf("location is %q", got)
		}
		var second map[string]any
		as{"ana", "user", "2"}.call(w.T, "GET", w.base+"/orders/o-1", nil, &second)
		for _, gone := range []string{"user_id", "user_name", "currency"} {
			if _, there := second[gone]; there {
				t.Errorf("version 2 has %s: %v", gone, second)
			}
		}
		wantTotal, wantUser := map[string]any{"amount": 6499.0, "currency": "EUR"}, map[string]any{"id": "ana", "name": "Ana"}
		if diff := cmp.Diff([]any{wantTotal, wantUser, "confirmed"}, []any{second["total"], second["user"], second["step"]}); diff != "" {
			t.Error(diff)
		}
		if got := w.steps("o-1"); got != "placed reserved paid confirmed" {
			t.Errorf("events are %s", got)
		}
		if _, _, data := ana.try(w.T, "GET", w.base+"/orders/o-1/events", nil); strings.Contains(string(data), "tok_ok") || strings.Contains(string(data), "content") {
			t.Errorf("events show the card: %s", data)
		}
		for path, want := range map[string]int{"/orders/o-1": 404, "/orders/o-1/events": 404, "/orders/none": 404, "/orders?user=ana": 403} {
			if status, _ := bob.call(w.T, "GET", w.base+path, nil, nil); status != want {
				t.Errorf("%s as bob: %d, want %d", path, status, want)
			}
		}
		if status, _ := (as{}).call(w.T, "GET", w.base+"/orders/o-1", nil, nil); status != 401 {
			t.Errorf("as nobody: %d, want 401", status)
		}
		if status, _ := bob.call(w.T, "POST", w.base+"/orders/o-1/cancel", nil, nil); status != 404 {
			t.Errorf("cancel as bob: %d, want 404", status)
		}
		for range 2 {
			status, _ := ana.call(w.T, "POST", w.base+"/orders/o-1/cancel", nil, &o)
			if status != 200 || o.Status != "cancelled" || o.Reason != "cancelled" {
				t.Errorf("cancel: %d %+v", status, o)
			}
		}
		w.shop.audit(w.T, o)
		w.shop.balanced(w.T)
		for _, want := range []string{"placed pending", "confirmed confirmed", "cancelled cancelled"} {
			var e OrderEvent
			m := <-heard
			if err := m.Decode(&e); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimPrefix(m.Key, "order.") + " " + e.Status; got != want || e.UserName != "Ana" || e.Total.Amount != 6499 {
				t.Errorf("heard %s %+v, want %s", got, e, want)
			}
		}
		w.verified(1)
	})
}

// TestRejected follows orders that cannot be: each says why, and leaves neither money nor stock.
func TestRejected(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t), nil)
	w.shop.expire["late"] = true
	for _, c := range []struct{ id, item, card, reason, steps string }{
		{"poor", "mug", "tok_refused", "payment_refused: insufficient funds", "placed reserved compensating rejected"},
		{"ghost", "ghost", "tok_ok", "unknown_item", "placed compensating rejected"},
		{"late", "mug", "tok_ok", "stock_expired", "placed reserved paid compensating refunded rejected"},
		{"first", "lamp", "tok_ok", "", "placed reserved paid confirmed"},
		{"second", "lamp", "tok_ok", "out_of_stock", "placed compensating rejected"},
	} {
		status, o := w.place(wants(c.id, c.item, c.card))
		if status != 201 || o.Reason != c.reason || w.steps(c.id) != c.steps {
			t.Errorf("%s: %d %q after %s, want %q after %s", c.id, status, o.Reason, w.steps(c.id), c.reason, c.steps)
		}
		w.shop.audit(t, o)
	}
	if n := w.shop.called("second", "Capture") + w.shop.called("poor", "Refund"); n != 0 {
		t.Errorf("%d calls of payments that were not needed", n)
	}
	if status, _ := ana.call(t, "POST", w.base+"/orders/poor/cancel", nil, nil); status != 409 {
		t.Errorf("cancel what was rejected: %d, want 409", status)
	}
	w.shop.balanced(t)
}

// TestSameAgain places one order from twenty sides at once: there is one, paid once. Another order
// under its id is refused.
func TestSameAgain(t *testing.T) {
	each(t, func(w *world) {
		other := w.start().base
		var wg sync.WaitGroup
		var mu sync.Mutex // guards made
		made := 0
		for i := range 20 {
			base := []string{w.base, other}[i%2]
			wg.Go(func() {
				status, _ := ana.call(w.T, "POST", base+"/orders", wants("o-1", "mug", "tok_ok"), nil)
				mu.Lock()
				defer mu.Unlock()
				if status == http.StatusCreated {
					made++
				} else if status != http.StatusOK {
					w.Errorf("place: %d", status)
				}
			})
		}
		wg.Wait()
		if o := w.ended("o-1"); made != 1 || o.Version != 4 {
			w.Errorf("made %d times: %+v", made, o)
		}
		for name, r := range map[string]Request{"item": wants("o-1", "pot", "tok_ok"), "card": wants("o-1", "mug", "tok_other")} {
			if status, _ := ana.call(w.T, "POST", w.base+"/orders", r, nil); status != 409 {
				w.Errorf("another %s under the same id: %d, want 409", name, status)
			}
		}
		if status, _ := bob.call(w.T, "POST", w.base+"/orders", wants("o-1", "mug", "tok_ok"), nil); status != 409 {
			w.Errorf("another user under the same id: %d, want 409", status)
		}
		w.verified(1)
	})
}

// TestDatabaseCut cuts the connection to a Postgres in the middle of a statement: the client is told to try
// again, and is served when it does.
func TestDatabaseCut(t *testing.T) {
	need.Native(t, "postgres")
	server := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
	w := newWorld(t, kittest.LossySQL(t, server, selectEvents+` WHERE order_id = $1`, 1), nil)
	var p kit.Problem
	status, header := ana.call(t, "POST", w.base+"/orders", wants("o-1", "mug", "tok_ok"), &p)
	if status != 503 || p.Code != "unavailable" || header.Get("Retry-After") == "" ||
		header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("place: %d %+v %v, want a problem of 503 and Retry-After", status, p, header)
	}
	if status, _ := w.place(wants("o-1", "mug", "tok_ok")); status != 201 {
		t.Errorf("place again: %d, want 201", status)
	}
}

// TestPlacedAndNotAnswered has the database store an order, and its answer to the COMMIT is lost: the order is
// driven on at once, not when the lease of who placed it ends.
func TestPlacedAndNotAnswered(t *testing.T) {
	need.Native(t, "postgres")
	server := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
	w := newWorld(t, server, nil)
	s := open(t, kittest.LossySQL(t, server, "commit", 1)) // its lease is longer than the test waits
	body := Body{User: "ana", Currency: "EUR", Lines: []Line{{Item: "mug", Quantity: 1, Price: 100}}}
	if _, err := s.place(t.Context(), "o-1", body, "tok_ok", true); !kit.Away(err) {
		t.Errorf("place: %v, want that the database is away", err)
	}
	if o := w.ended("o-1"); o.Status != "confirmed" {
		t.Errorf("the order is %+v", o)
	}
}

// TestClaimedAndNotAnswered has the database give an order to a replica, and its answer is lost: it is due at once,
// for whoever comes next.
func TestClaimedAndNotAnswered(t *testing.T) {
	need.Native(t, "postgres")
	server := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
	sound := open(t, server)
	body := Body{User: "ana", Currency: "EUR", Lines: []Line{{Item: "mug", Quantity: 1, Price: 100}}}
	if _, err := sound.place(t.Context(), "o-claim", body, "tok_ok", false); err != nil {
		t.Fatal(err)
	}
	s := open(t, kittest.LossySQL(t, server, "commit", 1)) // of its claim
	if ws, err := s.claim(t.Context(), 9); len(ws) != 0 || !kit.Away(err) {
		t.Errorf("claim: %v, %v, want that the database is away", ws, err)
	}
	if ws, err := sound.claim(t.Context(), 9); len(ws) != 1 || err != nil {
		t.Errorf("claim: %v, %v, want the order", ws, err)
	}
}

// TestCatalogAway takes no order while nobody knows the prices, and stores nothing.
func TestCatalogAway(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t), nil)
	w.shop.mu.Lock()
	w.shop.noPrices = true
	w.shop.mu.Unlock()
	status, header := ana.call(t, "POST", w.base+"/orders", wants("o-1", "mug", "tok_ok"), nil)
	if status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("place: %d %v, want 503 and Retry-After", status, header)
	}
	var n int
	if err := w.another().db.QueryRow(`SELECT (SELECT COUNT(*) FROM events) + (SELECT COUNT(*) FROM sagas)`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows are stored, %v", n, err)
	}
	w.shop.mu.Lock()
	w.shop.noPrices = false
	w.shop.mu.Unlock()
	kittest.Eventually(t, "prices", func() bool {
		status, _ := ana.call(t, "POST", w.base+"/orders", Request{ID: "o-1", Card: "tok_ok",
			Lines: []Wants{{"mug", 1}, {"pot", 1}, {"lamp", 1}}}, nil)
		return status == 201
	})
	w.shop.mu.Lock()
	before := w.shop.calls["catalog"]
	w.shop.mu.Unlock()
	w.place(Request{ID: "o-2", Card: "tok_ok", Lines: []Wants{{"mug", 1}, {"pot", 1}}})
	w.shop.mu.Lock()
	defer w.shop.mu.Unlock()
	if n := w.shop.calls["catalog"] - before; n != 1 {
		t.Errorf("catalog was called %d times for one order", n)
	}
}

func TestInputIsRefused(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t), nil)
	many := strings.TrimSuffix(strings.Repeat(`{"item_id":"mug","quantity":1},`, 51), ",")
	for body, want := range map[string]struct {
		status int
		field  string
	}{
		`{"id":"a b","card":"tok_ok","lines":[{"item_id":"mug","quantity":1}]}`:                      {422, `"id"`},
		`{"card":"4111111111111111","lines":[{"item_id":"mug","quantity":1}]}`:                       {422, `"card"`},
		`{"card":"tok_ok","lines":[]}`:                                                               {422, `"lines"`},
		`{"card":"tok_ok","lines":[` + many + `]}`:                                                   {422, `"lines"`},
		`{"card":"tok_ok","lines":[{"item_id":"mug","quantity":1001}]}`:                              {422, `"lines[0].quantity"`},
		`{"card":"tok_ok","lines":[{"item_id":"mug","quantity":0}]}`:                                 {422, `"lines[0].quantity"`},
		`{"card":"tok_ok","lines":[{"item_id":"mug","quantity":1},{"item_id":"mug","quantity":1}]}`:  {422, `"lines[1].item_id"`},
		`{"card":"tok_ok","lines":[{"item_id":"mug","quantity":1},{"item_id":"moon","quantity":1}]}`: {422, `"lines[1].item_id"`},
		`{"card":"tok_ok","lines":[{"item_id":"yacht","quantity":2}]}`:                               {422, `"lines"`},
		`{"user_id":"bob","card":"tok_ok","lines":[{"item_id":"mug","quantity":1}]}`:                 {403, ""},
		`{"card":"tok_ok","coupon":"WELCOME10","lines":[{"item_id":"mug","quantity":1}]}`:            {400, ""},
	} {
		status, _, answer := ana.try(t, "POST", w.base+"/orders", json.RawMessage(body))
		if status != want.status || !strings.Contains(string(answer), want.field) {
			t.Errorf("%s: got %d %s, want %d that names %s", body, status, answer, want.status, want.field)
		}
	}
	for path, want := range map[string]int{"/orders?limit=0": 400, "/orders?status=lost": 400, "/orders?status=rejected": 200} {
		if status, _ := ana.call(t, "GET", w.base+path, nil, nil); status != want {
			t.Errorf("%s: got %d, want %d", path, status, want)
		}
	}
}

// TestList pages through the read model by user, status and id.
func TestList(t *testing.T) {
	each(t, func(w *world) {
		for i, who := range []as{ana, bob, ana, ana} {
			card := []string{"tok_ok", "tok_ok", "tok_refused", "tok_ok"}[i]
			who.call(w.T, "POST", w.base+"/orders", wants(fmt.Sprintf("o-%d", i), "mug", card), nil)
		}
		admin.call(w.T, "POST", w.base+"/orders", Request{ID: "o-4", User: "bob", Card: "tok_ok", Lines: []Wants{{"mug", 1}}}, nil)
		w.verified(5)
		for _, c := range []struct {
			who        as
			query, ids string
		}{
			{ana, "", "o-0 o-2 o-3"},
			{ana, "?status=confirmed", "o-0 o-3"},
			{ana, "?limit=1&after=o-0", "o-2"},
			{bob, "?user=bob", "o-1 o-4"},
			{admin, "", "o-0 o-1 o-2 o-3 o-4"},
			{admin, "?user=bob&status=rejected", ""},
		} {
			var out struct{ Orders []orderV1 }
			c.who.call(w.T, "GET", w.base+"/orders"+c.query, nil, &out)
			var ids []string
			for _, o := range out.Orders {
				ids = append(ids, o.ID)
				if want := map[string]string{"ana": "Ana"}[o.User]; o.UserName != want {
					w.Errorf("name of %s is %q, want %q", o.User, o.UserName, want)
				}
			}
			if got := strings.Join(ids, " "); got != c.ids {
				w.Errorf("%s%s: got %q, want %q", c.who.user, c.query, got, c.ids)
			}
		}
	})
}

// TestNames keeps the copy of a user's name current: the newest version wins, in whatever order the
// events come, and orders are taken while users is down.
func TestNames(t *testing.T) {
	each(t, func(w *world) {
		w.shop.fail("", "BatchGet", down)
		if status, o := w.place(wants("o-1", "mug", "tok_ok")); status != 201 || o.UserName != "" {
			w.Errorf("place while users is down: %d, name %q", status, o.UserName)
		}
		told := func(version int64) map[string]any {
			return map[string]any{"id": "ana", "name": fmt.Sprintf("Ana %d", version), "version": version}
		}
		w.publish(userUpdated, told(3))
		kittest.Eventually(w.T, "name", func() bool { return w.get("o-1").UserName == "Ana 3" })
		s := w.another()
		for _, old := range []int64{1, 2} {
			m, err := kit.NewEvent(w.Context(), userUpdated, told(old))
			if err == nil {
				err = s.userChanged(w.Context(), m)
			}
			if err != nil {
				w.Fatal(err)
			}
		}
		if name := w.get("o-1").UserName; name != "Ana 3" {
			w.Errorf("name is %q after old news", name)
		}
		calls := w.shop.called("", "BatchGet")
		w.place(wants("o-2", "mug", "tok_ok"))
		if n := w.shop.called("", "BatchGet"); n != calls {
			w.Errorf("users was asked for a name that is there")
		}
		if name := w.get("o-2").UserName; name != "Ana 3" {
			w.Errorf("name is %q", name)
		}
	})
}

// TestPendingIsAskedAgain leaves a payment pending: the client is told so, and once payments knows
// the order goes on, without any event.
func TestPendingIsAskedAgain(t *testing.T) {
	each(t, func(w *world) {
		w.env["SAGA_WAIT"] = "50ms"
		base := w.start().base
		for id, captured := range map[string]bool{"rich": true, "poor": false} {
			var o orderV1
			status, header := ana.call(w.T, "POST", base+"/orders", wants(id, "mug", "tok_pending"), &o)
			if status != 202 || o.Status != "pending" || header.Get("Location") != "/orders/"+id {
				w.Errorf("place %s: %d %+v", id, status, o)
			}
			came(w, base, id, Paying)
			w.shop.settle(id, captured)
		}
		if o := w.ended("rich"); o.Status != "confirmed" || w.steps("rich") != "placed reserved paying paid confirmed" {
			w.Errorf("rich is %+v after %s", o, w.steps("rich"))
		}
		if o := w.ended("poor"); o.Reason != "payment_refused: insufficient funds" {
			w.Errorf("poor is %+v", o)
		}
		w.shop.balanced(w.T)
	})
}

// TestPendingIsTold hears what became of payments while payments does not answer. An event that
// comes twice, or for an order that does not wait, changes nothing.
func TestPendingIsTold(t *testing.T) {
	each(t, func(w *world) {
		w.env["SAGA_WAIT"], w.env["SAGA_BACKOFF"] = "10ms", "1h"
		base := w.start().base
		for id, key := range map[string]string{"rich": paymentCaptured, "poor": paymentRefused} {
			ana.call(w.T, "POST", base+"/orders", wants(id, "mug", "tok_pending"), nil)
			kittest.Eventually(w.T, "pending payment", func() bool { return strings.HasSuffix(w.steps(id), "paying") })
			w.shop.settle(id, id == "rich")
			w.shop.fail("", "Capture", down)
			b := w.broker()
			m, err := kit.NewEvent(w.Context(), key, map[string]any{"order_id": id, "reason": "insufficient funds"})
			if err != nil {
				w.Fatal(err)
			}
			for range 2 {
				if err := b.Publish(w.Context(), m); err != nil {
					w.Fatal(err)
				}
			}
			w.publish(paymentRefunded, map[string]any{"order_id": "none"})
			w.ended(id)
			w.shop.heal("", "Capture")
			var noted int
			err = w.another().db.QueryRow(`SELECT COUNT(*) FROM inbox WHERE consumer = $1 AND id = $2`, eventQueue, m.ID).Scan(&noted)
			if err != nil || noted != 1 {
				w.Errorf("message is noted %d times, %v", noted, err)
			}
		}
		w.publish(paymentRefused, map[string]any{"order_id": "rich"})
		w.publish(userUpdated, map[string]any{"id": "last", "name": "Last", "version": 1})
		s := w.another()
		kittest.Eventually(w.T, "last event", func() bool {
			_, known, _ := name(w.Context(), s.db, "last")
			return known
		})
		if got := w.steps("rich"); got != "placed reserved paying paid confirmed" {
			w.Errorf("rich went %s", got)
		}
		if got := w.steps("poor"); got != "placed reserved paying compensating rejected" {
			w.Errorf("poor went %s", got)
		}
	})
}

// TestStopGivesBack stops a replica gently while an order waits for its payment: another one goes on
// at once, not only when the lease is over.
func TestStopGivesBack(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t), map[string]string{"SAGA_LEASE": "1h", "SAGA_WAIT": "30s", "SAGA_BACKOFF": "1s"})
	second := w.start()
	answer := make(chan int, 1)
	go func() {
		status, _, _ := ana.try(t, "POST", second.base+"/orders", wants("o-1", "mug", "tok_pending"))
		answer <- status
	}()
	kittest.Eventually(t, "a pending payment", func() bool {
		status, _, data := ana.try(t, "GET", w.base+"/orders/o-1", nil)
		var o orderV1
		return status == 200 && json.Unmarshal(data, &o) == nil && o.Version == 3
	})
	began := time.Now()
	second.stop()
	if status := <-answer; status != 202 {
		t.Errorf("the client got %d, want 202", status)
	}
	w.shop.settle("o-1", true)
	if o := w.ended("o-1"); o.Status != "confirmed" || time.Since(began) > time.Minute {
		t.Errorf("order is %+v after %v", o, time.Since(began))
	}
}

// TestGRPC reads orders as other services do.
func TestGRPC(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t), nil)
	r := w.start()
	c, err := rpc.Dial(kittest.App(t, map[string]string{"ORDERS_GRPC_ADDR": r.grpc}), "orders")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	orders := ordersv1.NewOrdersServiceClient(c)
	w.place(wants("o-1", "mug", "tok_ok"))
	w.place(wants("o-2", "ghost", "tok_ok"))
	w.verified(2)
	one, err := orders.Get(t.Context(), &ordersv1.GetRequest{Id: "o-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := &ordersv1.Order{Id: "o-1", UserId: "ana", UserName: "Ana", Status: ordersv1.OrderStatus_ORDER_STATUS_CONFIRMED,
		Step: "confirmed", Total: 1250, Currency: "EUR", Version: 4, PlacedAt: one.Order.PlacedAt, UpdatedAt: one.Order.UpdatedAt,
		Lines: []*ordersv1.OrderLine{{ItemId: "mug", Name: "A mug", Quantity: 1, Price: 1250}}}
	if !proto.Equal(want, one.Order) {
		t.Errorf("got %v, want %v", one.Order, want)
	}
	_, err = orders.Get(t.Context(), &ordersv1.GetRequest{Id: "none"})
	if reason, _ := rpc.Reason(err); status.Code(err) != codes.NotFound || reason != "UNKNOWN_ORDER" {
		t.Errorf("get what is not there: %v", err)
	}
	list, err := orders.List(t.Context(), &ordersv1.ListRequest{UserId: "ana", After: "o-1"})
	if err != nil || len(list.Orders) != 1 || list.Orders[0].Reason != "unknown_item" {
		t.Errorf("list: %v, %v", list, err)
	}
	if _, err := orders.List(t.Context(), &ordersv1.ListRequest{Limit: 1001}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("list too many: %v", err)
	}
	v, err := orders.Verify(t.Context(), &ordersv1.VerifyRequest{})
	if err != nil || v.Orders != 2 || v.Behind != 0 || len(v.Differ) != 0 {
		t.Errorf("verify: %v, %v", v, err)
	}
}

// TestGRPCWithoutDatabase tells a caller to try again, and nothing of what the database said.
func TestGRPCWithoutDatabase(t *testing.T) {
	s := newWorld(t, kittest.SQLite(t), nil).another()
	s.db.Close()
	srv := server{store: s}
	_, get := srv.Get(t.Context(), &ordersv1.GetRequest{Id: "o-1"})
	_, list := srv.List(t.Context(), &ordersv1.ListRequest{})
	_, verify := srv.Verify(t.Context(), &ordersv1.VerifyRequest{})
	for _, err := range []error{get, list, verify} {
		if status.Code(err) != codes.Unavailable || strings.Contains(err.Error(), "database") {
			t.Errorf("got %v", err)
		}
	}
}
