package kit

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// resilient is a RoundTripper with a circuit, and with retries for what may be sent twice.
type resilient struct {
	next    http.RoundTripper
	circuit *Circuit
	off     func() bool                       // reports that nothing is tried again; nil: never
	retried failsafe.Executor[*http.Response] // each try of its own in the circuit
}

// newResilient retries twice, after about 50 and 100 ms, while at most a fifth of the calls in
// flight are retries.
func newResilient(c *Circuit, next http.RoundTripper) *resilient {
	retry := retrypolicy.NewBuilder[*http.Response]().
		HandleIf(passing).
		WithMaxRetries(2).
		WithBackoff(50*time.Millisecond, time.Second).
		WithJitterFactor(0.5).
		WithBudget(budget.New()).
		ReturnLastFailure().
		Build()
	return &resilient{next: next, circuit: c, retried: failsafe.With[*http.Response](retry)}
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
	if t.off != nil && t.off() || !Idempotent(r) || r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return t.try(r)
	}
	return t.retried.WithContext(r.Context()).GetWithExecution(
		func(e failsafe.Execution[*http.Response]) (*http.Response, error) {
			if last := e.LastResult(); last != nil {
				_, _ = io.CopyN(io.Discard, last.Body, 64<<10) // lets the connection be used again
				last.Body.Close()
			}
			if e.IsFirstAttempt() || r.GetBody == nil {
				return t.try(r)
			}
			again := r.Clone(r.Context())
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			again.Body = body
			return t.try(again)
		})
}

// try sends r once. The callee is well if it answers, and not with a failure of its own.
func (t *resilient) try(r *http.Request) (resp *http.Response, err error) {
	open := t.circuit.Do(r.Context(), func() bool {
		resp, err = t.next.RoundTrip(r)
		return err == nil && resp.StatusCode < 500
	})
	if open != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, open
	}
	return resp, err
}
