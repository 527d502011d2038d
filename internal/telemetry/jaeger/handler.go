// Package jaeger answers Jaeger's query API over HTTP, so that Jaeger's UI and Grafana's Jaeger data source
// show the traces of a stack.
package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Store is where the traces are.
type Store interface {
	Search(ctx context.Context, q telemetry.Query) (telemetry.TracePage, error)
	Spans(ctx context.Context, id telemetry.TraceID) ([]telemetry.Span, error)
	ScanKeys(ctx context.Context, since, until time.Time, keys []string, fn func(*telemetry.Span) bool) error
}

// Handler serves /api/services, /api/operations, /api/traces and /api/dependencies.
type Handler struct {
	Store Store
	// Map says who called whom; nil: no dependencies are known.
	Map func(ctx context.Context, since, until time.Time) (telemetry.Map, error)
	Now func() time.Time // nil: the clock

	once  sync.Once
	mux   *http.ServeMux
	names names
}

// Bounds of one answer.
const (
	maxTraces = 1500
	maxSpans  = 200_000
)

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.once.Do(h.routes)
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) routes() {
	h.names.turn = make(chan struct{}, 1)
	h.mux = http.NewServeMux()
	for pattern, answer := range map[string]func(*http.Request) (response, error){
		"GET /api/services":                      h.services,
		"GET /api/services/{service}/operations": h.operationNames,
		"GET /api/operations":                    h.operations,
		"GET /api/traces":                        h.search,
		"GET /api/traces/{id}":                   h.trace,
		"GET /api/dependencies":                  h.dependencies,
	} {
		h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			res, err := answer(r)
			if err != nil {
				res = refusal(err)
			}
			res.write(w, r)
		})
	}
}

func (h *Handler) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

// response is what every answer looks like.
type response struct {
	Data   any       `json:"data"`
	Total  int       `json:"total"`
	Limit  int       `json:"limit"`
	Offset int       `json:"offset"`
	Errors []problem `json:"errors"`
}

type problem struct {
	Code    int    `json:"code,omitempty"`
	Msg     string `json:"msg"`
	TraceID string `json:"traceID,omitempty"`
}

// badRequest is an error of whoever asks.
type badRequest struct{ error }

func refusal(err error) response {
	code := http.StatusInternalServerError
	var bad badRequest
	switch {
	case errors.As(err, &bad):
		code = http.StatusBadRequest
	case errors.Is(err, telemetry.ErrNoTrace):
		code, err = http.StatusNotFound, errors.New("trace not found")
	}
	return response{Errors: []problem{{Code: code, Msg: err.Error()}}}
}

func (res response) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if res.Data == nil && len(res.Errors) > 0 && res.Errors[0].Code != 0 {
		w.WriteHeader(res.Errors[0].Code)
	}
	e := json.NewEncoder(w)
	if pretty, _ := strconv.ParseBool(r.FormValue("prettyPrint")); pretty {
		e.SetIndent("", "    ")
	}
	e.Encode(res) // an error is of a client that has gone
}

func (h *Handler) services(r *http.Request) (response, error) {
	known, err := h.known(r.Context())
	if err != nil {
		return response{}, err
	}
	list := known.services()
	return response{Data: list, Total: len(list)}, nil
}

func (h *Handler) operationNames(r *http.Request) (response, error) {
	known, err := h.known(r.Context())
	if err != nil {
		return response{}, err
	}
	list := known.operationNames(r.PathValue("service"))
	return response{Data: list, Total: len(list)}, nil
}

func (h *Handler) operations(r *http.Request) (response, error) {
	service := r.FormValue("service")
	if service == "" {
		return response{}, badRequest{errors.New("parameter 'service' is required")}
	}
	known, err := h.known(r.Context())
	if err != nil {
		return response{}, err
	}
	list := known.operations(service, r.FormValue("spanKind"))
	return response{Data: list, Total: len(list)}, nil
}

func (h *Handler) search(r *http.Request) (response, error) {
	q, err := h.read(r)
	if err != nil {
		return response{}, badRequest{err}
	}
	ids := q.ids
	if len(ids) == 0 {
		page, err := h.Store.Search(r.Context(), q.Query)
		if err != nil {
			return response{}, err
		}
		for _, t := range page.Traces {
			ids = append(ids, t.ID)
		}
	}
	return h.traces(r.Context(), ids)
}

// traces answers with all of these traces. One that is not there is named among the errors.
func (h *Handler) traces(ctx context.Context, ids []telemetry.TraceID) (response, error) {
	found := []trace{}
	res := response{}
	spans := 0
	for _, id := range ids {
		if spans > maxSpans {
			res.Errors = append(res.Errors, problem{Msg: fmt.Sprintf("answer ends after %d traces with %d spans, ask for fewer", len(found), spans)})
			break
		}
		of, err := h.Store.Spans(ctx, id)
		if errors.Is(err, telemetry.ErrNoTrace) {
			res.Errors = append(res.Errors, problem{Msg: "trace not found", TraceID: id.String()})
			continue
		}
		if err != nil {
			return response{}, err
		}
		spans += len(of)
		found = append(found, convert(id, of))
	}
	res.Data = found
	return res, nil
}

func (h *Handler) trace(r *http.Request) (response, error) {
	id, err := traceID(r.PathValue("id"))
	if err != nil {
		return response{}, badRequest{err}
	}
	of, err := h.Store.Spans(r.Context(), id)
	if err != nil {
		return response{}, err
	}
	return response{Data: []trace{convert(id, of)}}, nil
}

// dependency is one caller and callee.
type dependency struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount int64  `json:"callCount"`
}

func (h *Handler) dependencies(r *http.Request) (response, error) {
	end, err := millis(r, "endTs", h.now().UnixMilli())
	if err != nil {
		return response{}, badRequest{err}
	}
	lookback, err := millis(r, "lookback", (24 * time.Hour).Milliseconds())
	if err != nil {
		return response{}, badRequest{err}
	}
	list := []dependency{}
	if h.Map == nil {
		return response{Data: list}, nil
	}
	m, err := h.Map(r.Context(), time.UnixMilli(end-lookback), time.UnixMilli(end))
	if err != nil {
		return response{}, err
	}
	service := r.FormValue("service")
	for _, e := range m.Edges {
		if e.From != "" && e.Count > 0 && (service == "" || service == e.From || service == e.To) {
			list = append(list, dependency{e.From, e.To, e.Count})
		}
	}
	return response{Data: list}, nil
}
