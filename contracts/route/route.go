// Package route knows the operations of services by the routes that they tell in their traces, so that
// /users/a and /users/b are one.
package route

import (
	"net/url"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/telemetry"
)

// ID stands for any text in one part of a path.
const ID = "{id}"

// most is how many routes of one service are kept. A service with more tells paths, not routes.
const most = 1000

// Table is the routes of services. Its zero value is empty, and nil knows none. It is not safe for concurrent use.
type Table struct {
	of map[string][]route // by service and method
}

// route is the parts of a path; open ones are [ID].
type route []string

// Keys are the attributes of spans that [Table.Add] reads.
var Keys = []string{"http.request.method", "http.route"}

// Add takes the route out of a span in which a service answers a request. By convention it is an attribute, and
// behind the method in the name; where a service has a router within another, only the name may have it all.
func (t *Table) Add(s *telemetry.Span) {
	method := s.Word("http.request.method")
	if s.Kind != telemetry.Server || s.Service == "" || method == "" {
		return
	}
	text := s.Word("http.route")
	if _, behind, ok := strings.Cut(text, " /"); ok {
		text = "/" + behind
	}
	if text == "" || strings.HasSuffix(text, "/") || strings.HasSuffix(text, "*") {
		text, _ = strings.CutPrefix(s.Name, method+" ")
	}
	r, ok := parse(text)
	key := s.Service + " " + strings.ToUpper(method)
	if !ok || len(t.of[key]) >= most || slices.ContainsFunc(t.of[key], func(o route) bool { return slices.Equal(o, r) }) {
		return
	}
	if t.of == nil {
		t.of = map[string][]route{}
	}
	t.of[key] = append(t.of[key], r)
}

// parse reads a route as frameworks write it: {id}, {id:[0-9]+}, :id, <int:id> and [id] are open. One that ends in
// whatever comes is none.
func parse(text string) (route, bool) {
	if !strings.HasPrefix(text, "/") || strings.Contains(text, "*") || strings.Contains(text, "...") {
		return nil, false
	}
	r := route(strings.Split(text, "/"))
	for i, part := range r {
		if part == "{$}" {
			r[i] = ""
		} else if open(part) {
			r[i] = ID
		}
	}
	return r, true
}

func open(part string) bool {
	if strings.HasPrefix(part, ":") && len(part) > 1 {
		return true
	}
	for _, marks := range []string{"{}", "<>", "[]"} {
		if len(part) > 1 && part[0] == marks[0] && part[len(part)-1] == marks[1] {
			return true
		}
	}
	return false
}

// Fold returns the route that a path is of, with [ID] for what it leaves open, or false where the service has told
// of none. Of several that fit, the one with the most words counts: /users/search goes before /users/{id}.
func (t *Table) Fold(service, method, path string) (string, bool) {
	if t == nil {
		return "", false
	}
	parts := strings.Split(path, "/")
	var best route
	words := -1
	for _, r := range t.of[service+" "+strings.ToUpper(method)] {
		if n, ok := r.fits(parts); ok && n > words {
			best, words = r, n
		}
	}
	return strings.Join(best, "/"), words >= 0
}

// fits reports whether a path is of the route, and how many words they share.
func (r route) fits(parts []string) (words int, ok bool) {
	if len(parts) != len(r) {
		return 0, false
	}
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			part = plain
		}
		switch {
		case r[i] == ID && part != "":
		case r[i] == part:
			words++
		default:
			return 0, false
		}
	}
	return words, true
}
