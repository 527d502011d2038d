package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// maxBody bounds what a request may say.
const maxBody = 64 << 10

// slow is how long a stream may be stuck on its reader before it is dropped.
const slow = 5 * time.Second

// Server answers for one running fleet.
type Server struct {
	Fleet Fleet
	Info  Info
	Freed func() bool // it has lost its terminal and stays, though Info says that it has one; nil: it has not
	// Ended blocks until the fleet has ended and says how; the answer to a down waits for it.
	Ended func(ctx context.Context) (Ended, error)
	Log   *slog.Logger // nil discards
	// Ask answers questions on telemetry; nil: there is none.
	Ask  func(ctx context.Context, verb string, body []byte) (any, error)
	Mask func(string) string // hides secrets in what is refused and how it ended; nil hides nothing
}

// Serve answers on ln until ctx is cancelled, then lets answers under way finish for a second. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           s.handler(ctx),
		ReadHeaderTimeout: slow,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log().Handler(), slog.LevelError),
	}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		closed <- errors.Join(srv.Shutdown(end), srv.Close())
	})
	err := srv.Serve(ln)
	if stop() { // it ended by itself
		srv.Close()
		return err
	}
	<-closed
	return nil
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// handler dispatches by the route table. Streams end when ctx does.
func (s *Server) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
			if req.ContentLength > maxBody {
				s.refuse(w, &Refusal{Status: http.StatusRequestEntityTooLarge, Text: "the request is too large"})
				return
			}
			req.Body = http.MaxBytesReader(w, req.Body, maxBody)
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(slow))
			if err := r.serve(s, ctx, w, req); err != nil {
				s.log().Debug("request refused", "route", r.path, "err", err)
				s.refuse(w, err)
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		hurry(w) // what mux itself answers
		mux.ServeHTTP(w, req)
	})
}

// mask returns text that may be shown.
func (s *Server) mask(text string) string {
	if s.Mask == nil {
		return text
	}
	return s.Mask(text)
}

// refuse answers with an error in its own words.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	r := &Refusal{Status: http.StatusConflict, Text: err.Error()}
	var said *Refusal
	var large *http.MaxBytesError
	var hint interface{ Hint() string }
	switch {
	case errors.As(err, &said):
		r = said
	case errors.As(err, &large):
		r.Status = http.StatusRequestEntityTooLarge
	case errors.As(err, &hint):
		r.Hint = hint.Hint()
	}
	hurry(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.Status)
	json.NewEncoder(w).Encode(&Refusal{Text: s.mask(r.Text), Hint: s.mask(r.Hint)})
}

// hurry drops a reader that does not take what is written now for longer than slow.
func hurry(w http.ResponseWriter) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(slow))
}

func reply(w http.ResponseWriter, v any) error {
	hurry(w)
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// decode reads the one JSON object of a request, strictly.
func decode(w http.ResponseWriter, req *http.Request, v any) error {
	d := json.NewDecoder(req.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err == nil { // the work may take longer than the reading
		return http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return &Refusal{Status: http.StatusBadRequest, Text: "read request: " + err.Error()}
}
