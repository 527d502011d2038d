package rpc

import (
	"context"
	"log/slog"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// breaking makes calls fail at once, as UNAVAILABLE, while the service keeps failing: after 5
// failures among the last 10 calls, until one succeeds that is let through after a second. What the
// transport tries again is one call.
func breaking(service string, log *slog.Logger) grpc.UnaryClientInterceptor {
	b := circuitbreaker.NewBuilder[any]().
		WithFailureThresholdRatio(5, 10).
		WithDelay(time.Second).
		WithSuccessThreshold(1).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			log.Warn("circuit changed", "to", service, "state", e.NewState.String())
		}).Build()
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
		invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		if !b.TryAcquirePermit() {
			return status.Errorf(codes.Unavailable, "call %s: circuit breaker open", service)
		}
		err := invoke(ctx, method, req, reply, cc, opts...)
		if unhealthy(err) {
			b.RecordFailure()
		} else {
			b.RecordSuccess()
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
