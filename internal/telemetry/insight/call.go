package insight

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/telemetry"
)

// call is one use of a service or resource by a service, whoever recorded it: the edge between them, or
// the caller's own client span where the edge did not see it.
type call struct {
	span     int // index of the tree
	owner    int // the request that the caller served meanwhile: index of the tree, -1: none
	from, to string
	edge     string // "from:to"
	protocol string
	op       string // what was asked, the same for the same operation
	async    bool   // a message: nobody waits for its effect
	failed   bool
	twin     bool // told by the caller's own span, while the edge records the same call too
}

// calls finds every call of a trace, in order of start.
func (t *tree) calls(topo *Topology) []call {
	var out []call
	for i := range t.spans {
		if c, ok := t.call(topo, i); ok {
			out = append(out, c)
		}
	}
	return out
}

// single leaves one record of each call: of those that both the edge and the caller told, where the two
// could not be matched, the caller's. It knows best which request a query belongs to, while the edge has
// to guess where several are under way.
func (t *tree) single(made []call) []call {
	type use struct {
		owner int
		edge  string
	}
	of := func(c *call) use { return use{t.asker(c.owner), c.edge} }
	twins := map[use]int{} // calls that only the caller told
	for i := range made {
		if made[i].twin {
			twins[of(&made[i])]++
		}
	}
	if len(twins) == 0 {
		return made
	}
	left := maps.Clone(twins)
	return slices.DeleteFunc(made, func(c call) bool {
		if c.twin || twins[of(&c)] == 0 || t.caller(&c) >= 0 {
			return false
		}
		left[of(&c)]--
		return left[of(&c)] >= 0
	})
}

// caller returns the caller's own span of a call that an edge recorded, -1: none.
func (t *tree) caller(c *call) int {
	p := t.parent[c.span]
	if p < 0 || t.spans[p].Edge != "" || t.spans[p].Service != c.from {
		return -1
	}
	if k := t.spans[p].Kind; k != telemetry.Client && k != telemetry.Producer {
		return -1
	}
	return p
}

// asker returns the edge's span of a request where the service's own is given, else what is given.
func (t *tree) asker(i int) int {
	if i < 0 || t.spans[i].Edge != "" || t.parent[i] < 0 || !strings.HasSuffix(t.spans[t.parent[i]].Edge, ":"+t.spans[i].Service) {
		return i
	}
	return t.parent[i]
}

func (t *tree) call(topo *Topology, i int) (call, bool) {
	s := &t.spans[i]
	c := call{span: i, from: s.Service, op: s.Name, failed: s.Status == telemetry.Failed,
		async: s.Kind == telemetry.Producer || s.Kind == telemetry.Consumer}
	switch from, to, ok := strings.Cut(s.Edge, ":"); {
	case ok:
		c.from, c.to, c.edge, c.protocol = from, to, s.Edge, s.Word("network.protocol.name")
	case s.Kind == telemetry.Client || s.Kind == telemetry.Producer:
		if c.to = t.callee(topo, i); c.to == "" || c.to == c.from {
			return call{}, false
		}
		c.edge = c.from + ":" + c.to
		c.protocol, c.twin = telemetry.ProtocolOf(s), topo.meshed(c.from, c.to)
	default:
		return call{}, false
	}
	if q := s.Word("db.query.text"); q != "" {
		c.op = q
	}
	if p := t.caller(&c); p >= 0 && s.Edge != "" { // as where the edge did not see it
		c.op = cmp.Or(t.spans[p].Word("db.query.text"), c.op)
	}
	for _, k := range t.kids[i] { // the callee knows its routes
		if kid := &t.spans[k]; kid.Kind == telemetry.Server && kid.Service == c.to && kid.Edge == "" && kid.Name != "" {
			c.op = kid.Name
		}
	}
	c.owner = t.owner(i, c.from)
	return c, true
}

// callee names whom a client span called: nobody where an edge below it tells the same.
func (t *tree) callee(topo *Topology, i int) string {
	for _, k := range t.kids[i] {
		if t.spans[k].Edge != "" {
			return ""
		}
	}
	s := &t.spans[i]
	peer := telemetry.PeerOf(s)
	if name := topo.named(s.Service, &peer); name != "" {
		return name
	}
	for _, k := range t.kids[i] {
		kid := &t.spans[k]
		if kid.Kind == telemetry.Server && kid.Service != s.Service {
			return kid.Service
		}
	}
	return ""
}

// owner returns the request that service was serving when it did span i.
func (t *tree) owner(i int, service string) int {
	for p := t.parent[i]; p >= 0; p = t.parent[p] {
		s := &t.spans[p]
		if s.Edge != "" {
			if strings.HasSuffix(s.Edge, ":"+service) || s.Kind == telemetry.Consumer && strings.HasPrefix(s.Edge, service+":") {
				return p
			}
			continue
		}
		if s.Service == service && (s.Kind == telemetry.Server || s.Kind == telemetry.Consumer) {
			return p
		}
		if s.Service != service {
			return -1
		}
	}
	return -1
}

// Topology is what stack.yaml says, as far as traffic is concerned.
type Topology struct {
	Services  []string
	Resources map[string]string // name to type
	Edges     []Declared
	Addrs     map[string]string // "127.0.0.1:5432" to the service or resource that listens there
	Direct    map[string]string // edges "orders:orders-db" that do not go through msctl, and why
}

// Declared is one caller and callee of stack.yaml.
type Declared struct {
	From, To, Protocol string
	Mesh               bool // it goes through msctl, which records every call
}

// named returns whom a client span of a service called, by what it says of it, or "".
func (topo *Topology) named(from string, p *telemetry.Peer) string {
	for _, addr := range p.Addrs {
		if name := topo.Addrs[addr]; addr != "" && name != "" {
			return name
		}
	}
	if _, resource := topo.Resources[p.Service]; resource || slices.Contains(topo.Services, p.Service) {
		return p.Service
	}
	if p.Database {
		return topo.onlyDatabase(from)
	}
	return ""
}

// onlyDatabase returns the one database that a service uses past msctl's edges, such as a file, or "".
func (topo *Topology) onlyDatabase(service string) string {
	name := ""
	for _, d := range topo.Edges {
		if d.From != service || d.Mesh || !slices.Contains(databases, topo.Resources[d.To]) {
			continue
		}
		if name != "" {
			return ""
		}
		name = d.To
	}
	return name
}

func (topo *Topology) service(name string) bool { return slices.Contains(topo.Services, name) }

// declared reports an edge that stack.yaml has. Whoever calls from outside needs no permission.
func (topo *Topology) declared(from, to string) bool {
	return from == "" || slices.ContainsFunc(topo.Edges, func(d Declared) bool { return d.From == from && d.To == to })
}

func (topo *Topology) meshed(from, to string) bool {
	return slices.ContainsFunc(topo.Edges, func(d Declared) bool { return d.From == from && d.To == to && d.Mesh })
}

// sort says what a name is.
func (topo *Topology) sort(name string) string {
	if topo.service(name) {
		return "service"
	}
	if _, ok := topo.Resources[name]; ok {
		return "resource"
	}
	return "outside"
}
