package proxy

import (
	"strings"
	"sync/atomic"
)

// Match says on which requests a fault acts. Its zero value is all.
type Match struct {
	Path      string   // of HTTP: "/v1/orders/{id}", "/v1/*"; else the same as Operation
	Operation string   // name of the call with a star where anything goes; method of gRPC, part of a statement, subject of a message
	Method    string   // of HTTP, or the verb of a statement or command
	Header    Header   // that the request has; Value "" is any
	Name      string   // of the call, in full: "GET /v1/orders/{id}"
	Trace     [16]byte // that it is part of

	// Of those that match so far, counted from 1 in the order in which they come:
	Nth   uint64 // only this one
	First uint64 // only the first ones
	Every uint64 // only the first of so many, again and again: 2 is every other one
}

// Matcher counts the requests that match, for one fault. It is safe for concurrent use.
type Matcher struct {
	Match
	Edge, Fault string // whose coin it is
	Seed        uint64

	seen atomic.Uint64
}

// Hit reports whether the fault acts on a request, and returns the number of that among all that match.
func (m *Matcher) Hit(r *Request) (n uint64, hit bool) {
	if !m.matches(r) {
		return 0, false
	}
	n = m.seen.Add(1)
	switch {
	case m.Nth > 0 && n != m.Nth, m.First > 0 && n > m.First, m.Every > 0 && (n-1)%m.Every != 0:
		return n, false
	}
	return n, true
}

// Coin is a number in [0,1) for the n-th request.
func (m *Matcher) Coin(n uint64) float64 { return Coin(m.Seed, m.Edge, m.Fault, n) }

func (m *Match) matches(r *Request) bool {
	switch {
	case m.Trace != [16]byte{} && m.Trace != r.Trace,
		m.Name != "" && m.Name != r.Name && m.Name != r.alias,
		m.Method != "" && !strings.EqualFold(m.Method, r.Method):
		return false
	}
	if m.Header.Name != "" {
		v, ok := r.Header(strings.ToLower(m.Header.Name))
		if !ok || m.Header.Value != "" && v != m.Header.Value {
			return false
		}
	}
	switch {
	case m.Path == "":
	case r.Protocol == "http" && !matchPath(m.Path, r.Path), r.Protocol != "http" && !r.does(m.Path):
		return false
	}
	return m.Operation == "" || r.does(m.Operation)
}

// does reports whether the request is of an operation. Case matters in nothing but paths and subjects.
func (r *Request) does(operation string) bool {
	switch r.Protocol {
	case "http":
	case "grpc":
		if matchPath("/"+strings.TrimPrefix(operation, "/"), r.Path) || matchMethod(operation, r.Path) {
			return true
		}
	case "amqp", "nats":
		_, key, _ := strings.Cut(r.Path, "/")
		if glob(operation, r.Path) || glob(operation, key) {
			return true
		}
	default:
		if glob("*"+strings.ToLower(operation)+"*", strings.ToLower(r.Path)) {
			return true
		}
	}
	return glob(strings.ToLower(operation), strings.ToLower(r.Name))
}

// glob compares a text with a pattern, in which a star is any text.
func glob(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	s, ok := strings.CutPrefix(s, first)
	for ok && star {
		if first, rest, star = strings.Cut(rest, "*"); !star {
			return strings.HasSuffix(s, first)
		}
		_, s, ok = strings.Cut(s, first)
	}
	return ok && s == ""
}

// matchMethod reports whether a gRPC method is meant by its last part: "Charge".
func matchMethod(want, path string) bool {
	return !strings.Contains(want, "/") && strings.HasSuffix(path, "/"+want)
}

// matchPath compares a path with a template. A segment in braces is any one; a star at the end is any rest.
func matchPath(want, path string) bool {
	for {
		w, wrest, wmore := strings.Cut(want, "/")
		p, prest, pmore := strings.Cut(path, "/")
		switch {
		case !wmore && strings.HasSuffix(w, "*"):
			return strings.HasPrefix(p, strings.TrimSuffix(w, "*"))
		case w != p && !(len(w) > 2 && w[0] == '{' && w[len(w)-1] == '}' && p != ""):
			return false
		case !wmore || !pmore:
			return wmore == pmore
		}
		want, path = wrest, prest
	}
}
