package control

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"msctl.dev/msctl/internal/state"
)

// route is one thing that can be asked. Only POST changes anything, but for the questions, which have bodies.
type route struct {
	method, path string
	serve        func(s *Server, ctx context.Context, w http.ResponseWriter, req *http.Request) error
}

var routes = []route{
	{"GET", "/v1/info", serveInfo},
	{"GET", "/v1/snapshot", serveSnapshot},
	{"GET", "/v1/events", serveEvents},
	{"GET", "/v1/environment", serveEnvironment},
	{"POST", "/v1/ask/{verb}", serveAsk},
	{"GET", "/v1/edges", serveEdges},
	{"GET", "/v1/faults", serveFaults},
	{"POST", "/v1/faults/add", serveAddFaults},
	{"POST", "/v1/faults/remove", serveRemoveFaults},
	{"POST", "/v1/faults/clear", serveClearFaults},
	{"POST", "/v1/faults/keep", serveKeepLease},
	{"POST", "/v1/start", byNames(Fleet.Start)},
	{"POST", "/v1/stop", byNames(Fleet.Stop)},
	{"POST", "/v1/restart", byNames(Fleet.Restart)},
	{"POST", "/v1/scale", serveScale},
	{"POST", "/v1/reload", serveReload},
	{"POST", "/v1/down", serveDown},
}

func serveInfo(s *Server, _ context.Context, w http.ResponseWriter, _ *http.Request) error {
	info := s.Info
	info.Protocol = Protocol
	info.Detached = info.Detached || s.Freed != nil && s.Freed()
	return reply(w, info)
}

func serveSnapshot(s *Server, _ context.Context, w http.ResponseWriter, _ *http.Request) error {
	return reply(w, s.Fleet.Snapshot())
}

// serveEvents streams events after ?after=SEQ, one per line, until the client or the server goes.
func serveEvents(s *Server, ctx context.Context, w http.ResponseWriter, req *http.Request) error {
	after, err := sequence(req.FormValue("after"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(req.Context(), cancel)()
	events := s.Fleet.Follow(ctx, after)
	w.Header().Set("Content-Type", "application/x-ndjson")
	return stream(ctx, w, events)
}

func sequence(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, &Refusal{Status: http.StatusBadRequest, Text: "read after: not a sequence number"}
	}
	return n, nil
}

// stream writes each event as one line, several at once when they come fast. A reader that is stuck for
// longer than slow is dropped.
func stream(ctx context.Context, w http.ResponseWriter, events <-chan state.Event) error {
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Time{})
	hurry(w)
	enc := json.NewEncoder(w)
	w.WriteHeader(http.StatusOK)
	rc.Flush()
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev, open := <-events:
			if !open {
				return nil
			}
			hurry(w)
			if enc.Encode(ev) != nil {
				return nil
			}
			if len(events) == 0 && rc.Flush() != nil {
				return nil
			}
		}
	}
}

func serveEnvironment(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	unit := req.FormValue("unit")
	if unit == "" {
		return &Refusal{Status: http.StatusBadRequest, Text: "read unit: it is empty"}
	}
	env, err := s.Fleet.Environment(req.Context(), unit)
	if err != nil {
		return err
	}
	return reply(w, env)
}

// byNames serves what takes names of units.
func byNames(do func(Fleet, context.Context, []string) error) func(*Server, context.Context, http.ResponseWriter, *http.Request) error {
	return func(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
		var r namesRequest
		if err := decode(w, req, &r); err != nil {
			return err
		}
		if err := do(s.Fleet, req.Context(), r.Names); err != nil {
			return err
		}
		return reply(w, struct{}{})
	}
}

func serveScale(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	var r scaleRequest
	if err := decode(w, req, &r); err != nil {
		return err
	}
	if err := s.Fleet.Scale(req.Context(), r.Service, r.Replicas); err != nil {
		return err
	}
	return reply(w, struct{}{})
}

func serveReload(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	if err := decode(w, req, &struct{}{}); err != nil {
		return err
	}
	if err := s.Fleet.Reload(req.Context()); err != nil {
		return err
	}
	return reply(w, struct{}{})
}

// serveDown ends the fleet and answers when it has ended.
func serveDown(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	var r downRequest
	if err := decode(w, req, &r); err != nil {
		return err
	}
	s.Fleet.Down(r.Volumes)
	ended, err := s.Ended(req.Context())
	if err != nil {
		return err
	}
	ended.Error = s.mask(ended.Error)
	return reply(w, ended)
}
