package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"msctl.dev/msctl/internal/telemetry"
)

const (
	asProto = "application/x-protobuf"
	asJSON  = "application/json"
)

type connKey struct{}

// serveHTTP serves until ctx ends.
func (s *server) serveHTTP(ctx context.Context) error {
	srv := &http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: s.timeout / 2,
		ReadTimeout:       s.timeout,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if srv.Shutdown(drain) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(s.listen(s.HTTP))
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve OTLP over HTTP: %w", err)
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	for sig := range signals {
		mux.HandleFunc("POST "+signals[sig].path, func(w http.ResponseWriter, r *http.Request) { s.export(w, r, signal(sig)) })
	}
	mux.HandleFunc("GET /metrics", s.prometheus)
	mux.HandleFunc("GET /{$}", s.index)
	if s.Handler != nil {
		mux.Handle("/api/", s.Handler)
	}
	return mux
}

// export answers one OTLP/HTTP request.
func (s *server) export(w http.ResponseWriter, r *http.Request, sig signal) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		defer c.touch()
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != asProto && kind != asJSON {
		s.refuse(w, asProto, http.StatusUnsupportedMediaType, errors.New("content type is neither "+asProto+" nor "+asJSON))
		return
	}
	res, err := s.receive(w, r, sig, kind)
	if err != nil {
		s.refuse(w, kind, statusOf(err), err)
		return
	}
	w.Header().Set("Content-Type", kind)
	if kind == asJSON {
		w.Write(answerJSON(sig, res))
		return
	}
	w.Write(answer(res))
}

func (s *server) receive(w http.ResponseWriter, r *http.Request, sig signal, kind string) (telemetry.Result, error) {
	b, err := s.read(w, r)
	if err != nil {
		s.unread(err)
		return telemetry.Result{}, err
	}
	defer s.free(b)
	request := b.bytes
	if kind == asJSON {
		if request, err = s.transcode(r.Context(), sig, request); err != nil {
			s.counts.malformed.Add(1)
			return telemetry.Result{}, err
		}
	}
	return s.ingest(sig, request)
}

// unread counts a body that was not read to its end.
func (s *server) unread(err error) {
	switch {
	case errors.Is(err, errLarge):
		s.counts.tooLarge.Add(1)
	case errors.Is(err, errBusy):
		s.counts.full.Add(1)
	default:
		s.counts.malformed.Add(1)
	}
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, telemetry.ErrFull), errors.Is(err, errBusy):
		return http.StatusTooManyRequests
	case errors.Is(err, errLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errEncoding):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}

// refuse answers with a google.rpc.Status, as OTLP asks for.
func (s *server) refuse(w http.ResponseWriter, kind string, code int, err error) {
	st := &spb.Status{Code: int32(codes.InvalidArgument), Message: err.Error()}
	switch code {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
		st.Code = int32(codes.ResourceExhausted)
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		w.Header().Set("Connection", "close")
		st.Code = int32(codes.ResourceExhausted)
	}
	w.Header().Set("Content-Type", kind)
	b, _ := proto.Marshal(st)
	if kind == asJSON {
		b, _ = protojson.Marshal(st)
	}
	w.WriteHeader(code)
	w.Write(b)
}

// index says what is to be found here.
func (s *server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, `msctl receives the telemetry of a stack here.

POST /v1/traces   OTLP: protobuf or JSON, gzip or zstd
POST /v1/logs
POST /v1/metrics
GET  /metrics     metrics of the services and of the edges between them, for Prometheus
`)
	if s.Handler != nil {
		fmt.Fprint(w, `GET  /api/…       Jaeger's query API: point Jaeger's UI or Grafana's Jaeger data source at this address
`)
	}
}
