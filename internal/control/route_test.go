package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRoutes is promise J6: every route of the table against every sort of bad request.
func TestRoutes(t *testing.T) {
	f := newFake()
	h := (&Server{Fleet: f, Ended: f.ended, Ask: echo}).handler(t.Context())
	for _, r := range routes {
		path := r.path
		if path == "/v1/events" {
			path += "?after=x" // a good one would stream
		}
		cases := []struct {
			name, method, body string
			want               int
		}{
			{"huge body", r.method, strings.Repeat("x", 10<<20), http.StatusRequestEntityTooLarge},
			{"wrong method", "DELETE", "", http.StatusMethodNotAllowed},
			{"other method", map[string]string{"GET": "POST", "POST": "GET"}[r.method], "", http.StatusMethodNotAllowed},
		}
		if r.method == "POST" {
			cases = append(cases, []struct {
				name, method, body string
				want               int
			}{
				{"no body", "POST", "", http.StatusBadRequest},
				{"not JSON", "POST", "{", http.StatusBadRequest},
				{"not an object", "POST", "[]", http.StatusBadRequest},
				{"unknown key", "POST", `{"surprise":1}`, http.StatusBadRequest},
				{"two objects", "POST", `{}{}`, http.StatusBadRequest},
				{"deep", "POST", strings.Repeat("[", 20000), http.StatusBadRequest},
			}...)
		}
		for _, c := range cases {
			t.Run(r.path+"/"+c.name, func(t *testing.T) {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, path, strings.NewReader(c.body)))
				if w.Code != c.want {
					t.Errorf("got %d %s, want %d", w.Code, w.Body, c.want)
				}
			})
		}
	}
	if len(f.asked) != 0 {
		t.Errorf("a bad request reached the fleet: %v", f.asked)
	}
}

// echo answers the verb "echo" with what was asked.
func echo(_ context.Context, verb string, body []byte) (any, error) {
	var q struct{ Say string }
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil || d.More() {
		return nil, fmt.Errorf("%w: %v", ErrBadQuestion, err)
	}
	if verb != "echo" {
		return nil, ErrUnknownQuestion
	}
	return q, nil
}

func TestAsk(t *testing.T) {
	f := newFake()
	ask := func(s *Server, verb, body string) (int, string) {
		w := httptest.NewRecorder()
		s.handler(t.Context()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/v1/ask/"+verb, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	s := &Server{Fleet: f, Ended: f.ended, Ask: echo}
	if code, body := ask(s, "echo", `{"say":"hello"}`); code != http.StatusOK || !strings.Contains(body, "hello") {
		t.Errorf("got %d %s", code, body)
	}
	if code, body := ask(s, "nosuch", `{}`); code != http.StatusNotFound || !strings.Contains(body, "another version") {
		t.Errorf("got %d %s", code, body)
	}
	s.Ask = nil
	if code, body := ask(s, "echo", `{}`); code != http.StatusNotFound || !strings.Contains(body, "telemetry is off") {
		t.Errorf("got %d %s", code, body)
	}
}

func TestBadQueries(t *testing.T) {
	f := newFake()
	h := (&Server{Fleet: f, Ended: f.ended}).handler(t.Context())
	for path, want := range map[string]int{
		"/v1/events?after=-1":            http.StatusBadRequest,
		"/v1/events?after=x":             http.StatusBadRequest,
		"/v1/environment":                http.StatusBadRequest,
		"/v1/environment?unit=nobody":    http.StatusConflict,
		"/v1/environment?unit=../../etc": http.StatusOK, // a name is never a path: the fleet decides
		"/v2/info":                       http.StatusNotFound,
		"/":                              http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
}
