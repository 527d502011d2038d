package insight

import (
	"cmp"
	"slices"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// examples is how many traces are named with an answer.
const examples = 3

// Map draws who called whom in a window, and who may according to stack.yaml and did not.
func (w *Window) Map(topo *Topology) telemetry.Map {
	m := &mapper{topo: topo, edges: map[[2]string]*tally{}, nodes: map[string]*tally{}}
	for _, t := range w.traces {
		m.add(t)
	}
	out := telemetry.Map{Since: w.Since, Until: w.Until}
	window := w.Until.Sub(w.Since)
	for key, e := range m.edges {
		out.Edges = append(out.Edges, telemetry.MapEdge{
			From: key[0], To: key[1], Protocol: e.protocol, RED: red(e.took, e.errors, window),
			Declared: topo.declared(key[0], key[1]), Seen: true, Traces: e.traces(),
		})
	}
	for _, d := range topo.Edges {
		if m.edges[[2]string{d.From, d.To}] == nil {
			out.Edges = append(out.Edges, telemetry.MapEdge{From: d.From, To: d.To, Protocol: d.Protocol, Declared: true})
		}
	}
	for i := range out.Edges {
		out.Edges[i].Direct = topo.Direct[out.Edges[i].From+":"+out.Edges[i].To]
	}
	slices.SortFunc(out.Edges, func(a, b telemetry.MapEdge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	out.Nodes = m.list(topo, out.Edges, window)
	return out
}

// tally is what is counted of one edge or node.
type tally struct {
	took     durations
	errors   int64
	protocol string
	failed   []string // ids of traces
	fine     []string
}

func (c *tally) add(took time.Duration, failed bool, trace string) {
	c.took = append(c.took, took)
	ids := &c.fine
	if failed {
		c.errors++
		ids = &c.failed
	}
	if len(*ids) < examples && !slices.Contains(*ids, trace) {
		*ids = append(*ids, trace)
	}
}

// traces returns a few examples, failed ones first.
func (c *tally) traces() []string {
	all := append(slices.Clone(c.failed), c.fine...)
	return all[:min(len(all), examples)]
}

type mapper struct {
	topo  *Topology
	edges map[[2]string]*tally
	nodes map[string]*tally
}

func (m *mapper) add(t *tree) {
	for _, c := range t.calls(m.topo) {
		if c.twin {
			continue
		}
		s := &t.spans[c.span]
		e := m.edges[[2]string{c.from, c.to}]
		if e == nil {
			e = &tally{}
			m.edges[[2]string{c.from, c.to}] = e
		}
		e.protocol = cmp.Or(c.protocol, e.protocol)
		e.add(s.Duration, c.failed, t.id())
		m.node(c.to).add(s.Duration, c.failed, "")
	}
	for i := range t.spans { // requests that came in over no edge
		s := &t.spans[i]
		if s.Edge == "" && s.Kind == telemetry.Server && t.parent[i] < 0 {
			m.node(s.Service).add(s.Duration, s.Status == telemetry.Failed, "")
		}
	}
}

func (m *mapper) node(name string) *tally {
	n := m.nodes[name]
	if n == nil {
		n = &tally{}
		m.nodes[name] = n
	}
	return n
}

// list returns every service and resource, in the order of stack.yaml, and then what else was seen.
func (m *mapper) list(topo *Topology, edges []telemetry.MapEdge, window time.Duration) []telemetry.Node {
	names := slices.Clone(topo.Services)
	more := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, e := range edges {
		more(e.From)
		more(e.To)
	}
	for name := range m.nodes {
		more(name)
	}
	slices.Sort(names[len(topo.Services):])
	var out []telemetry.Node
	for _, name := range names {
		n := telemetry.Node{Name: name, Sort: topo.sort(name)}
		if c := m.nodes[name]; c != nil {
			n.RED = red(c.took, c.errors, window)
		}
		out = append(out, n)
	}
	return out
}
