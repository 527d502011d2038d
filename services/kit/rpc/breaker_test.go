package rpc

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestCancelledCallOnTrial shows that a call which its caller gives up does not close the circuit, and that
// the next one is let through in its place.
func TestCancelledCallOnTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		breaker := breaking("other", slog.New(slog.DiscardHandler), nil)
		call := func(ctx context.Context, answer codes.Code) codes.Code {
			return status.Code(breaker(ctx, "/x", nil, nil, nil,
				func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
					calls++
					return status.Error(answer, "")
				}))
		}
		for range 5 {
			call(t.Context(), codes.Internal)
		}
		time.Sleep(2 * time.Second)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		calls = 0
		call(gone, codes.Canceled)
		if call(t.Context(), codes.Internal); calls != 2 {
			t.Errorf("%d calls were let through, want 2", calls)
		}
		if got := call(t.Context(), codes.OK); got != codes.Unavailable || calls != 2 {
			t.Errorf("got %v after %d calls, want the circuit open again", got, calls)
		}
		time.Sleep(2 * time.Second)
		call(t.Context(), codes.Canceled) // its own answer: it is there
		for range 3 {
			if got := call(t.Context(), codes.OK); got != codes.OK {
				t.Errorf("got %v from a closed circuit", got)
			}
		}
	})
}
