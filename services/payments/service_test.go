package main

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/kittest"
	"msctl.dev/msctl/services/kit/rpc"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

// asService makes the test's own program the service.
const asService = "PAYMENTS_TEST_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(asService) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// world is the service with what is around it.
type world struct {
	t      *testing.T
	env    map[string]string
	base   string // of the first replica's HTTP server
	api    paymentsv1.PaymentsServiceClient
	bank   *fakeBank
	events chan kit.Message
}

// scenarios run on every database.
var scenarios = []struct {
	name string
	test func(t *testing.T, databaseURL string)
}{
	{"once", whole(payOnce)},
	{"cut after booking", whole(cutAfterBooking)},
	{"cut every time", whole(cutEveryTime)},
	{"bank down", whole(bankDown)},
	{"together", whole(together)},
	{"refund before capture", whole(refundBeforeCapture)},
	{"refund while pending", whole(refundWhilePending)},
	{"refund while bank down", whole(refundWhileBankDown)},
	{"crash", whole(crash)},
	{"list and errors", whole(listAndErrors)},
	{"facts meet", alone(factsMeet)},
	{"lease", alone(lease)},
}

// whole runs a test with the whole service, of one replica that is quick to try again.
func whole(test func(w *world)) func(*testing.T, string) {
	return func(t *testing.T, url string) { test(newWorld(t, url).begin(nil)) }
}

func TestSQLite(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) { s.test(t, kittest.SQLite(t)) })
	}
}

// TestPostgres gives each scenario a database of its own in one server.
func TestPostgres(t *testing.T) {
	need.Native(t, "initdb", "postgres")
	server := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
	d, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i, s := range scenarios {
		name := fmt.Sprint("scenario_", i)
		if _, err := d.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
		t.Run(s.name, func(t *testing.T) { s.test(t, strings.Replace(server, "/postgres?", "/"+name+"?", 1)) })
	}
}

// newWorld has a bank and a broker, but no replica yet.
func newWorld(t *testing.T, databaseURL string) *world {
	w := &world{t: t, bank: &fakeBank{}, events: make(chan kit.Message, 200)}
	w.env = map[string]string{"BROKER_URL": kittest.NATS(t), "PAYMENTS_DB_URL": databaseURL,
		"LEGACY_URL": w.bank.start(t), "PAYMENTS_BACKOFF": "5ms",
		"BANK_TIMEOUT": "2s"} // a machine with much else to do is no slow bank
	b, err := bus.Dial(t.Context(), kittest.App(t, w.env), "broker")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(bus.Consumer{Queue: "test.events", Events: []string{"payment.*"}, Workers: 1,
			Handle: func(_ context.Context, m kit.Message) error { w.events <- m; return nil }})(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done; b.Close() })
	return w
}

// begin starts the first replica, with more environment.
func (w *world) begin(more map[string]string) *world {
	w.base, w.api = w.replica(more)
	return w
}

// replica starts one more, and returns its two sides.
func (w *world) replica(more map[string]string) (string, paymentsv1.PaymentsServiceClient) {
	w.t.Helper()
	env := maps.Clone(w.env)
	maps.Copy(env, more)
	addr := make(chan string, 1)
	base := kittest.Start(w.t, func(ctx context.Context, app *kit.App) error {
		tell := app.Listening
		app.Listening = func(listener string, a net.Addr) {
			if listener == "grpc" {
				addr <- a.String()
			}
			tell(listener, a)
		}
		return run(ctx, app)
	}, env)
	return base, w.dial(<-addr)
}

func (w *world) dial(addr string) paymentsv1.PaymentsServiceClient {
	w.t.Helper()
	c, err := rpc.Dial(kittest.App(w.t, map[string]string{"PAYMENTS_GRPC_ADDR": addr}), "payments")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return paymentsv1.NewPaymentsServiceClient(c)
}

func (w *world) capture(order, card string) *paymentsv1.Payment {
	w.t.Helper()
	out, err := w.api.Capture(w.t.Context(), &paymentsv1.CaptureRequest{
		OrderId: order, Amount: 1999, Currency: "EUR", Card: card})
	if err != nil {
		w.t.Fatalf("capture %s: %v", order, err)
	}
	return out.GetPayment()
}

func (w *world) refund(order string) *paymentsv1.Payment {
	w.t.Helper()
	out, err := w.api.Refund(w.t.Context(), &paymentsv1.RefundRequest{OrderId: order})
	if err != nil {
		w.t.Fatalf("refund %s: %v", order, err)
	}
	return out.GetPayment()
}

// is checks a payment in the form "captured 1999-0 reason".
func (w *world) is(p *paymentsv1.Payment, want string) {
	w.t.Helper()
	if got := text(p); got != want {
		w.t.Errorf("payment of %s: got %q, want %q", p.GetOrderId(), got, want)
	}
}

func text(p *paymentsv1.Payment) string {
	st := strings.ToLower(strings.TrimPrefix(p.GetStatus().String(), "PAYMENT_STATUS_"))
	if p.GetRefundWanted() {
		st += " refund_wanted"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d-%d %s", st, p.GetCaptured(), p.GetRefunded(), p.GetReason()))
}

// until waits for an order's payment to be what is wanted.
func (w *world) until(order, want string) {
	w.t.Helper()
	kittest.Eventually(w.t, order+" to be "+want, func() bool {
		out, err := w.api.Get(w.t.Context(), &paymentsv1.GetRequest{OrderId: order})
		return err == nil && text(out.GetPayment()) == want
	})
}

// hears checks the next events, in the form "payment.captured o-1 1999-0".
func (w *world) hears(want ...string) {
	w.t.Helper()
	for _, line := range want {
		kittest.Eventually(w.t, line, func() bool { return len(w.events) > 0 })
		m := <-w.events
		var p Payment
		if err := m.Decode(&p); err != nil {
			w.t.Fatal(err)
		}
		if got := fmt.Sprintf("%s %s %d-%d", m.Key, p.Order, p.Captured, p.Refunded); got != line {
			w.t.Errorf("got event %q, want %q", got, line)
		}
	}
}

func (w *world) booked(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.bank.ledger()); diff != "" {
		w.t.Errorf("bookings: %s", diff)
	}
}

const (
	captured = "captured 1999-0"
	refunded = "refunded 1999-1999"
	late     = "refused 0-0 " + tooLate
)

// payOnce captures and gives back, once each however often it is asked, and tells of both.
func payOnce(w *world) {
	for range 2 {
		w.is(w.capture("o-1", "tok_ok"), captured)
	}
	for range 2 {
		w.is(w.refund("o-1"), refunded)
	}
	w.is(w.capture("o-1", "tok_ok"), refunded)
	w.booked("SALE o-1 1999", "REFUND o-1 1999")
	w.hears("payment.captured o-1 1999-0", "payment.refunded o-1 1999-1999")
}

// cutAfterBooking loses the answer to a sale that is booked: it is captured, once.
func cutAfterBooking(w *world) {
	var once sync.Once
	w.bank.fail(nil, func(string) (answer string, stop bool) {
		once.Do(func() { stop = true })
		return "", stop
	})
	w.is(w.capture("o-1", "tok_flaky"), captured)
	w.booked("SALE o-1 1999")
}

// bankDown answers pending while nobody knows, and finds out when the bank is back.
func bankDown(w *world) {
	w.bank.fail(hangUp, nil)
	w.is(w.capture("o-1", "tok_ok"), "pending 0-0")
	w.is(w.capture("o-1", "tok_ok"), "pending 0-0")
	w.bank.fail(nil, nil)
	w.until("o-1", captured)
	w.booked("SALE o-1 1999")
	w.hears("payment.captured o-1 1999-0")
}

// cutEveryTime books a sale and never says so; the inquiry finds it.
func cutEveryTime(w *world) {
	t := w.t
	w.bank.fail(nil, func(line string) (string, bool) { return "", strings.HasPrefix(line, "OP=SALE") })
	w.is(w.capture("o-1", "tok_ok"), "pending 0-0")
	w.until("o-1", captured)
	w.booked("SALE o-1 1999")
	if n := w.bank.calls("OP=SALE"); n > 3 {
		t.Errorf("the bank was asked for the sale %d times, want the 3 of the first call", n)
	}
}

// TestCircuitOpens stops asking a bank that is down: later captures are pending at once.
func TestCircuitOpens(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t)).begin(map[string]string{"PAYMENTS_BACKOFF": "1h"})
	w.bank.fail(hangUp, nil)
	for i := range 40 {
		w.is(w.capture(fmt.Sprint("o-", i), "tok_ok"), "pending 0-0")
	}
	if n := w.bank.calls(""); n < 5 || n > 30 { // 3 for each without it, one a second more with it
		t.Errorf("the bank was asked %d times for 40 captures while it was down", n)
	}
}

// together captures one order 20 times at once on two replicas, and gives it back the same way.
func together(w *world) {
	t := w.t
	_, other := w.replica(nil)
	apis := []paymentsv1.PaymentsServiceClient{w.api, other}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			out, err := apis[i%2].Capture(t.Context(), &paymentsv1.CaptureRequest{
				OrderId: "o-1", Amount: 1999, Currency: "EUR", Card: "tok_ok"})
			if got := text(out.GetPayment()); err != nil || got != captured && got != "pending 0-0" {
				t.Errorf("capture: got %s, %v", got, err)
			}
		})
	}
	wg.Wait()
	w.until("o-1", captured)
	if n := w.bank.calls(""); n != 1 {
		t.Errorf("the bank was asked %d times, want 1: the lease", n)
	}
	for i := range 20 {
		wg.Go(func() {
			out, err := apis[i%2].Refund(t.Context(), &paymentsv1.RefundRequest{OrderId: "o-1"})
			if got := text(out.GetPayment()); err != nil || got != refunded && got != "captured refund_wanted 1999-0" {
				t.Errorf("refund: got %s, %v", got, err)
			}
		})
	}
	wg.Wait()
	w.until("o-1", refunded)
	w.booked("SALE o-1 1999", "REFUND o-1 1999")
	w.hears("payment.captured o-1 1999-0", "payment.refunded o-1 1999-1999")
	if len(w.events) > 0 {
		t.Errorf("got %d more events", len(w.events))
	}
}

// refundBeforeCapture refuses a capture that comes after its refund, and asks no bank.
func refundBeforeCapture(w *world) {
	t := w.t
	for range 2 {
		w.is(w.refund("o-1"), late)
	}
	w.is(w.capture("o-1", "tok_ok"), late)
	if n := w.bank.calls(""); n != 0 {
		t.Errorf("the bank was asked %d times", n)
	}
}

// refundWhilePending gives back, when the bank is there again, what it had taken; and where it had
// taken nothing makes sure that it never does.
func refundWhilePending(w *world) {
	t := w.t
	w.bank.fail(hangUp, nil)
	w.is(w.capture("o-1", "tok_ok"), "pending 0-0")
	w.is(w.capture("o-2", "tok_ok"), "pending 0-0")
	w.bank.book("OP=SALE|REF=o-2|AMT=000000001999") // it had arrived
	for range 2 {
		w.is(w.refund("o-1"), "pending refund_wanted 0-0")
		w.is(w.refund("o-2"), "pending refund_wanted 0-0")
	}
	w.bank.fail(nil, nil)
	w.until("o-1", late)
	w.until("o-2", refunded)
	if got := w.bank.book("OP=SALE|REF=o-1|AMT=000000001999"); !strings.HasPrefix(got, "RC=94") {
		t.Errorf("a sale that comes late is answered %q", got)
	}
	w.is(w.capture("o-1", "tok_ok"), late)
	want := map[string]bool{"SALE o-1 0": true, "SALE o-2 1999": true, "REFUND o-2 1999": true}
	for _, b := range w.bank.ledger() {
		if !want[b] {
			t.Errorf("booked %s", b)
		}
	}
}

// refundWhileBankDown keeps the wish to give back until the bank is there again.
func refundWhileBankDown(w *world) {
	w.is(w.capture("o-1", "tok_ok"), captured)
	w.bank.fail(hangUp, nil)
	w.is(w.refund("o-1"), "captured refund_wanted 1999-0")
	w.bank.fail(nil, nil)
	w.until("o-1", refunded)
	w.booked("SALE o-1 1999", "REFUND o-1 1999")
}

// TestNobodyWaits gives up on a capture while the bank has it. The lease is given back at once: the
// payment is settled long before it would have ended.
func TestNobodyWaits(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t)).begin(map[string]string{"PAYMENTS_LEASE": "1h"})
	reached, given := make(chan struct{}, 9), make(chan struct{})
	w.bank.fail(func(string) (string, bool) {
		reached <- struct{}{}
		<-given
		return "", true
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := w.api.Capture(ctx, &paymentsv1.CaptureRequest{
			OrderId: "o-1", Amount: 1999, Currency: "EUR", Card: "tok_ok"})
		done <- err
	}()
	<-reached
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	w.bank.fail(nil, nil)
	close(given)
	w.until("o-1", captured)
}

// crash kills a replica while the bank has the sale and has not answered, once before and once
// after it is booked. Another replica finds out: the money is taken once.
func crash(w *world) {
	t := w.t
	for _, booked := range []bool{false, true} {
		order := fmt.Sprint("o-", booked)
		reached, dead := make(chan struct{}, 9), make(chan struct{})
		hold := func(line string) (string, bool) {
			if strings.Contains(line, "REF="+order) && strings.HasPrefix(line, "OP=SALE") {
				reached <- struct{}{}
				<-dead
				return "", true
			}
			return "", false
		}
		if booked {
			w.bank.fail(nil, hold)
		} else {
			w.bank.fail(hold, nil)
		}
		victim, api := w.process() // whose lease is short
		go func() {                // the call dies with its callee
			_, _ = api.Capture(t.Context(), &paymentsv1.CaptureRequest{
				OrderId: order, Amount: 1999, Currency: "EUR", Card: "tok_ok"})
		}()
		<-reached
		if err := victim.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = victim.Wait() // it says that it was killed
		w.bank.fail(nil, nil)
		close(dead)
		w.until(order, captured)
	}
	w.booked("SALE o-false 1999", "SALE o-true 1999")
}

func listAndErrors(w *world) {
	t := w.t
	for _, order := range []string{"o-1", "o-3", "o-2"} {
		w.capture(order, "tok_ok")
	}
	out, err := w.api.List(t.Context(), &paymentsv1.ListRequest{After: "o-1", Limit: 1})
	if err != nil || len(out.GetPayments()) != 1 || out.GetPayments()[0].GetOrderId() != "o-2" {
		t.Errorf("list: got %v, %v", out, err)
	}
	var list struct{ Payments []Payment }
	kittest.Call(t, "GET", w.base+"/payments?after=o-1", nil, &list)
	if len(list.Payments) != 2 || list.Payments[1].Order != "o-3" || list.Payments[1].Captured != 1999 {
		t.Errorf("list: got %+v", list)
	}
	var one map[string]any
	kittest.Call(t, "GET", w.base+"/payments/o-1", nil, &one)
	want := map[string]any{"order_id": "o-1", "status": "captured", "amount": 1999.0, "currency": "EUR",
		"captured": 1999.0, "refunded": 0.0, "reason": ""}
	if diff := cmp.Diff(want, one); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]int{"/payments/none": 404, "/payments?limit=1001": 400} {
		if got := kittest.Call(t, "GET", w.base+path, nil, nil); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	_, err = w.api.Get(t.Context(), &paymentsv1.GetRequest{OrderId: "none"})
	refused(t, err, codes.NotFound, "UNKNOWN_ORDER")
	for _, in := range []*paymentsv1.CaptureRequest{
		{OrderId: "a b", Amount: 1, Currency: "EUR", Card: "tok_ok"},
		{OrderId: "o-4", Amount: 0, Currency: "EUR", Card: "tok_ok"},
		{OrderId: "o-4", Amount: 1e12, Currency: "EUR", Card: "tok_ok"},
		{OrderId: "o-4", Amount: 1, Currency: "USD", Card: "tok_ok"},
		{OrderId: "o-4", Amount: 1, Currency: "EUR", Card: "tok_ok|RC=00"},
	} {
		_, err := w.api.Capture(t.Context(), in)
		refused(t, err, codes.InvalidArgument, "INVALID")
		if _, fields := rpc.Reason(err); len(fields) != 1 {
			t.Errorf("%v names %v", err, fields)
		}
	}
	_, err = w.api.Capture(t.Context(), &paymentsv1.CaptureRequest{OrderId: "o-1", Amount: 5, Currency: "EUR", Card: "tok_ok"})
	refused(t, err, codes.FailedPrecondition, "OTHER_AMOUNT")
	_, err = w.api.Refund(t.Context(), &paymentsv1.RefundRequest{})
	refused(t, err, codes.InvalidArgument, "INVALID")
}

func refused(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	if got, _ := rpc.Reason(err); status.Code(err) != code || got != reason {
		t.Errorf("got %v (%q), want %v (%q)", err, got, code, reason)
	}
}
