package otlp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
)

func forceRaw() grpc.CallOption { return grpc.ForceCodecV2(raw{}) }

// TestForward passes spans, records and metrics on to another receiver, over each transport.
func TestForward(t *testing.T) {
	for _, scheme := range []string{"http", "grpc"} {
		t.Run(scheme, func(t *testing.T) {
			far := &memory{got: make(chan struct{}, 3)}
			httpAddr, grpcAddr := run(t, &Receiver{Store: far, Metrics: far})
			target := "http://" + httpAddr
			if scheme == "grpc" {
				target = "grpc://" + grpcAddr
			}
			near := &memory{}
			r := &Receiver{Store: near, Metrics: near, Forward: target, ForwardHeader: http.Header{"X-Team": {"shop"}}}
			nearAddr, _ := run(t, r)
			for _, sig := range signals {
				res, err := http.Post("http://"+nearAddr+sig.path, asJSON, nil)
				if err == nil {
					res.Body.Close()
				}
				if res, err = http.Post("http://"+nearAddr+sig.path, asProto, nil); err != nil || res.StatusCode != 200 {
					t.Fatalf("post: %v %v", res, err)
				}
				res.Body.Close()
			}
			for range signals {
				select {
				case <-far.got:
				case <-time.After(30 * time.Second):
					t.Fatalf("not passed on: %+v", r.Counts())
				}
			}
		})
	}
}

func TestForwardTarget(t *testing.T) {
	for _, target := range []string{"host:4318", "ftp://host", "http://", "http://:4318", "%"} {
		r := &Receiver{Store: &memory{}, Forward: target, HTTP: listenLoopback(t)}
		if err := r.Run(t.Context()); err == nil || CheckForward(target) == nil {
			t.Errorf("%q was taken", target)
		}
		if _, err := r.HTTP.Accept(); err == nil {
			t.Error("listener is still open")
		}
	}
}

// scripted is a sender that fails as it is told.
type scripted struct {
	fail  []error
	sent  int
	times []time.Time
	hold  chan struct{} // waits for it, when it is not nil
}

func (s *scripted) send(ctx context.Context, _ parcel) error {
	s.times = append(s.times, time.Now())
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.sent++
	if len(s.fail) == 0 {
		return nil
	}
	err := s.fail[0]
	s.fail = s.fail[1:]
	return err
}

func (s *scripted) close() error { return nil }

// TestForwardRetries: what may go away by itself is tried again after a while, the rest is dropped and
// counted.
func TestForwardRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := retry{error: context.DeadlineExceeded}
		to := &scripted{fail: []error{busy, retry{error: context.DeadlineExceeded, after: 3 * time.Second}, nil, http.ErrAbortHandler, busy, busy, busy}}
		f, r := startForwarder(t, to)
		began := time.Now()
		for range 3 {
			f.add(traces, nil)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.Counts(); got.Forwarded != 1 || got.Dropped != 2 {
			t.Errorf("counts %+v, want 1 passed on and 2 dropped", got)
		}
		want := []time.Duration{0, time.Second, 4 * time.Second, 4 * time.Second, 4 * time.Second, 5 * time.Second, 7 * time.Second}
		for i, at := range to.times {
			if i >= len(want) || at.Sub(began) != want[i] {
				t.Errorf("try %d after %v, want %v", i, at.Sub(began), want)
			}
		}
	})
}

// TestForwardFull: a far side that hangs holds nobody up; what does not fit is dropped and counted.
func TestForwardFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := startForwarder(t, &scripted{hold: make(chan struct{})})
		body := make([]byte, 1<<20)
		for range 100 {
			f.add(traces, body)
		}
		if got := r.Counts().Dropped; got < 90 {
			t.Errorf("%d dropped, want at least 90", got)
		}
	})
}

func startForwarder(t *testing.T, to sender) (*forwarder, *Receiver) {
	r := &Receiver{Store: &memory{}, Forward: "http://localhost"}
	s, err := r.server()
	if err != nil {
		t.Fatal(err)
	}
	f := s.forward
	f.to = to
	ctx, cancel := context.WithCancel(t.Context())
	var ended atomic.Bool
	go func() {
		f.run(ctx)
		ended.Store(true)
	}()
	t.Cleanup(func() {
		cancel()
		time.Sleep(2 * drainTime)
		synctest.Wait()
		if !ended.Load() {
			t.Error("forwarder goes on")
		}
	})
	return f, r
}

// TestForwardSlow: the receiver answers at once however slow the far side is.
func TestForwardSlow(t *testing.T) {
	release := make(chan struct{})
	far := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer far.Close()
	defer close(release)
	addr, _ := run(t, &Receiver{Store: &memory{}, Forward: far.URL})
	client := &http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for range 20 {
		res, err := client.Post("http://"+addr+"/v1/traces", asProto, nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
}
