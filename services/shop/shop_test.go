package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// TestBankKnowsTriesOfAnOrder has a bank that booked an order under other references than its id: what it
// kept of the order is all of them.
func TestBankKnowsTriesOfAnOrder(t *testing.T) {
	for what, c := range map[string]struct {
		bookings map[string]int64
		holds    bool
	}{
		"only the second try arrived":            {map[string]int64{"a-2": 500}, true},
		"a part under each":                      {map[string]int64{"a": 200, "a-2-x": 300}, true},
		"booked twice":                           {map[string]int64{"a": 500, "a-2": 500}, false},
		"a try of what was rejected":             {map[string]int64{"a": 500, "b-2": 700}, false},
		"taken, and given back by another try":   {map[string]int64{"a": 500, "b": 700, "b-2": -700}, true},
		"a reference that only begins like this": {map[string]int64{"a2": 500}, false},
		"one that nobody ordered":                {map[string]int64{"a": 500, "c-2": 9}, true},
	} {
		b := sound()
		b.bookings = c.bookings
		if i := b.money(); (len(i.Broken) == 0) != c.holds {
			t.Errorf("%s: money is broken: %v", what, i.Broken)
		}
	}
}

// TestBankKnowsTheLongestOrder has orders whose ids begin with that of another and a dash: what was booked
// under such an id, or as a try of it, is no try of the other.
func TestBankKnowsTheLongestOrder(t *testing.T) {
	b := sound()
	b.orders["a-1"] = &ordersv1.Order{Id: "a-1", Status: ordersv1.OrderStatus_ORDER_STATUS_CONFIRMED, Total: 90}
	b.payments["a-1"] = &paymentsv1.Payment{OrderId: "a-1", Captured: 90}
	b.payments["b-1"] = &paymentsv1.Payment{OrderId: "b-1", Captured: 40, Refunded: 40} // orders does not know it
	for what, c := range map[string]struct {
		bookings map[string]int64
		broken   int
	}{
		"each under its id":            {map[string]int64{"a": 500, "a-1": 90}, 0},
		"each by a second try":         {map[string]int64{"a-2": 500, "a-1-2": 90}, 0},
		"the longer one booked twice":  {map[string]int64{"a": 500, "a-1": 90, "a-1-2": 90}, 1},
		"the shorter one booked twice": {map[string]int64{"a": 500, "a-10": 500, "a-1": 90}, 1},
		"one that only payments knows": {map[string]int64{"a": 500, "a-1": 90, "b-1-2": 40}, 0},
	} {
		b.bookings = c.bookings
		if i := b.money(); len(i.Broken) != c.broken {
			t.Errorf("%s: money is broken in %d: %v", what, c.broken, i.Broken)
		}
	}
}

// TestCheckSaysWhatItWaitsFor has money that comes to rest after a while: a check that waits says so, and
// one that need not wait is silent.
func TestCheckSaysWhatItWaitsFor(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration
		fail  error
		holds bool
		want  []string // beginnings of the lines
	}{
		"at once":    {holds: true},
		"in a blink": {after: 700 * time.Millisecond, holds: true},
		"soon":       {after: 4 * time.Second, holds: true, want: []string{"waiting for the invariants to hold (money), 1s of at most 30s"}},
		"never": {after: time.Hour, want: []string{
			"waiting for the invariants to hold (money), 1s of at most 30s", "waiting for the invariants to hold (money), 1", "waiting for the invariants to hold (money), 2",
		}},
		"unread": {after: 4 * time.Second, fail: errors.New("list orders: \x1b[2Jgone"), holds: true,
			want: []string{`waiting for the books ("list orders: \x1b[2Jgone"), 1s of at most 30s`}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var errs strings.Builder
				begun := time.Now()
				k := check{within: 30 * time.Second, errs: &errs}
				is, err := k.rest(t.Context(), func(context.Context) (*books, error) {
					b := sound()
					if time.Since(begun) < c.after {
						delete(b.bookings, "a")
						return b, c.fail
					}
					return b, nil
				})
				if err != nil || held(is) != c.holds {
					t.Errorf("holds: %v, %v", is, err)
				}
				lines := strings.Split(strings.TrimSuffix(errs.String(), "\n"), "\n")
				if errs.Len() == 0 {
					lines = nil
				}
				if !slices.EqualFunc(lines, c.want, strings.HasPrefix) {
					t.Errorf("got %q, want %q", lines, c.want)
				}
			})
		})
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
