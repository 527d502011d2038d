package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
	ordersv1 "msctl.dev/msctl/services/proto/shop/orders/v1"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

// sound are books in which everything agrees: one order confirmed, one rejected.
func sound() *books {
	return &books{
		model: &ordersv1.VerifyResponse{Orders: 2},
		orders: map[string]*ordersv1.Order{
			"a": {Id: "a", Status: ordersv1.OrderStatus_ORDER_STATUS_CONFIRMED, Total: 500,
				Lines: []*ordersv1.OrderLine{{ItemId: "cup", Quantity: 2}}},
			"b": {Id: "b", Status: ordersv1.OrderStatus_ORDER_STATUS_REJECTED, Total: 700,
				Lines: []*ordersv1.OrderLine{{ItemId: "cup", Quantity: 3}}},
		},
		payments: map[string]*paymentsv1.Payment{
			"a": {OrderId: "a", Captured: 500}, "b": {OrderId: "b", Captured: 700, Refunded: 700},
		},
		bookings:      map[string]int64{"a": 500, "b": 0},
		levels:        []*inventoryv1.Level{{ItemId: "cup", Available: 8, Sold: 2, Received: 10}},
		notifications: []notification{{"1", "order-a-confirmed", "sent", "", nil}, {"2", "order-b-rejected", "failed", "no address", nil}},
		mails:         map[string]int{"<1@fleet>": 1},
	}
}

// TestInvariants breaks each invariant in turn, and nothing else.
func TestInvariants(t *testing.T) {
	for _, i := range sound().invariants() {
		if len(i.Broken) > 0 || i.Looked == 0 {
			t.Errorf("sound books: %s looked at %d: %v", i.Name, i.Looked, i.Broken)
		}
	}
	for what, c := range map[string]struct {
		breaks string
		how    func(*books)
	}{
		"money kept for a rejected order":   {"money", func(b *books) { b.payments["b"].Refunded = 0 }},
		"confirmed and not paid":            {"money", func(b *books) { delete(b.payments, "a") }},
		"bank and payments differ":          {"money", func(b *books) { b.bookings["b"] = 700 }},
		"money of no order":                 {"money", func(b *books) { b.payments["x"] = &paymentsv1.Payment{Captured: 1} }},
		"an item too few":                   {"stock", func(b *books) { b.levels[0].Available = 7 }},
		"sold, but not confirmed":           {"stock", func(b *books) { b.levels[0].Sold, b.levels[0].Available = 3, 7 }},
		"held for ever":                     {"stock", func(b *books) { b.levels[0].Reserved, b.levels[0].Available = 1, 7 }},
		"not told":                          {"confirmations", func(b *books) { b.notifications = b.notifications[1:] }},
		"told twice":                        {"confirmations", func(b *books) { b.notifications = append(b.notifications, b.notifications[0]) }},
		"one mail twice":                    {"confirmations", func(b *books) { b.mails["<1@fleet>"] = 2 }},
		"the read model lies":               {"read model", func(b *books) { b.model.Differ = []string{"a"} }},
		"the read model is behind":          {"read model", func(b *books) { b.model.Behind = 1 }},
		"a notification that never ended":   {"notifications", func(b *books) { b.notifications[0].Status = "queued" }},
		"a notification without a reason":   {"notifications", func(b *books) { b.notifications[1].Reason = "" }},
		"confirmed, told that it could not": {"confirmations", func(b *books) { b.notifications[0].Request = "order-b-confirmed" }},
	} {
		b := sound()
		c.how(b)
		for _, i := range b.invariants() {
			if broken := len(i.Broken) > 0; broken != (i.Name == c.breaks) {
				t.Errorf("%s: %s broken: %v", what, i.Name, i.Broken)
			}
		}
	}
}

// TestPendingIsNotAtRest holds the books open while an order is under way.
func TestPendingIsNotAtRest(t *testing.T) {
	b := sound()
	b.orders["b"].Status = ordersv1.OrderStatus_ORDER_STATUS_PENDING
	if held(b.invariants()) {
		t.Error("all holds with an order that is pending")
	}
}

// TestNobodyPushes leaves pushes queued where nobody sends them, and nothing else.
func TestNobodyPushes(t *testing.T) {
	b := sound()
	b.notifications[0] = notification{"1", "order-a-confirmed", "queued", "", []delivery{{"email", "sent"}, {"push", "queued"}}}
	if held(b.invariants()) {
		t.Error("a push is queued for ever, and all holds")
	}
	b.unserved = "push"
	if !held(b.invariants()) {
		t.Error("a push that nobody serves breaks an invariant")
	}
	b.notifications[0].Deliveries[0].Status = "queued"
	if held(b.invariants()) {
		t.Error("a mail is queued for ever, and all holds")
	}
}

// TestMix is the same orders for the same seed, of each kind about as often as it should be.
func TestMix(t *testing.T) {
	w, err := beginning()
	if err != nil {
		t.Fatal(err)
	}
	l := load{rate: 100, duration: 20 * time.Second, seed: 7}
	first, second := l.wishes(w), l.wishes(w)
	count := map[string]int{}
	for i, a := range first {
		b := second[i]
		if a.body.ID == b.body.ID || a.kind != b.kind || a.who != b.who || a.body.Card != b.body.Card || len(a.body.Lines) != len(b.body.Lines) {
			t.Fatalf("order %d: %+v, then %+v", i, a, b)
		}
		seen := map[string]bool{}
		for _, l := range a.body.Lines {
			if seen[l.Item] {
				t.Errorf("order %d has two lines of %s", i, l.Item)
			}
			seen[l.Item] = true
		}
		count[a.kind]++
	}
	for kind, want := range map[string]int{fine: 1600, tooMuch: 200, poor: 160, flaky: 40} {
		if got := count[kind]; got < want/2 || got > want*3/2 {
			t.Errorf("%d orders are %s, want about %d", got, kind, want)
		}
	}
}

// gateway is one that loses the first answer of each order after it has taken it, and settles what is
// pending when it is asked.
func gateway(t *testing.T) (url string, taken map[string]int) {
	var mu sync.Mutex // guards taken
	taken = map[string]int{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/token", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"access_token": "t"}`))
	})
	mux.HandleFunc("POST /v1/orders", func(w http.ResponseWriter, r *http.Request) {
		var o order
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil || r.Header.Get("Idempotency-Key") != o.ID {
			t.Errorf("got %v under key %q, %v", o, r.Header.Get("Idempotency-Key"), err)
		}
		mu.Lock()
		defer mu.Unlock()
		if taken[o.ID]++; taken[o.ID] == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
		if o.Card == "tok_refused" || o.Lines[0].Item == "moon-rock" {
			w.Write([]byte(`{"status": "rejected"}`))
			return
		}
		w.WriteHeader(http.StatusAccepted)
		w.Write([]byte(`{"status": "pending"}`))
	})
	mux.HandleFunc("GET /v1/orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"status": "confirmed"}`))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, taken
}

// TestOrderIsPlacedUntilItIsAnswered loses each first answer: every order is sent again under its id,
// and followed until it is settled.
func TestOrderIsPlacedUntilItIsAnswered(t *testing.T) {
	url, taken := gateway(t)
	var out strings.Builder
	l := load{rate: 100, duration: 300 * time.Millisecond, settle: time.Minute, unasked: true, out: &out}
	if err := l.run(t.Context(), kittest.App(t, map[string]string{"GATEWAY_URL": url})); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if len(taken) != 30 || !strings.Contains(out.String(), "30 accepted, 30 only after a retry") {
		t.Errorf("%d orders were taken:\n%s", len(taken), out.String())
	}
	for id, n := range taken {
		if n != 2 {
			t.Errorf("order %s was sent %d times, want 2", id, n)
		}
	}
}

// TestBankWithoutPages has a bank that does not know of pages and answers all it has, again and again: this
// is an error, not a loop.
func TestBankWithoutPages(t *testing.T) {
	calls, all := 0, make([]booking, page)
	for i := range all {
		all[i].Txn = int64(i + 1)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 10 {
			all = nil
		}
		kit.WriteJSON(w, http.StatusOK, map[string]any{"bookings": all})
	}))
	defer srv.Close()
	legacy, err := kittest.App(t, map[string]string{"LEGACY_URL": srv.URL}).Client("legacy")
	if err != nil {
		t.Fatal(err)
	}
	if err := (&auditor{legacy: legacy}).readBank(t.Context(), &books{bookings: map[string]int64{}}); err == nil || calls != 2 {
		t.Errorf("got %v after %d calls, want an error after 2", err, calls)
	}
}

// TestOldTokenIsRenewed has a token that is good once.
func TestOldTokenIsRenewed(t *testing.T) {
	var made, asked int
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/token", func(w http.ResponseWriter, r *http.Request) {
		made++
		fmt.Fprintf(w, `{"access_token": "t%d"}`, made)
	})
	mux.HandleFunc("GET /v1/users", func(w http.ResponseWriter, r *http.Request) {
		asked++
		if asked > 1 && r.Header.Get("Authorization") == "Bearer t1" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	gate, err := newAPI(kittest.App(t, map[string]string{"GATEWAY_URL": srv.URL}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := gate.patient(t.Context(), administrator, "GET", "/v1/users", nil, nil, 200); err != nil {
			t.Fatal(err)
		}
	}
	if made != 2 {
		t.Errorf("%d tokens were made, want 2", made)
	}
}

// TestSumNamesWhatWentWrong loses one order and ends another otherwise than it should.
func TestSumNamesWhatWentWrong(t *testing.T) {
	wishOf := func(id, kind string) wish { return wish{kind: kind, body: order{ID: id}} }
	r := sum([]placed{
		{wish: wishOf("a", fine), accepted: true, status: "confirmed", answered: time.Second},
		{wish: wishOf("b", fine), accepted: true, status: "pending"},
		{wish: wishOf("c", poor), accepted: true, status: "confirmed"},
		{wish: wishOf("d", fine), err: context.DeadlineExceeded},
	}, time.Second)
	if len(r.Lost) != 2 || len(r.Wrong) != 1 || !strings.HasPrefix(r.Wrong[0], "c: ") || r.Accepted != 3 || r.err() == nil {
		t.Errorf("got %+v", r)
	}
}

func TestUsage(t *testing.T) {
	for args, want := range map[string]int{
		"sell": exitUsage, "load --rate 0": exitUsage, "load --rate 1e9": exitUsage, "load --duration 2h": exitUsage,
		"load --rate 1 --duration 10ms": exitUsage, "check now": exitUsage, "load --nosuch": exitUsage,
		"help": exitHolds, "load --help": exitHolds, "check": exitFailed, "seed": exitFailed, "load": exitFailed,
	} {
		var out, errs strings.Builder
		if got := command(t.Context(), strings.Fields(args), kit.EnvMap(nil), &out, &errs); got != want {
			t.Errorf("shop %s: exit %d, want %d: %s", args, got, want, errs.String())
		}
		if want != exitHolds && errs.Len() == 0 {
			t.Errorf("shop %s: says nothing", args)
		}
	}
}
