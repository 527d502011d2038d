// Package stub serves a provider from its pacts, so that a consumer can run without it. It answers with the
// examples of the interactions that fit a request best.
package stub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"msctl.dev/msctl/contracts"
)

// Stub answers for one provider.
type Stub struct {
	Provider string
	Pacts    []contracts.Pact // of some or all of its consumers
	Seen     func(Call)       // is told each request; nil: nobody wants to know
}

// Call is one request and what it was answered from.
type Call struct {
	Request     string // "GET /users/ana", "shop.users.v1.UsersService/Get"
	Interaction string // title; "" where none fits
	Status      string // "200", "NOT_FOUND"
}

// StateHeader names a state: of interactions that fit equally, one that has it is answered from.
const StateHeader = "Pact-State"

// maxBody bounds the body of a request.
const maxBody = 8 << 20

// Handler serves the HTTP interactions.
func (s *Stub) Handler() http.Handler {
	all := s.interactions(contracts.HTTP)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := readRequest(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		i, ok := best(all, q, r.Header.Get(StateHeader))
		if !ok {
			s.nothing(w, r, all)
			return
		}
		s.seen(r.Method+" "+r.URL.Path, i.Title(), fmt.Sprint(i.Response.Status))
		answer(w, i.Response)
	})
}

func (s *Stub) interactions(kind contracts.Kind) []contracts.Interaction {
	var out []contracts.Interaction
	for _, p := range s.Pacts {
		for _, i := range p.Interactions {
			if i.Kind == kind && p.Provider == s.Provider {
				out = append(out, i)
			}
		}
	}
	return out
}

func (s *Stub) seen(request, interaction, status string) {
	if s.Seen != nil {
		s.Seen(Call{request, interaction, status})
	}
}

// answer writes the example of a response.
func answer(w http.ResponseWriter, r *contracts.Response) {
	body, err := r.Body.Bytes()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if r.Body != nil && r.Body.ContentType != "" {
		w.Header().Set("Content-Type", r.Body.ContentType)
	}
	for name, values := range r.Headers {
		w.Header().Del(name)
		for _, v := range values {
			w.Header().Add(name, v)
		}
	}
	w.WriteHeader(r.Status)
	w.Write(body)
}

// nothing says what there is instead of what was asked for.
func (s *Stub) nothing(w http.ResponseWriter, r *http.Request, all []contracts.Interaction) {
	s.seen(r.Method+" "+r.URL.Path, "", "501")
	var known []string
	for _, i := range all {
		known = append(known, i.Request.Method+" "+i.Request.Path)
	}
	slices.Sort(known)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusNotImplemented)
	json.NewEncoder(w).Encode(map[string]any{
		"title":  "no interaction",
		"status": http.StatusNotImplemented,
		"detail": fmt.Sprintf("no pact with %s says what %s %s answers", s.Provider, r.Method, r.URL.Path),
		"known":  strings.Join(slices.Compact(known), ", "),
	})
}
