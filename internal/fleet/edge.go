package fleet

import (
	"cmp"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// Edge is one way from a caller to a listener of a callee.
type Edge struct {
	From, To string // services or resources; From "" is outside: a port that msctl holds in front of To
	Listen   string // of the callee; of a resource its main one
	Protocol string // on the wire: "http", "grpc", "postgres", "redis", "amqp", "nats", …, "tcp"
	Port     int    // where the caller finds it
	Direct   string // why nothing of msctl stands between; "" it goes through msctl

	caller, callee string // services whose requests in flight tell what a call is for; "" is none
	ends           []end
}

// end is where an edge may lead: a replica of the callee, or of a service that takes a share of its calls.
type end struct {
	unit, service string
	port          int
	share         int // of the service's replicas together
}

// Name returns "orders:payments".
func (e Edge) Name() string { return e.From + ":" + e.To }

// key is under which name the edge keeps its port.
func (e Edge) key() string {
	if e.From == "" {
		return key(e.To, e.Listen)
	}
	return edgeKey(e.From, e.To, e.Listen)
}

const edgePrefix = "edge/"

func edgeKey(from, to, listen string) string { return edgePrefix + from + ":" + to + "/" + listen }

// PastEdges returns where msctl stood between callers and callees in earlier runs, by the address that it
// listened at: the edge's name "orders:payments". Those from outside are not among them.
func PastEdges(stateDir string) map[string]string {
	out := map[string]string{}
	ports, _ := readPorts(filepath.Join(stateDir, portsFile)) // what cannot be read tells of no edge
	for key, port := range ports {
		rest, edge := strings.CutPrefix(key, edgePrefix)
		if name, _, ok := strings.Cut(rest, "/"); edge && ok {
			out[addr(port)] = name
		}
	}
	return out
}

// The ports of the receiver of telemetry: no service has such a name.
const (
	otlpHTTP = "#otlp/http"
	otlpGRPC = "#otlp/grpc"
)

// ways lists who reaches what, the ports in front of services first, else in the order of the file. Their
// ports, protocols and ends are not known yet.
func ways(p picked, fs facts) []Edge {
	var out []Edge
	for _, s := range p.Services {
		for _, l := range s.Listen {
			if fs.fronted(s, l) && fs.skip[s.Name] == "" {
				out = append(out, Edge{To: s.Name, Listen: l.Name})
			}
		}
	}
	seen := map[[2]string]bool{}
	for _, e := range p.Edges {
		if pair := [2]string{e.From, e.To}; !seen[pair] && fs.skip[e.From] == "" && fs.skip[e.To] == "" {
			seen[pair] = true
			out = append(out, fs.ways(p.Stack, e)...)
		}
	}
	return out
}

// ways returns an edge of the stack for each listener of the callee.
func (f facts) ways(st *stack.Stack, e stack.Edge) []Edge {
	direct := st.Direct(e.From, e.To)
	if caller := st.Service(e.From); caller != nil && direct == "" && container(caller) && !hostNetwork(caller) {
		direct = "its container has a network of its own"
	}
	if to := st.Service(e.To); to != nil {
		var out []Edge
		for _, l := range to.Listen {
			out = append(out, Edge{From: e.From, To: e.To, Listen: l.Name, Direct: direct})
		}
		return out
	}
	c := f.choice(e.To)
	if c == nil {
		return nil
	}
	return []Edge{{From: e.From, To: e.To, Listen: mainPort(c), Direct: cmp.Or(direct, past(c))}}
}

// past says why nothing can stand before a resource, or "".
func past(c *resource.Choice) string {
	switch {
	case c.Server == "":
		return "a file"
	case c.Recipe.Name == "kafka":
		return "clients follow the addresses that Kafka advertises"
	}
	return ""
}

// mainPort returns the name of the port that a resource's users are given, or "" for a file.
func mainPort(c *resource.Choice) string {
	if c.Server == "" {
		return ""
	}
	ls := resource.Server{Name: c.Server, Choices: []resource.Choice{*c}}.Listens()
	if len(ls) == 0 {
		return ""
	}
	return ls[0].Name
}

// choice returns how a resource is run, or nil when it is not.
func (f facts) choice(name string) *resource.Choice {
	for i := range f.choices {
		if f.choices[i].Resource.Name == name {
			return &f.choices[i]
		}
	}
	return nil
}

// fronted reports whether msctl holds a port of a service and leads from there to the replicas' own.
func (f facts) fronted(s *stack.Service, l stack.Listen) bool {
	return s.Ingress(l) || f.shared(s) && !f.kept[s.Name]
}

// back returns the port that a replica itself opens, where msctl holds the public one: 0 is any.
func back(s *stack.Service, l stack.Listen) int {
	if s.Ingress(l) {
		return max(l.Inside, 0)
	}
	return 0
}

// edges completes the ways of the plan.
func (p *planner) edges() []Edge {
	out := ways(p.picked, p.facts)
	for i := range out {
		e := &out[i]
		e.caller, e.callee = p.flock(e.From), p.flock(e.To)
		if to := p.Service(e.To); to != nil {
			e.Protocol, e.Port, e.ends = scheme(to, e.Listen), p.reach(e.From, e.To, e.Listen), p.ends(to, e.Listen)
			continue
		}
		c := p.choice(e.To)
		at, _ := p.endpoint(e.From, e.To)
		if u, err := url.Parse(at.URL); err == nil {
			e.Protocol = u.Scheme
		}
		e.Port = at.Port
		e.ends = []end{{unit: c.Server, service: c.Server, port: p.home(c).Ports[e.Listen], share: 1}}
	}
	return out
}

// flock names the services whose requests in flight are looked at as one: a service, and those that take a
// share of its calls. It is "" for what is no service.
func (p *planner) flock(name string) string {
	for _, s := range p.Services {
		if slices.ContainsFunc(s.Weights, func(w stack.Share) bool { return w.Service == name }) {
			return s.Name
		}
	}
	if p.Service(name) == nil {
		return ""
	}
	return name
}

// reach returns the port where a caller finds a listener of a service: the edge's, or the callee's own.
func (p *planner) reach(from, to, listen string) int {
	return cmp.Or(p.ports[edgeKey(from, to, listen)], p.ports[key(to, listen)])
}

// ends lists the replicas that answer for a service.
func (p *planner) ends(s *stack.Service, listen string) []end {
	shares := s.Weights
	if len(shares) == 0 {
		shares = []stack.Share{{Service: s.Name, Weight: 1}}
	}
	var out []end
	for _, w := range shares {
		of := p.Service(w.Service)
		if of == nil || w.Weight == 0 || p.skip[w.Service] != "" {
			continue
		}
		l, _ := of.Port(listen)
		for replica := 1; replica <= p.count(of); replica++ {
			out = append(out, end{unit: unitName(of.Name, replica), service: of.Name, port: p.own(of, l, replica), share: w.Weight})
		}
	}
	return out
}

// own returns the port that a replica opens.
func (p *planner) own(s *stack.Service, l stack.Listen, replica int) int {
	if replica > 1 || p.fronted(s, l) {
		return p.ports[key(backName(s.Name, replica), l.Name)]
	}
	return p.ports[key(s.Name, l.Name)]
}

// at returns the place of a resource as a caller sees it: with the edge's port for the server's main one.
func (p *planner) at(from string, c *resource.Choice) resource.Place {
	place := p.home(c)
	if port := p.ports[edgeKey(from, c.Resource.Name, mainPort(c))]; port != 0 {
		ports := make(map[string]int, len(place.Ports))
		for name, n := range place.Ports {
			ports[name] = n
		}
		ports[mainPort(c)] = port
		place.Ports = ports
	}
	return place
}

// hostNetwork reports whether a service that runs in a container shares this machine's network.
func hostNetwork(s *stack.Service) bool {
	return !slices.ContainsFunc(s.Listen, func(l stack.Listen) bool { return l.Inside > 0 })
}

// inside returns the port in a container, 0 where it is the one on the host.
func inside(s *stack.Service, l stack.Listen) int {
	if container(s) && l.Inside > 0 {
		return l.Inside
	}
	return 0
}
