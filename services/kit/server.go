package kit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// What a server allows one request.
const (
	maxBody        = 1 << 20
	maxHeader      = 64 << 10
	requestTimeout = 10 * time.Second
)

// TimeoutHeader tells a callee how many milliseconds its caller still waits.
const TimeoutHeader = "X-Request-Timeout-Ms"

// HandlerFunc is an http.Handler that may return an error, which is answered as a [Problem].
type HandlerFunc func(http.ResponseWriter, *http.Request) error

func (h HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h(w, r); err != nil {
		switch p := AsProblem(err); {
		case p.Status == http.StatusInternalServerError:
			logOf(r.Context()).ErrorContext(r.Context(), "request failed", "err", err)
		case p.Status > http.StatusInternalServerError:
			logOf(r.Context()).WarnContext(r.Context(), "request degraded", "err", err)
		}
		WriteProblem(w, r, err)
	}
}

// Handler puts around h what every server of the fleet does: correlation id, deadline, span and RED
// metrics (http.server.request.duration by route and status), recovery, body limit; and it answers
// /livez and /readyz.
func (a *App) Handler(h http.Handler) http.Handler {
	inner := a.guard(h)
	if a.Traced {
		inner = otelhttp.NewHandler(inner, a.Name, otelhttp.WithSpanNameFormatter(spanName))
	} else {
		inner = propagate(inner)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", a.livez)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.Handle("/", a.context(inner))
	return mux
}

func spanName(operation string, r *http.Request) string {
	if r.Pattern != "" {
		return r.Pattern
	}
	return r.Method
}

// route is the path of a pattern.
func route(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}

// context gives the request its correlation id, its deadline and the app's log.
func (a *App) context(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait := requestTimeout
		if ms, err := strconv.Atoi(r.Header.Get(TimeoutHeader)); err == nil && ms > 0 && !a.Public {
			wait = min(wait, time.Duration(ms)*time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		ctx = withLog(WithCorrelation(ctx, r.Header.Get(CorrelationHeader)), a.Log)
		w.Header().Set(CorrelationHeader, Correlation(ctx))
		r = r.WithContext(ctx)
		r.Pattern = "" // the / of the mux outside says nothing
		next.ServeHTTP(w, r)
	})
}

// guard limits the body and turns a panic into a problem. It keeps the request as it is: the
// pattern that the mux finds must reach the span outside.
func (a *App) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		span := trace.SpanFromContext(r.Context())
		span.SetAttributes(attribute.String("correlation.id", Correlation(r.Context())))
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		defer func() {
			v := recover()
			if r.Pattern != "" { // which the mux inside found
				span.SetAttributes(attribute.String("http.route", route(r.Pattern)))
			}
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			a.Log.ErrorContext(r.Context(), "request panicked", "err", fmt.Sprint(v))
			WriteProblem(w, r, errors.New("panic"))
		}()
		next.ServeHTTP(w, r)
	})
}

// unusedFor is how long a stopping server waits for the first request on a connection that it has
// taken already.
const unusedFor = 100 * time.Millisecond

// freshConns are connections without a request so far. Shutdown would wait five seconds for them,
// and clients open them ahead of need.
type freshConns struct{ conns sync.Map }

func (f *freshConns) note(c net.Conn, s http.ConnState) {
	if s == http.StateNew {
		f.conns.Store(c, nil)
		return
	}
	f.conns.Delete(c)
}

func (f *freshConns) close() {
	f.conns.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
}

// HTTP returns the part of a service that serves h on HTTP_PORT (or PORT) until its context ends:
// it is then not ready, takes no more connections, and finishes requests in flight within the grace.
func (a *App) HTTP(h http.Handler) func(context.Context) error {
	return func(ctx context.Context) error {
		ln, err := a.listen(ctx, "http", "HTTP_PORT", "PORT")
		if err != nil {
			return err
		}
		var fresh freshConns
		srv := &http.Server{
			ConnState:         fresh.note,
			Handler:           a.Handler(h),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       15 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       60 * time.Second,
			MaxHeaderBytes:    maxHeader,
		}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(ln) }()
		select {
		case err := <-done:
			return fmt.Errorf("serve http: %w", err)
		case <-ctx.Done():
		}
		a.health.stopping.Store(true)
		if !a.On("drain") {
			srv.Close()
			<-done
			return nil
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Grace)
		defer cancel()
		unused := time.AfterFunc(unusedFor, fresh.close)
		defer unused.Stop()
		err = srv.Shutdown(last)
		if err != nil {
			srv.Close()
		}
		<-done
		return err
	}
}
