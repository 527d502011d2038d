package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"msctl.dev/msctl/services/kit/rpc"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

// step does what comes next for the order, and returns the event that says so. An event of the kind
// where the order stands says that there is nothing to do but wait; an error, that nobody knows
// whether it was done.
func (s saga) step(ctx context.Context, o Order, card string) (Step, Body, error) {
	switch o.Step {
	case Placed:
		return s.reserve(ctx, o)
	case Reserved, Paying:
		return s.pay(ctx, o, card)
	case Paid:
		return s.commit(ctx, o)
	case Compensating:
		if !s.app.On("compensation") {
			return o.Undo.Ends, Body{}, nil
		}
		if o.Undo.Refund {
			return s.refund(ctx, o)
		}
	}
	return s.release(ctx, o)
}

func (s saga) reserve(ctx context.Context, o Order) (Step, Body, error) {
	in := &inventoryv1.ReserveRequest{OrderId: o.ID}
	for _, l := range o.Placed.Lines {
		in.Lines = append(in.Lines, &inventoryv1.Line{ItemId: l.Item, Quantity: l.Quantity})
	}
	_, err := s.inventory.Reserve(ctx, in)
	return reached(o, Reserved, err)
}

// pay asks for the money, or what became of it: payments knows the second request from the first.
func (s saga) pay(ctx context.Context, o Order, card string) (Step, Body, error) {
	out, err := s.payments.Capture(ctx, &paymentsv1.CaptureRequest{OrderId: o.ID, Amount: o.total(),
		Currency: o.Placed.Currency, Card: card})
	if err != nil {
		return reached(o, Paid, err)
	}
	p := out.GetPayment()
	kind, body := outcome(p.GetStatus(), p.GetReason())
	if kind == "" {
		return "", Body{}, fmt.Errorf("capture money of order %s: payment is %s", o.ID, p.GetStatus())
	}
	return kind, body, nil
}

// outcome is where an order gets that waits for this payment, "" where nobody can say. What was
// refused needs no refund.
func outcome(s paymentsv1.PaymentStatus, reason string) (Step, Body) {
	switch s {
	case paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING:
		return Paying, Body{}
	case paymentsv1.PaymentStatus_PAYMENT_STATUS_CAPTURED:
		return Paid, Body{}
	case paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUSED, paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUNDED:
		if reason == "" {
			reason = "refunded"
		}
		return Compensating, Body{Ends: Rejected, Reason: "payment_refused: " + reason}
	}
	return "", Body{}
}

func (s saga) commit(ctx context.Context, o Order) (Step, Body, error) {
	_, err := s.inventory.Commit(ctx, &inventoryv1.CommitRequest{OrderId: o.ID})
	return reached(o, Confirmed, err)
}

// refund is done once payments has taken it on: a payment that is pending is given back by payments
// itself.
func (s saga) refund(ctx context.Context, o Order) (Step, Body, error) {
	out, err := s.payments.Refund(ctx, &paymentsv1.RefundRequest{OrderId: o.ID})
	if err != nil {
		return "", Body{}, fmt.Errorf("refund order %s: %w", o.ID, err)
	}
	p := out.GetPayment()
	switch p.GetStatus() {
	case paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUSED, paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUNDED:
	default:
		if !p.GetRefundWanted() {
			return "", Body{}, fmt.Errorf("refund order %s: payment is still %s", o.ID, p.GetStatus())
		}
	}
	return Refunded, Body{}, nil
}

// release gives back the stock, also where nothing is known to be held: a request to reserve it may
// still be on its way.
func (s saga) release(ctx context.Context, o Order) (Step, Body, error) {
	_, err := s.inventory.Release(ctx, &inventoryv1.ReleaseRequest{OrderId: o.ID})
	if err != nil && !s.app.Seeded("release-once") { // a mistake to be found: what was held stays so
		return "", Body{}, fmt.Errorf("release stock of order %s: %w", o.ID, err)
	}
	return o.Undo.Ends, Body{}, nil
}

// reasons are those of inventory, in a client's words.
var reasons = map[string]string{
	"OUT_OF_STOCK":  "out_of_stock",
	"UNKNOWN_ITEM":  "unknown_item",
	"EXPIRED":       "stock_expired",
	"RELEASED":      "stock_expired",
	"UNKNOWN_ORDER": "stock_expired",
}

// reached is the event that kind was reached, or, where the callee refused, that the way back
// begins. Any other error stays one: the callee may have done it.
func reached(o Order, kind Step, err error) (Step, Body, error) {
	switch status.Code(err) {
	case codes.OK:
		return kind, Body{}, nil
	case codes.FailedPrecondition, codes.InvalidArgument, codes.AlreadyExists:
		code, _ := rpc.Reason(err)
		why := reasons[code]
		if why == "" {
			why = "refused: " + strings.ReplaceAll(status.Convert(err).Message(), "\n", " ")
		}
		return Compensating, o.undo(Rejected, why), nil
	}
	return "", Body{}, fmt.Errorf("reach %s of order %s: %w", kind, o.ID, err)
}
