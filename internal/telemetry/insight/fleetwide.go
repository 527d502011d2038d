package insight

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/telemetry"
)

// cycles finds services that call each other in a circle while they wait.
func cycles(all []*seen, topo *Topology, report report) {
	next := map[string][]string{}
	example := map[string]shown{}
	for _, x := range all {
		for i := range x.made {
			c := &x.made[i]
			if c.async || !topo.service(c.from) || !topo.service(c.to) {
				continue
			}
			if !slices.Contains(next[c.from], c.to) {
				next[c.from] = append(next[c.from], c.to)
				example[c.edge] = x.shown()
			}
		}
	}
	for _, from := range topo.Services {
		ring := shortestRing(next, from)
		if ring == nil || slices.Min(ring) != from { // each once, from its first name on
			continue
		}
		text := strings.Join(append(slices.Clone(ring), from), " -> ")
		for i, name := range ring {
			report(from, "", "services call each other in a circle: "+text,
				"break it: let one side publish an event, or move what both need", example[name+":"+ring[(i+1)%len(ring)]], float64(len(ring)))
		}
	}
}

// shortestRing returns the shortest way from a name back to itself, or nil.
func shortestRing(next map[string][]string, from string) []string {
	paths := [][]string{{from}}
	been := map[string]bool{}
	for len(paths) > 0 {
		path := paths[0]
		paths = paths[1:]
		for _, to := range next[path[len(path)-1]] {
			if to == from {
				return path
			}
			if !been[to] {
				been[to] = true
				paths = append(paths, append(slices.Clone(path), to))
			}
		}
	}
	return nil
}

// lostContext finds services that take part in traces and do not hand them on: while one served exactly
// one request of one trace, a call of it began another trace.
func lostContext(all []*seen, topo *Topology, report report) {
	served := map[string][]request{}
	for _, x := range all {
		for i := range x.spans {
			if name, ok := serves(&x.spans[i]); ok {
				served[name] = append(served[name], request{x.name, &x.spans[i]})
			}
		}
	}
	for _, x := range all {
		for i := range x.made {
			c := &x.made[i]
			s := &x.spans[c.span]
			tied := s.Word(inferred) != ""
			if c.async || c.failed || c.from == "" || !topo.service(c.to) || s.Parent != (telemetry.SpanID{}) && !tied {
				continue
			}
			outer := during(served[c.from], s, x.name, tied)
			if outer == nil {
				continue
			}
			report(c.edge, "", fmt.Sprintf("%s does not hand the trace on: %q over %s starts a new one", c.from, short(c.op), c.edge),
				"instrument the client of "+c.from+", or send the header traceparent on", shown{outer.trace, x.weight}, 1)
		}
	}
}

// request is one that a service served.
type request struct {
	trace string
	span  *telemetry.Span
}

// serves names the service that served a request, where a span is one.
func serves(s *telemetry.Span) (string, bool) {
	if _, to, ok := strings.Cut(s.Edge, ":"); ok {
		return to, s.Kind != telemetry.Producer && s.Kind != telemetry.Consumer
	}
	return s.Service, s.Kind == telemetry.Server
}

// during returns the request around a span, of another trace unless msctl itself tied the two.
func during(served []request, s *telemetry.Span, trace string, tied bool) *request {
	for i := range served {
		r := &served[i]
		if r.trace == trace && !tied || r.span.ID == s.ID {
			continue
		}
		if !r.span.Start.After(s.Start) && !ends(r.span).Before(ends(s)) {
			return r
		}
	}
	return nil
}

// databases are the types of resources that belong to one service each.
var databases = []string{"postgres", "mysql", "mongo", "sqlite"}

// sharedDatabase finds databases that several services work on.
func sharedDatabase(all []*seen, topo *Topology, report report) {
	users := map[string][]string{}
	example := map[[2]string]shown{}
	add := func(from, to string, trace shown) {
		if !slices.Contains(databases, topo.Resources[to]) || from == "" {
			return
		}
		if !slices.Contains(users[to], from) {
			users[to] = append(users[to], from)
		}
		if key := [2]string{from, to}; example[key].trace == "" {
			example[key] = trace
		}
	}
	for _, x := range all {
		for i := range x.made {
			add(x.made[i].from, x.made[i].to, x.shown())
		}
	}
	for to, from := range users {
		if len(from) < 2 {
			continue
		}
		slices.Sort(from)
		for _, name := range from {
			report(to, "", fmt.Sprintf("the database %s is used by %s", to, strings.Join(from, " and ")),
				"give each service a database of its own and let the others ask it", example[[2]string{name, to}], float64(len(from)))
		}
	}
}

// undeclared finds calls that stack.yaml does not know.
func undeclared(all []*seen, topo *Topology, report report) {
	hint := "add it to stack.yaml: msctl cannot watch or break what it does not know"
	texts := map[string]string{} // by edge
	for _, x := range all {
		for i := range x.made {
			c := &x.made[i]
			if topo.declared(c.from, c.to) || !topo.service(c.from) {
				continue
			}
			text, known := texts[c.edge]
			if !known {
				text = fmt.Sprintf("%s calls %s, which stack.yaml does not say", c.from, c.to)
				texts[c.edge] = text
			}
			report(c.edge, "", text, hint, x.shown(), 1)
		}
	}
}

// silent finds services that get requests and send no spans.
func silent(all []*seen, topo *Topology, report report) {
	speaks := map[string]bool{}
	for _, x := range all {
		for i := range x.spans {
			if s := &x.spans[i]; s.Edge == "" {
				speaks[s.Service] = true
			}
		}
		for _, name := range x.in.speaks {
			speaks[name] = true
		}
	}
	for _, x := range all {
		for i := range x.made {
			c := &x.made[i]
			if topo.service(c.to) && !speaks[c.to] && !c.async {
				report(c.to, "", c.to+" gets requests and sends no spans of its own",
					"instrument it with OpenTelemetry; its edges are seen without", x.shown(), 1)
			}
		}
	}
}
