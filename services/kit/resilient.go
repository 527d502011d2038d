package kit

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// resilient is a RoundTripper with a circuit breaker, and with retries for what may be sent twice.
type resilient struct {
	next    http.RoundTripper
	once    failsafe.Executor[*http.Response] // breaker
	retried failsafe.Executor[*http.Response] // breaker inside retries
}

// newBreaker opens after 5 failures among the last 10 calls, and tries again after a second.
func newBreaker(service string, log *slog.Logger) circuitbreaker.CircuitBreaker[*http.Response] {
	return circuitbreaker.NewBuilder[*http.Response]().
		HandleIf(unhealthy).
		WithFailureThresholdRatio(5, 10).
		WithDelay(time.Second).
		WithSuccessThreshold(1).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			log.Warn("circuit changed", "to", service, "state", e.NewState.String())
		}).Build()
}

// newResilient retries twice, after about 50 and 100 ms, while at most a fifth of the calls in
// flight are retries.
func newResilient(
	b circuitbreaker.CircuitBreaker[*http.Response], next http.RoundTripper,
) *resilient {
	retry := retrypolicy.NewBuilder[*http.Response]().
		HandleIf(passing).
		WithMaxRetries(2).
		WithBackoff(50*time.Millisecond, time.Second).
		WithJitterFactor(0.5).
		WithBudget(budget.New()).
		ReturnLastFailure().
		Build()
	return &resilient{
		next:    next,
		once:    failsafe.With[*http.Response](b),
		retried: failsafe.With[*http.Response](retry, b),
	}
}

// unhealthy says that the callee is to blame.
func unhealthy(resp *http.Response, err error) bool {
	if err != nil {
		return !errors.Is(err, context.Canceled)
	}
	return resp != nil && resp.StatusCode >= 500
}

// passing says that another try may succeed.
func passing(resp *http.Response, err error) bool {
	if err != nil {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) &&
			!errors.Is(err, circuitbreaker.ErrOpen)
	}
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// Idempotent reports whether r may be sent twice: by its method, or because it has a key by which
// the callee knows the second from the first.
func Idempotent(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}

func (t *resilient) RoundTrip(r *http.Request) (*http.Response, error) {
	exec := t.once
	if Idempotent(r) && (r.Body == nil || r.Body == http.NoBody || r.GetBody != nil) {
		exec = t.retried
	}
	return exec.WithContext(r.Context()).GetWithExecution(
		func(e failsafe.Execution[*http.Response]) (*http.Response, error) {
			if last := e.LastResult(); last != nil {
				_, _ = io.CopyN(io.Discard, last.Body, 64<<10) // lets the connection be used again
				last.Body.Close()
			}
			if e.IsFirstAttempt() || r.GetBody == nil {
				return t.next.RoundTrip(r)
			}
			again := r.Clone(r.Context())
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			again.Body = body
			return t.next.RoundTrip(again)
		})
}
