package kit

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestCircuitAndCancelledCalls shows that a call which its caller gives up says nothing about the service:
// on trial it neither closes the circuit nor keeps the next one out, and otherwise it hides no failure.
func TestCircuitAndCancelledCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, status := 0, 500
		var cancel context.CancelFunc // of the call under way; nil: it is answered
		c := NewCircuit("other", testApp(t, io.Discard, nil).Log)
		wire := newResilient(c, trip(func(r *http.Request) (*http.Response, error) {
			if calls++; cancel != nil {
				cancel()
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: status, Body: http.NoBody}, nil
		}))
		call := func(given bool) error {
			ctx := t.Context()
			if cancel = nil; given {
				ctx, cancel = context.WithCancel(ctx)
			}
			r, _ := http.NewRequestWithContext(ctx, "POST", "http://other.example", nil)
			_, err := wire.RoundTrip(r)
			return err
		}
		for range 4 {
			_ = call(false)
		}
		for range 20 {
			_ = call(true)
		}
		if c.Open() {
			t.Fatal("calls that were given up opened the circuit")
		}
		if _ = call(false); !c.Open() {
			t.Fatal("calls that were given up hid five failures")
		}
		time.Sleep(2 * time.Second)
		calls = 0
		for range 3 {
			_ = call(true)
		}
		if calls != 3 || c.breaker.IsClosed() || c.Open() {
			t.Errorf("%d calls on trial were let through, circuit %v; want 3, half-open", calls, c.breaker.State())
		}
		if _ = call(false); !c.Open() {
			t.Errorf("circuit %v after a failure on trial, want open", c.breaker.State())
		}
		if err := call(false); err == nil {
			t.Error("an open circuit let a call through")
		}
		time.Sleep(2 * time.Second)
		_ = call(true)
		status = 200
		if err := call(false); err != nil || !c.breaker.IsClosed() {
			t.Errorf("got %v, circuit %v; want an answer and the circuit closed", err, c.breaker.State())
		}
	})
}

// TestCircuitTakesOneTrial shows that a call which is given up makes room for one, not for many.
func TestCircuitTakesOneTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCircuit("other", testApp(t, io.Discard, nil).Log)
		for range 5 {
			_ = c.Do(t.Context(), func() bool { return false })
		}
		time.Sleep(2 * time.Second)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_ = c.Do(gone, func() bool { return false })
		let := 0
		_ = c.Do(t.Context(), func() bool {
			for range 3 {
				_ = c.Do(t.Context(), func() bool { let++; return true })
			}
			return true
		})
		if let != 0 {
			t.Errorf("%d more calls on trial at once", let)
		}
	})
}
