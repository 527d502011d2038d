package kit

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// Circuit keeps calls from a service that keeps failing: after 5 failures among the last 10 calls, until
// one succeeds that is let through after a second. A call that its own caller gave up says nothing about
// the service: it counts as neither, and the next one is let through in its place. It is safe for
// concurrent use.
type Circuit struct {
	// Off reports that calls are made whatever became of those before. nil: never.
	Off func() bool

	breaker circuitbreaker.CircuitBreaker[any]
	spare   atomic.Bool // a call that was let through on trial was given up
}

// NewCircuit makes the circuit to a service, which is told in the log when it changes.
func NewCircuit(service string, log *slog.Logger) *Circuit {
	c := &Circuit{}
	c.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThresholdRatio(5, 10).
		WithDelay(time.Second).
		WithSuccessThreshold(1).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			c.spare.Store(false)
			log.Warn("circuit changed", "to", service, "state", e.NewState.String())
		}).Build()
	return c
}

// Open reports whether calls fail at once.
func (c *Circuit) Open() bool { return c.breaker.IsOpen() }

// Do makes a call with ctx, which reports whether the service is well, or returns
// [circuitbreaker.ErrOpen] without it.
func (c *Circuit) Do(ctx context.Context, call func() (well bool)) error {
	if c.Off != nil && c.Off() {
		call()
		return nil
	}
	if !c.breaker.TryAcquirePermit() && !(c.breaker.IsHalfOpen() && c.spare.CompareAndSwap(true, false)) {
		return circuitbreaker.ErrOpen
	}
	trial := c.breaker.IsHalfOpen()
	switch {
	case call():
		c.breaker.RecordSuccess()
	case !errors.Is(ctx.Err(), context.Canceled):
		c.breaker.RecordFailure()
	case trial:
		c.spare.Store(true)
	}
	return nil
}
