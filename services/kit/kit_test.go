package kit

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

func testApp(t *testing.T, out io.Writer, env map[string]string) *App {
	t.Helper()
	app, err := New(t.Context(), "test", EnvMap(env), out)
	if err != nil {
		t.Fatalf("make app: %v", err)
	}
	return app
}

func serve(t *testing.T, app *App, h HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(app.Handler(h))
	t.Cleanup(srv.Close)
	return srv
}

func client(t *testing.T, app *App, to string) *Client {
	t.Helper()
	base, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	c := app.newClient("other", base)
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// sqlState is an error as a database's driver tells it.
type sqlState string

func (s sqlState) Error() string    { return "secret" }
func (s sqlState) SQLState() string { return string(s) }

func TestErrorsAreProblems(t *testing.T) {
	app := testApp(t, io.Discard, nil)
	tests := []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"problem", NotFound("no user %q", "7"), 404, "not-found"},
		{"wrapped", errors.Join(errors.New("secret"), Conflict("taken")), 409, "conflict"},
		{"open circuit", circuitbreaker.ErrOpen, 503, "unavailable"},
		{"deadline", context.DeadlineExceeded, 504, "timeout"},
		{"connection refused", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, 503, "unavailable"},
		{"connection ended", fmt.Errorf("read secret: %w", io.ErrUnexpectedEOF), 503, "unavailable"},
		{"connection known bad", driver.ErrBadConn, 503, "unavailable"},
		{"database silent", fmt.Errorf("%w: secret", ErrSilent), 503, "unavailable"},
		{"others in the way", fmt.Errorf("%w: secret", ErrBusy), 503, "unavailable"},
		{"database stopping", sqlState("57P01"), 503, "unavailable"},
		{"database gone", sqlState("08006"), 503, "unavailable"},
		{"database knows no such table", sqlState("42P01"), 500, "internal"},
		{"database is out of shape", sqlState("XX000"), 500, "internal"},
		{"no such file", &os.PathError{Op: "open", Err: syscall.ENOENT}, 500, "internal"},
		{"any other", errors.New("secret"), 500, "internal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, app, func(http.ResponseWriter, *http.Request) error { return tt.err })
			req, _ := http.NewRequest("GET", srv.URL, nil)
			req.Header.Set(CorrelationHeader, "c-1")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			var p Problem
			if err := json.Unmarshal(body, &p); err != nil {
				t.Fatalf("answer %s: %v", body, err)
			}
			if p.Status != tt.status || resp.StatusCode != tt.status || p.Code != tt.code {
				t.Errorf("got %d %+v, want %d %s", resp.StatusCode, p, tt.status, tt.code)
			}
			if p.Correlation != "c-1" || resp.Header.Get(CorrelationHeader) != "c-1" {
				t.Errorf("correlation %q, header %q, want c-1", p.Correlation, resp.Header.Get(CorrelationHeader))
			}
			if strings.Contains(string(body), "secret") {
				t.Errorf("the answer tells a secret: %s", body)
			}
			if got, want := resp.Header.Get("Retry-After") != "", tt.status == 503 || tt.status == 504; got != want {
				t.Errorf("Retry-After is there: %v, want %v", got, want)
			}
		})
	}
}

func TestPanicIsAnswered(t *testing.T) {
	srv := serve(t, testApp(t, io.Discard, nil), func(http.ResponseWriter, *http.Request) error { panic("oops") })
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, want := resp.StatusCode, 500; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func TestBodyIsLimited(t *testing.T) {
	srv := serve(t, testApp(t, io.Discard, nil), func(_ http.ResponseWriter, r *http.Request) error {
		var v string
		return Read(r, &v)
	})
	resp, err := http.Post(srv.URL, "application/json", strings.NewReader(`"`+strings.Repeat("x", maxBody)+`"`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, want := resp.StatusCode, 413; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, body := range []string{``, `{"a":1,"b":2}`, `{"a":1}{"a":2}`, `{"a":"x"}`} {
		var in struct{ A int }
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		if err := Read(r, &in); AsProblem(err).Status != 400 {
			t.Errorf("read %q: got %v, want a 400", body, err)
		}
	}
}

func TestReadyzNamesWhatIsMissing(t *testing.T) {
	app := testApp(t, io.Discard, nil)
	var down atomic.Bool
	app.Check("db", func(context.Context) error {
		if down.Load() {
			return errors.New("gone")
		}
		return nil
	})
	srv := serve(t, app, func(http.ResponseWriter, *http.Request) error { return nil })
	for _, want := range []int{200, 503, 200} {
		down.Store(want == 503)
		resp, err := http.Get(srv.URL + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want || strings.Contains(string(body), `"db":"gone"`) != (want == 503) {
			t.Errorf("got %d %s, want %d", resp.StatusCode, body, want)
		}
	}
}

// TestIdsTravel calls a service through another: both see one trace and one correlation id, and
// so do their logs.
func TestIdsTravel(t *testing.T) {
	var log bytes.Buffer
	app := testApp(t, &log, nil)
	var got http.Header
	last := serve(t, app, func(_ http.ResponseWriter, r *http.Request) error {
		got = r.Header
		app.Log.InfoContext(r.Context(), "here")
		return nil
	})
	c := client(t, app, last.URL)
	first := serve(t, app, func(_ http.ResponseWriter, r *http.Request) error {
		return c.JSON(r.Context(), "GET", "/", nil, nil)
	})
	req, _ := http.NewRequest("GET", first.URL, nil)
	req.Header.Set(CorrelationHeader, "c-2")
	req.Header.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got.Get(CorrelationHeader) != "c-2" || !strings.Contains(got.Get("traceparent"), "4bf92f3577b34da6a3ce929d0e0e4736") {
		t.Errorf("the second service was sent %v", got)
	}
	if got.Get(TimeoutHeader) == "" {
		t.Error("no deadline travelled")
	}
	for _, want := range []string{`"trace":"4bf92f3577b34da6a3ce929d0e0e4736"`, `"correlation":"c-2"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, log.String())
		}
	}
}

func TestDeadlineOfCallerHolds(t *testing.T) {
	srv := serve(t, testApp(t, io.Discard, nil), func(_ http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return r.Context().Err()
	})
	req, _ := http.NewRequest("GET", srv.URL, nil)
	req.Header.Set(TimeoutHeader, "5")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got, want := resp.StatusCode, 504; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// TestStrangersSetNoDeadline calls a public service that answers once its own deadline is known to be far.
func TestStrangersSetNoDeadline(t *testing.T) {
	app := testApp(t, io.Discard, nil)
	app.Public = true
	srv := serve(t, app, func(w http.ResponseWriter, r *http.Request) error {
		if deadline, ok := r.Context().Deadline(); !ok || time.Until(deadline) < time.Second {
			return r.Context().Err()
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	req, _ := http.NewRequest("GET", srv.URL, nil)
	req.Header.Set(TimeoutHeader, "5")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got, want := resp.StatusCode, 204; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// TestOnlyIdempotentIsRetried shows a call that fails once: a GET is sent again, a POST is not,
// unless it has a key.
func TestOnlyIdempotentIsRetried(t *testing.T) {
	tests := []struct {
		name, method, key string
		want              int32
	}{{"get", "GET", "", 2}, {"put", "PUT", "", 2}, {"post", "POST", "", 1}, {"post with a key", "POST", "k", 2}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var calls atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if string(body) != "body" {
					t.Errorf("call %d has body %q", calls.Load(), body)
				}
				if calls.Add(1) == 1 {
					w.WriteHeader(503)
				}
			}))
			defer srv.Close()
			c := client(t, testApp(t, io.Discard, nil), srv.URL)
			req, _ := http.NewRequest(tt.method, srv.URL, strings.NewReader("body"))
			if tt.key != "" {
				req.Header.Set("Idempotency-Key", tt.key)
			}
			resp, err := c.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := calls.Load(); got != tt.want {
				t.Errorf("got %d calls, want %d", got, tt.want)
			}
		})
	}
}

// roundTrip is a transport that answers with a status.
type roundTrip func() int

func (f roundTrip) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: f(), Header: http.Header{}, Body: http.NoBody}, nil
}

// TestAnswerIsCut has an answer break off, and one that is none: the service behind is to blame.
func TestAnswerIsCut(t *testing.T) {
	for _, body := range []string{`{"a": `, `<html>`} {
		srv := serve(t, testApp(t, io.Discard, nil), func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.WriteString(w, body)
			return err
		})
		var out struct{ A int }
		err := client(t, testApp(t, io.Discard, nil), srv.URL).JSON(t.Context(), "GET", "/", nil, &out)
		if got := AsProblem(err).Status; got != 502 {
			t.Errorf("%s: got %d, %v; want 502", body, got, err)
		}
	}
}

// TestCircuitOpens shows that a service that keeps failing is left alone, and found again.
func TestCircuitOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, status := 0, 500
		c := client(t, testApp(t, io.Discard, nil), "http://other.example")
		c.http.Transport = newResilient(c.circuit, roundTrip(func() int { calls++; return status }))
		call := func() error { return c.JSON(t.Context(), "POST", "/", nil, nil) }
		for range 20 {
			_ = call()
		}
		if calls < 5 || calls > 10 || !c.Open() {
			t.Errorf("got %d calls, open %v; want the circuit open after 5 to 10", calls, c.Open())
		}
		if err := call(); AsProblem(err).Status != 503 {
			t.Errorf("got %v, want a 503", err)
		}
		status = 200
		time.Sleep(2 * time.Second)
		if err := call(); err != nil || c.Open() {
			t.Errorf("a second later: got %v, open %v; want an answer and the circuit closed", err, c.Open())
		}
	})
}

func addrTo(ch chan string) func(string, net.Addr) {
	return func(_ string, a net.Addr) { ch <- a.String() }
}

// TestStopDrains asks a server to stop while a request is in flight: it is answered, and the
// server's part ends after it.
func TestStopDrains(t *testing.T) {
	app := testApp(t, io.Discard, nil)
	addr := make(chan string, 1)
	app.Listening = addrTo(addr)
	ctx, stop := context.WithCancel(t.Context())
	entered, finish := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- app.HTTP(HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			close(entered)
			<-finish
			return r.Context().Err()
		}))(ctx)
	}()
	answer := make(chan int, 1)
	go func() {
		resp, err := http.Get("http://" + <-addr)
		if err != nil {
			answer <- 0
			return
		}
		resp.Body.Close()
		answer <- resp.StatusCode
	}()
	<-entered
	stop()
	select {
	case err := <-done:
		t.Fatalf("ended before the request: %v", err)
	default:
	}
	close(finish)
	if got, want := <-answer, 200; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// TestNoTelemetryCostsNothing starts an app without an endpoint: no goroutine is left behind.
func TestNoTelemetryCostsNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	app := testApp(t, io.Discard, nil)
	if got := runtime.NumGoroutine(); got > before || app.Traced {
		t.Errorf("got %d goroutines, traced %v; want %d and false", got, app.Traced, before)
	}
}

// TestTelemetryLeaves sends a span, a metric and a log line to a receiver over http/protobuf.
func TestTelemetryLeaves(t *testing.T) {
	paths := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == "application/x-protobuf" {
			paths <- r.URL.Path
		}
	}))
	defer receiver.Close()
	app := testApp(t, io.Discard, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_RESOURCE_ATTRIBUTES": "a=b",
	})
	srv := serve(t, app, func(_ http.ResponseWriter, r *http.Request) error {
		app.Log.InfoContext(r.Context(), "here")
		return nil
	})
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	err = app.Run(t.Context(), func(context.Context, *App) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	close(paths)
	got := map[string]bool{}
	for p := range paths {
		got[p] = true
	}
	for _, want := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
		if !got[want] {
			t.Errorf("nothing came to %s", want)
		}
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
}

// TestStopDoesNotWaitForUnused stops a server that has a connection on which nothing was ever sent.
func TestStopDoesNotWaitForUnused(t *testing.T) {
	app := testApp(t, io.Discard, map[string]string{"GRACE": "1h"})
	addr := make(chan string, 1)
	app.Listening = addrTo(addr)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	accepted := make(chan struct{})
	app.Check("accepted", func(context.Context) error { close(accepted); return nil })
	go func() { done <- app.HTTP(http.NotFoundHandler())(ctx) }()
	to := <-addr
	c, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	resp, err := http.Get("http://" + to + "/readyz") // taken behind the other one
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-accepted
	begin := time.Now()
	stop()
	if err := <-done; err != nil || time.Since(begin) > 4*time.Second {
		t.Errorf("stopped after %v, %v", time.Since(begin), err)
	}
}

// TestLimit reads ?limit= up to its bound, and what is usual where nothing is said.
func TestLimit(t *testing.T) {
	for query, want := range map[string]int{"": 50, "?limit=1": 1, "?limit=200": 200, "?limit=0": 0, "?limit=201": 0, "?limit=x": 0} {
		r := httptest.NewRequest("GET", "/"+query, nil)
		if got, err := Limit(r, 50, 200); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v; want %d", query, got, err, want)
		}
	}
}
