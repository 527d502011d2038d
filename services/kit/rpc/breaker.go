package rpc

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"msctl.dev/msctl/services/kit"
)

// breaking makes calls fail at once, as UNAVAILABLE, while the circuit to the service is open. What the
// transport tries again is one call. off reports that the circuit is not in use; nil: it always is.
func breaking(service string, log *slog.Logger, off func() bool) grpc.UnaryClientInterceptor {
	c := kit.NewCircuit(service, log)
	c.Off = off
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
		invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) (err error) {
		open := c.Do(ctx, func() bool {
			err = invoke(ctx, method, req, reply, cc, opts...)
			return !unhealthy(err) && (status.Code(err) != codes.Canceled || ctx.Err() == nil)
		})
		if open != nil {
			return status.Errorf(codes.Unavailable, "call %s: %v", service, open)
		}
		return err
	}
}

// unhealthy says that the callee is to blame: what it refuses is an answer.
func unhealthy(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.ResourceExhausted,
		codes.DataLoss:
		return true
	}
	return false
}
