package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/rpc"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
	usersv1 "msctl.dev/msctl/services/proto/shop/users/v1"
)

// fault is what goes wrong with one call.
type fault string

const (
	before      fault = "before"      // an error, and nothing is done
	unavailable fault = "unavailable" // the same, as one that the transport tries again
	after       fault = "after"       // it is done, the answer is an error
	omitted     fault = "omitted"     // it is done, the answer never comes
	late        fault = "late"        // it is done when the caller has given up
	stray       fault = "stray"       // an error, and it is done when all is over
	gateBefore  fault = "gate-before" // it waits for ever before anything is done
	gateAfter   fault = "gate-after"  // it is done, and then waits for ever
	down        fault = "down"        // an error, each time
)

var mistakes = []fault{before, unavailable, after, omitted, late, stray}

// shop is what orders calls: inventory, payments, users and catalog in memory, over real wires.
type shop struct {
	inventoryv1.UnimplementedInventoryServiceServer
	usersv1.UnimplementedUsersServiceServer
	env map[string]string // where it is

	mu       sync.Mutex // guards all below
	levels   map[string]*inventoryv1.Level
	held     map[string]*inventoryv1.Reservation
	expire   map[string]bool // orders whose reservation is over before it is committed
	payments map[string]*paymentsv1.Payment
	users    map[string]*usersv1.User
	faults   map[string]fault    // "order Method"
	gated    chan string         // is told each call that came to a gate
	calls    map[string]int      // "order Method"
	done     map[string][]string // order -> methods, as they were done
	strays   []func()            // calls that are still on their way
	noPrices bool
}

// newShop opens a shop with plenty of mugs, and one lamp.
func newShop(t *testing.T) *shop {
	s := &shop{levels: map[string]*inventoryv1.Level{}, held: map[string]*inventoryv1.Reservation{},
		expire: map[string]bool{}, payments: map[string]*paymentsv1.Payment{},
		users:  map[string]*usersv1.User{"ana": {Id: "ana", Name: "Ana", Version: 1}},
		faults: map[string]fault{}, gated: make(chan string, 1000), calls: map[string]int{}, done: map[string][]string{}}
	for item, n := range map[string]int64{"mug": 1000000, "pot": 1000000, "lamp": 1} {
		s.levels[item] = &inventoryv1.Level{ItemId: item, Available: n, Received: n}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(grpc.UnaryInterceptor(s.intercept))
	inventoryv1.RegisterInventoryServiceServer(srv, s)
	paymentsv1.RegisterPaymentsServiceServer(srv, paymentsPart{s: s})
	usersv1.RegisterUsersServiceServer(srv, s)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	web := httptest.NewServer(http.HandlerFunc(s.catalog))
	t.Cleanup(web.Close)
	addr := ln.Addr().String()
	s.env = map[string]string{"CATALOG_URL": web.URL, "INVENTORY_GRPC_ADDR": addr,
		"PAYMENTS_GRPC_ADDR": addr, "USERS_GRPC_ADDR": addr}
	return s
}

// catalog sells mugs, pots and lamps, and a ghost that inventory has never heard of.
func (s *shop) catalog(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["catalog"]++
	if s.noPrices {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	prices := map[string]int64{"mug": 1250, "pot": 3999, "lamp": 9900, "ghost": 1, "yacht": 500_000_000_000}
	items, missing := []any{}, []string{}
	for id := range strings.SplitSeq(r.FormValue("ids"), ",") {
		if prices[id] == 0 {
			missing = append(missing, id)
			continue
		}
		items = append(items, map[string]any{"id": id, "name": "A " + id, "version": 1, "available": nil,
			"description": "", "price": Money{prices[id], "EUR"}})
	}
	kit.WriteJSON(w, 200, map[string]any{"items": items, "missing": missing})
}

// fail makes the next call of that method for that order, "" for any, go wrong.
func (s *shop) fail(order, method string, f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[order+" "+method] = f
}

func (s *shop) heal(order, method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.faults, order+" "+method)
}

// take returns what goes wrong with this call: once, unless it is down.
func (s *shop) take(req any, method string) (call string, f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := ""
	if o, ok := req.(interface{ GetOrderId() string }); ok {
		id = o.GetOrderId()
	}
	call = id + " " + method
	s.calls[call]++
	if s.faults[" "+method] == down {
		return call, down
	}
	if f = s.faults[call]; f != down {
		delete(s.faults, call)
	}
	return call, f
}

func (s *shop) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	call, f := s.take(req, path.Base(info.FullMethod))
	switch f {
	case before, down:
		return nil, status.Error(codes.Internal, "out of order")
	case unavailable:
		return nil, status.Error(codes.Unavailable, "not now")
	case gateBefore:
		s.gated <- call
		<-ctx.Done()
		return nil, ctx.Err()
	case stray:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.strays = append(s.strays, func() { _, _ = next(context.Background(), req) })
		return nil, status.Error(codes.Unavailable, "lost on the way")
	case late:
		<-ctx.Done()
	}
	s.mu.Lock()
	resp, err := next(ctx, req)
	if m, ok := resp.(proto.Message); ok && err == nil {
		resp = proto.Clone(m)
		id, method, _ := strings.Cut(call, " ")
		s.done[id] = append(s.done[id], method)
	}
	s.mu.Unlock()
	switch f {
	case after:
		return nil, status.Error(codes.Internal, "out of order")
	case gateAfter:
		s.gated <- call
		<-ctx.Done()
	case omitted:
		<-ctx.Done()
	}
	return resp, err
}

// arrive lets all calls arrive that are still on their way. There are ghosts to be sold by now.
func (s *shop) arrive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.levels["ghost"] = &inventoryv1.Level{ItemId: "ghost", Available: 1000, Received: 1000}
	for _, stray := range s.strays {
		stray()
	}
}

func refuse(reason string) error {
	return rpc.Refuse(codes.FailedPrecondition, "inventory", reason, nil, "refused: %s", reason)
}

func (s *shop) Reserve(_ context.Context, in *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	r := s.held[in.OrderId]
	if r.GetState() == inventoryv1.ReservationState_RESERVATION_STATE_RELEASED {
		return nil, refuse("RELEASED")
	}
	if r != nil {
		return &inventoryv1.ReserveResponse{Reservation: r}, nil
	}
	for _, l := range in.Lines {
		level := s.levels[l.ItemId]
		if level == nil {
			return nil, refuse("UNKNOWN_ITEM")
		}
		if level.Available < l.Quantity {
			return nil, refuse("OUT_OF_STOCK")
		}
	}
	r = &inventoryv1.Reservation{OrderId: in.OrderId, Lines: in.Lines}
	s.held[in.OrderId] = r
	s.move(r, inventoryv1.ReservationState_RESERVATION_STATE_HELD)
	return &inventoryv1.ReserveResponse{Reservation: r}, nil
}

// move brings a reservation into another state, and the stock with it.
func (s *shop) move(r *inventoryv1.Reservation, to inventoryv1.ReservationState) {
	const (
		held = inventoryv1.ReservationState_RESERVATION_STATE_HELD
		sold = inventoryv1.ReservationState_RESERVATION_STATE_SOLD
	)
	for _, l := range r.Lines {
		level := s.levels[l.ItemId]
		for state, sign := range map[inventoryv1.ReservationState]int64{r.State: -1, to: 1} {
			switch state {
			case held:
				level.Reserved += sign * l.Quantity
			case sold:
				level.Sold += sign * l.Quantity
			default:
				level.Available += sign * l.Quantity
			}
		}
	}
	r.State = to
}

func (s *shop) Release(_ context.Context, in *inventoryv1.ReleaseRequest) (*inventoryv1.ReleaseResponse, error) {
	r := s.held[in.OrderId]
	if r == nil {
		r = &inventoryv1.Reservation{OrderId: in.OrderId}
		s.held[in.OrderId] = r
	}
	if r.State != inventoryv1.ReservationState_RESERVATION_STATE_RELEASED {
		s.move(r, inventoryv1.ReservationState_RESERVATION_STATE_RELEASED)
	}
	return &inventoryv1.ReleaseResponse{Reservation: r}, nil
}

func (s *shop) Commit(_ context.Context, in *inventoryv1.CommitRequest) (*inventoryv1.CommitResponse, error) {
	r := s.held[in.OrderId]
	switch {
	case r == nil:
		return nil, refuse("UNKNOWN_ORDER")
	case s.expire[in.OrderId] && r.State == inventoryv1.ReservationState_RESERVATION_STATE_HELD:
		s.move(r, inventoryv1.ReservationState_RESERVATION_STATE_EXPIRED)
	}
	switch r.State {
	case inventoryv1.ReservationState_RESERVATION_STATE_EXPIRED:
		return nil, refuse("EXPIRED")
	case inventoryv1.ReservationState_RESERVATION_STATE_RELEASED:
		return nil, refuse("RELEASED")
	case inventoryv1.ReservationState_RESERVATION_STATE_HELD:
		s.move(r, inventoryv1.ReservationState_RESERVATION_STATE_SOLD)
	}
	return &inventoryv1.CommitResponse{Reservation: r}, nil
}

// paymentsPart is the shop's payments: its methods share a name with those of users.
type paymentsPart struct {
	paymentsv1.UnimplementedPaymentsServiceServer
	s *shop
}

// Capture goes by the card: tok_ok, tok_refused, and tok_pending, which waits for settle.
func (p paymentsPart) Capture(_ context.Context, in *paymentsv1.CaptureRequest) (*paymentsv1.CaptureResponse, error) {
	pay := p.s.payments[in.OrderId]
	if pay == nil {
		pay = &paymentsv1.Payment{OrderId: in.OrderId, Amount: in.Amount, Currency: in.Currency,
			Status: paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING}
		p.s.payments[in.OrderId] = pay
		if in.Card != "tok_pending" {
			p.s.become(pay, in.Card == "tok_ok")
		}
	}
	return &paymentsv1.CaptureResponse{Payment: pay}, nil
}

// become settles a payment that is pending.
func (s *shop) become(p *paymentsv1.Payment, captured bool) {
	if !captured {
		p.Status, p.Reason = paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUSED, "insufficient funds"
		return
	}
	p.Status, p.Captured = paymentsv1.PaymentStatus_PAYMENT_STATUS_CAPTURED, p.Amount
	if p.RefundWanted {
		p.Status, p.Refunded = paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUNDED, p.Amount
	}
}

// settle says what the bank says of an order's payment.
func (s *shop) settle(order string, captured bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.payments[order]; p.GetStatus() == paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING {
		s.become(p, captured)
	}
}

func (p paymentsPart) Refund(_ context.Context, in *paymentsv1.RefundRequest) (*paymentsv1.RefundResponse, error) {
	pay := p.s.payments[in.OrderId]
	if pay == nil {
		pay = &paymentsv1.Payment{OrderId: in.OrderId, Reason: "refunded before",
			Status: paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUSED}
		p.s.payments[in.OrderId] = pay
	}
	switch pay.Status {
	case paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING:
		pay.RefundWanted = true
	case paymentsv1.PaymentStatus_PAYMENT_STATUS_CAPTURED:
		pay.Status, pay.Refunded = paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUNDED, pay.Captured
	}
	return &paymentsv1.RefundResponse{Payment: pay}, nil
}

func (s *shop) BatchGet(_ context.Context, in *usersv1.BatchGetRequest) (*usersv1.BatchGetResponse, error) {
	out := &usersv1.BatchGetResponse{}
	for _, id := range in.Ids {
		if u := s.users[id]; u != nil {
			out.Users = append(out.Users, u)
		}
	}
	return out, nil
}

// audit checks money and stock of one order that has come to its end: paid and sold if it is
// confirmed, nothing of either otherwise.
func (s *shop) audit(t *testing.T, o orderV1) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	p, r := s.payments[o.ID], s.held[o.ID]
	want, sold := int64(0), false
	if o.Status == "confirmed" {
		want, sold = o.Total, true
	}
	if got := p.GetCaptured() - p.GetRefunded(); got != want {
		t.Errorf("%s is %s: money is %d, want %d", o.ID, o.Status, got, want)
	}
	if is := r.GetState() == inventoryv1.ReservationState_RESERVATION_STATE_SOLD; is != sold {
		t.Errorf("%s is %s: its stock is %s", o.ID, o.Status, r.GetState())
	}
	released, refunded := slices.Index(s.done[o.ID], "Release"), slices.Index(s.done[o.ID], "Refund")
	if refunded >= 0 && released >= 0 && released < refunded {
		t.Errorf("%s is undone in the wrong order: %v", o.ID, s.done[o.ID])
	}
	if r.GetState() == inventoryv1.ReservationState_RESERVATION_STATE_HELD {
		t.Errorf("%s is %s: its stock is held", o.ID, o.Status)
	}
}

// balanced checks that no stock was lost and none is held.
func (s *shop) balanced(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.levels {
		if l.Available+l.Reserved+l.Sold != l.Received || l.Reserved != 0 {
			t.Errorf("stock is %v", l)
		}
	}
}

func (s *shop) called(order, method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[order+" "+method]
}
