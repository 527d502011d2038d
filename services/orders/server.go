package main

import (
	"context"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/rpc"
	ordersv1 "msctl.dev/msctl/services/proto/shop/orders/v1"
)

// server serves orders to other services.
type server struct {
	ordersv1.UnimplementedOrdersServiceServer
	store store
}

// Get folds the events of one order.
func (s server) Get(ctx context.Context, in *ordersv1.GetRequest) (*ordersv1.GetResponse, error) {
	o, err := s.store.order(ctx, s.store.db, in.GetId())
	if err != nil && kit.AsProblem(err).Status == http.StatusNotFound {
		return nil, rpc.Refuse(codes.NotFound, "orders", "UNKNOWN_ORDER", nil, "there is no order %q", in.GetId())
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	who, _, err := name(ctx, s.store.db, o.Placed.User)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &ordersv1.GetResponse{Order: message(named{o, who})}, nil
}

// List reads a page of the read model.
func (s server) List(ctx context.Context, in *ordersv1.ListRequest) (*ordersv1.ListResponse, error) {
	f := filter{user: in.GetUserId(), after: in.GetAfter(), limit: int(in.GetLimit())}
	if f.limit == 0 {
		f.limit = 200
	}
	if f.limit < 1 || f.limit > 1000 {
		return nil, status.Error(codes.InvalidArgument, "limit must be from 1 to 1000")
	}
	ns, err := s.store.list(ctx, f)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	out := &ordersv1.ListResponse{}
	for _, n := range ns {
		out.Orders = append(out.Orders, message(n))
	}
	return out, nil
}

// Verify compares the read model with the fold of the events.
func (s server) Verify(ctx context.Context, _ *ordersv1.VerifyRequest) (*ordersv1.VerifyResponse, error) {
	v, err := s.store.verify(ctx)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &ordersv1.VerifyResponse{Orders: v.orders, Differ: v.differ, Behind: v.behind}, nil
}

// failed is what a caller is told of err: that time is over, or that another try may help. What the database
// says is for the log.
func (s server) failed(ctx context.Context, err error) error {
	return rpc.Failed(ctx, s.store.log, err, codes.Unavailable, "something went wrong here, try again")
}

var statuses = map[string]ordersv1.OrderStatus{
	"pending":   ordersv1.OrderStatus_ORDER_STATUS_PENDING,
	"confirmed": ordersv1.OrderStatus_ORDER_STATUS_CONFIRMED,
	"rejected":  ordersv1.OrderStatus_ORDER_STATUS_REJECTED,
	"cancelled": ordersv1.OrderStatus_ORDER_STATUS_CANCELLED,
}

// message is an order as gRPC carries it.
func message(n named) *ordersv1.Order {
	o := n.Order
	m := &ordersv1.Order{Id: o.ID, UserId: o.Placed.User, UserName: n.user, Status: statuses[o.status()],
		Step: string(o.Step), Total: o.total(), Currency: o.Placed.Currency, Reason: o.Undo.Reason,
		Version: o.Version, PlacedAt: timestamppb.New(o.PlacedAt), UpdatedAt: timestamppb.New(o.UpdatedAt)}
	for _, l := range o.Placed.Lines {
		m.Lines = append(m.Lines, &ordersv1.OrderLine{ItemId: l.Item, Name: l.Name, Quantity: l.Quantity,
			Price: l.Price})
	}
	return m
}
