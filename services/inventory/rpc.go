package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"msctl.dev/msctl/services/kit/rpc"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
)

// server serves inventory to other services as gRPC.
type server struct {
	inventoryv1.UnimplementedInventoryServiceServer
	store store
	log   *slog.Logger
}

func (s server) register(to *grpc.Server) { inventoryv1.RegisterInventoryServiceServer(to, s) }

// Reserve holds all lines of an order or none.
func (s server) Reserve(ctx context.Context, in *inventoryv1.ReserveRequest) (
	*inventoryv1.ReserveResponse, error,
) {
	hold := holdUsual
	if in.GetHold() != nil {
		hold = in.GetHold().AsDuration()
	}
	if hold <= 0 || hold > holdMost {
		return nil, wrong("hold is %v, not above 0 and up to %v", hold, holdMost)
	}
	r := Reservation{Order: in.GetOrderId(), State: Held, Expires: time.Now().Add(hold)}
	for _, l := range in.GetLines() {
		r.Lines = append(r.Lines, Line{Item: l.GetItemId(), Quantity: l.GetQuantity()})
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	r, err := s.store.reserve(ctx, r)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &inventoryv1.ReserveResponse{Reservation: r.proto()}, nil
}

// Release gives back what the order holds, or has been sold.
func (s server) Release(ctx context.Context, in *inventoryv1.ReleaseRequest) (
	*inventoryv1.ReleaseResponse, error,
) {
	if err := checkID("order_id", in.GetOrderId()); err != nil {
		return nil, err
	}
	r, err := s.store.release(ctx, in.GetOrderId())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &inventoryv1.ReleaseResponse{Reservation: r.proto()}, nil
}

// Commit turns what is reserved into what is sold.
func (s server) Commit(ctx context.Context, in *inventoryv1.CommitRequest) (
	*inventoryv1.CommitResponse, error,
) {
	if err := checkID("order_id", in.GetOrderId()); err != nil {
		return nil, err
	}
	r, err := s.store.commit(ctx, in.GetOrderId())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &inventoryv1.CommitResponse{Reservation: r.proto()}, nil
}

// Stock tells of items, or of all in the order of their ids.
func (s server) Stock(ctx context.Context, in *inventoryv1.StockRequest) (
	*inventoryv1.StockResponse, error,
) {
	limit := int(in.GetLimit())
	if limit == 0 {
		limit = pageUsual
	}
	if limit < 0 || limit > pageMost || len(in.GetItemIds()) > pageMost {
		return nil, wrong("limit and the number of items are at most %d", pageMost)
	}
	var ls []Level
	var err error
	if ids := in.GetItemIds(); len(ids) > 0 {
		ls, err = s.store.levels(ctx, ids)
	} else {
		ls, err = s.store.page(ctx, in.GetAfter(), limit)
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	out := &inventoryv1.StockResponse{}
	for _, l := range ls {
		out.Levels = append(out.Levels, l.proto())
	}
	return out, nil
}

// Receive adds to what is available, once for each receipt.
func (s server) Receive(ctx context.Context, in *inventoryv1.ReceiveRequest) (
	*inventoryv1.ReceiveResponse, error,
) {
	r := Receipt{ID: in.GetReceiptId(), Line: Line{Item: in.GetItemId(), Quantity: in.GetQuantity()}}
	if err := r.check(); err != nil {
		return nil, err
	}
	l, err := s.store.receive(ctx, r)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &inventoryv1.ReceiveResponse{Level: l.proto()}, nil
}

// failed is err as the caller is told it. What is no refusal is UNAVAILABLE: every call may be sent
// again.
func (s server) failed(ctx context.Context, err error) error {
	if st, ok := status.FromError(err); ok {
		return st.Err()
	}
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return status.Error(codes.DeadlineExceeded, "the database took too long")
	}
	return rpc.Failed(ctx, s.log, err, codes.Unavailable, "something went wrong here, try again")
}

func (l Level) proto() *inventoryv1.Level {
	return &inventoryv1.Level{ItemId: l.Item, Available: l.Available, Reserved: l.Reserved,
		Sold: l.Sold, Received: l.Received, Version: l.Version}
}

func (r Reservation) proto() *inventoryv1.Reservation {
	out := &inventoryv1.Reservation{OrderId: r.Order}
	switch r.State {
	case Held:
		out.State = inventoryv1.ReservationState_RESERVATION_STATE_HELD
		out.ExpiresAt = timestamppb.New(r.Expires)
	case Sold:
		out.State = inventoryv1.ReservationState_RESERVATION_STATE_SOLD
	case Released:
		out.State = inventoryv1.ReservationState_RESERVATION_STATE_RELEASED
	case Expired:
		out.State = inventoryv1.ReservationState_RESERVATION_STATE_EXPIRED
	}
	for _, l := range r.Lines {
		out.Lines = append(out.Lines, &inventoryv1.Line{ItemId: l.Item, Quantity: l.Quantity})
	}
	return out
}
