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
func Map(flows []telemetry.Flow, topo *Topology, since, until time.Time) telemetry.Map {
	m := &mapper{topo: topo, edges: map[[2]string]*tally{}, nodes: map[string]*tally{}}
	for i := range flows {
		m.add(&flows[i])
	}
	out := telemetry.Map{Since: since, Until: until}
	window := until.Sub(since)
	for key, e := range m.edges {
		out.Edges = append(out.Edges, telemetry.MapEdge{
			From: key[0], To: key[1], Protocol: e.protocol, RED: e.red(window),
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
	took     telemetry.Spread
	errors   int64
	protocol string
	failed   []telemetry.Example
	fine     []telemetry.Example
}

func (c *tally) add(f *telemetry.Flow) {
	c.took.Add(&f.Took)
	c.errors += f.Errors
	c.protocol = cmp.Or(c.protocol, f.Protocol)
	c.failed, c.fine = append(c.failed, f.Failed...), append(c.fine, f.Fine...)
}

// traces returns a few examples, failed ones first.
func (c *tally) traces() []string {
	var ids []string
	for _, all := range [][]telemetry.Example{c.failed, c.fine} {
		slices.SortFunc(all, func(a, b telemetry.Example) int {
			return cmp.Or(cmp.Compare(a.At, b.At), slices.Compare(a.Trace[:], b.Trace[:]))
		})
		for _, e := range all {
			if id := e.Trace.String(); len(ids) < examples && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// red sums up.
func (c *tally) red(window time.Duration) telemetry.RED {
	r := telemetry.RED{Count: c.took.Count(), Errors: c.errors, P50: c.took.Quantile(0.5), P95: c.took.Quantile(0.95), P99: c.took.Quantile(0.99)}
	if window > 0 {
		r.Rate = float64(r.Count) / window.Seconds()
	}
	return r
}

type mapper struct {
	topo  *Topology
	edges map[[2]string]*tally
	nodes map[string]*tally
}

// add counts a flow unless an edge saw its calls too.
func (m *mapper) add(f *telemetry.Flow) {
	to := f.To
	if f.Sort == telemetry.Asked {
		to = cmp.Or(m.topo.named(f.From, &f.Peer), to)
		if to == "" || to == f.From || m.topo.meshed(f.From, to) {
			return
		}
	}
	if f.Sort != telemetry.Entered {
		key := [2]string{f.From, to}
		if m.edges[key] == nil {
			m.edges[key] = &tally{}
		}
		m.edges[key].add(f)
	}
	m.node(to).add(f)
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
			n.RED = c.red(window)
		}
		out = append(out, n)
	}
	return out
}
