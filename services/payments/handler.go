package main

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/rpc"
	"msctl.dev/msctl/services/payments/bank"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

// server serves payments as gRPC.
type server struct {
	paymentsv1.UnimplementedPaymentsServiceServer
	settler
}

// Capture takes the money of an order.
func (s *server) Capture(ctx context.Context, in *paymentsv1.CaptureRequest) (
	*paymentsv1.CaptureResponse, error,
) {
	sale := bank.Sale{Order: in.GetOrderId(), Amount: in.GetAmount(), Currency: in.GetCurrency(),
		Card: in.GetCard()}
	if err := sale.Check(); err != nil {
		return nil, s.refuse(ctx, err)
	}
	p, err := s.capture(ctx, sale)
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	if p.Currency != "" && (p.Amount != sale.Amount || p.Currency != sale.Currency) {
		return nil, rpc.Refuse(codes.FailedPrecondition, domain, "OTHER_AMOUNT", nil,
			"order %q has a payment of %d %s", p.Order, p.Amount, p.Currency)
	}
	return &paymentsv1.CaptureResponse{Payment: wire(p)}, nil
}

// Refund gives back what was captured, or will be.
func (s *server) Refund(ctx context.Context, in *paymentsv1.RefundRequest) (*paymentsv1.RefundResponse, error) {
	if err := bank.CheckOrder(in.GetOrderId()); err != nil {
		return nil, s.refuse(ctx, err)
	}
	p, err := s.refund(ctx, in.GetOrderId())
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	return &paymentsv1.RefundResponse{Payment: wire(p)}, nil
}

// Get tells of one order's payment.
func (s *server) Get(ctx context.Context, in *paymentsv1.GetRequest) (*paymentsv1.GetResponse, error) {
	p, err := s.store.payment(ctx, in.GetOrderId())
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	return &paymentsv1.GetResponse{Payment: wire(p)}, nil
}

// List tells of all payments.
func (s *server) List(ctx context.Context, in *paymentsv1.ListRequest) (*paymentsv1.ListResponse, error) {
	limit := int(in.GetLimit())
	if limit <= 0 {
		limit = limitUnsaid
	}
	ps, err := s.store.payments(ctx, in.GetAfter(), min(limit, limitMost))
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	out := &paymentsv1.ListResponse{}
	for _, p := range ps {
		out.Payments = append(out.Payments, wire(p))
	}
	return out, nil
}

// domain is whose reasons the errors give.
const domain = "payments"

// refuse turns err into one of gRPC. What is no mistake of the caller is worth another try.
func (s *server) refuse(ctx context.Context, err error) error {
	switch p := kit.AsProblem(err); p.Status {
	case http.StatusUnprocessableEntity:
		why := p.Detail
		for _, field := range slices.Sorted(maps.Keys(p.Errors)) {
			why += ", " + field + " " + p.Errors[field]
		}
		return rpc.Refuse(codes.InvalidArgument, domain, "INVALID", p.Errors, "%s", why)
	case http.StatusNotFound:
		return rpc.Refuse(codes.NotFound, domain, "UNKNOWN_ORDER", nil, "%s", p.Detail)
	}
	return rpc.Failed(ctx, s.app.Log, err, codes.Unavailable, "payments cannot say now")
}

func wire(p Payment) *paymentsv1.Payment {
	statuses := map[Status]paymentsv1.PaymentStatus{
		Pending:  paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING,
		Captured: paymentsv1.PaymentStatus_PAYMENT_STATUS_CAPTURED,
		Refused:  paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUSED,
		Refunded: paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUNDED,
	}
	return &paymentsv1.Payment{OrderId: p.Order, Status: statuses[p.Status], Amount: p.Amount,
		Currency: p.Currency, Captured: p.Captured, Refunded: p.Refunded, Reason: p.Reason,
		RefundWanted: p.RefundWanted, UpdatedAt: timestamppb.New(p.UpdatedAt)}
}

const (
	limitUnsaid = 200
	limitMost   = 1000
)

// handler serves payments as REST, to read.
type handler struct{ store store }

func routes(s store) http.Handler {
	h := handler{s}
	mux := http.NewServeMux()
	mux.Handle("GET /payments", kit.HandlerFunc(h.list))
	mux.Handle("GET /payments/{order}", kit.HandlerFunc(h.read))
	return mux
}

func (h handler) read(w http.ResponseWriter, r *http.Request) error {
	p, err := h.store.payment(r.Context(), r.PathValue("order"))
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, p)
	return nil
}

func (h handler) list(w http.ResponseWriter, r *http.Request) error {
	limit, err := kit.Limit(r, limitUnsaid, limitMost)
	if err != nil {
		return err
	}
	ps, err := h.store.payments(r.Context(), r.FormValue("after"), limit)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"payments": ps})
	return nil
}
