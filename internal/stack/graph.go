package stack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// GraphFormats are what [Stack.Graph] knows, the default first.
var GraphFormats = []string{"text", "mermaid", "dot", "json"}

// Graph draws who needs whom. Units stand in the order of their start.
func (s *Stack) Graph(format string) (string, error) {
	g := s.graph()
	switch format {
	case "", "text":
		return g.text(), nil
	case "mermaid":
		return g.mermaid(), nil
	case "dot":
		return g.dot(), nil
	case "json":
		return g.json(), nil
	}
	err := fmt.Errorf("draw graph: unknown format %q: use one of %s", format, strings.Join(GraphFormats, ", "))
	return "", err
}

// graph is what every format draws.
type graph struct {
	Type  string      `json:"type"` // "graph"
	Stack string      `json:"stack"`
	Nodes []graphNode `json:"nodes"`
	Edges []graphEdge `json:"edges"`
}

type graphNode struct {
	Name    string `json:"name"`
	Sort    string `json:"sort"`    // service, job or resource
	Backing string `json:"backing"` // language or resource type
	Layer   int    `json:"layer"`
}

type graphEdge struct {
	From     string   `json:"from"`
	To       string   `json:"to"`
	Protocol string   `json:"protocol,omitempty"`
	After    bool     `json:"after,omitempty"`  // only an order, nothing flows
	Direct   string   `json:"direct,omitempty"` // why nothing of msctl stands between
	Weight   *int     `json:"weight,omitempty"` // where the calls are spread over several services
	Of       string   `json:"of,omitempty"`     // the service in whose place this one is called
	Events   []string `json:"events,omitempty"` // what the one tells the other of, through a broker
}

func (s *Stack) graph() graph {
	g := graph{Type: "graph", Stack: s.Name, Nodes: []graphNode{}, Edges: []graphEdge{}}
	for i, layer := range s.Order() {
		for _, name := range layer {
			g.Nodes = append(g.Nodes, s.graphNode(name, i))
		}
	}
	flows := map[string]bool{}
	for _, e := range s.Edges {
		flows[e.String()] = true
		g.Edges = append(g.Edges, s.graphEdges(e)...)
	}
	x := s.index()
	for _, svc := range s.Services {
		for _, to := range svc.After {
			if x.has(to) && !flows[svc.Name+":"+to] {
				g.Edges = append(g.Edges, graphEdge{From: svc.Name, To: to, After: true})
			}
		}
	}
	for _, f := range s.Flows() {
		g.Edges = append(g.Edges, graphEdge{From: f.From, To: f.To, Events: f.Events})
	}
	return g
}

// graphEdges returns an edge, or the several that it is spread over.
func (s *Stack) graphEdges(e Edge) []graphEdge {
	one := graphEdge{From: e.From, To: e.To, Protocol: e.Protocol}
	if !s.NoMesh { // else it goes without saying
		one.Direct = s.Direct(e.From, e.To)
	}
	to := s.Service(e.To)
	if to == nil || len(to.Weights) == 0 || s.Direct(e.From, e.To) != "" {
		return []graphEdge{one}
	}
	var out []graphEdge
	for _, w := range to.Weights {
		part := one
		part.To, part.Weight = w.Service, &w.Weight
		if w.Service != e.To {
			part.Of = e.To
		}
		if s.Service(w.Service) != nil && w.Service != e.From {
			out = append(out, part)
		}
	}
	return out
}

func (s *Stack) graphNode(name string, layer int) graphNode {
	if svc := s.Service(name); svc != nil {
		sort := "service"
		if svc.Job {
			sort = "job"
		}
		return graphNode{name, sort, string(svc.Language), layer}
	}
	return graphNode{name, "resource", s.Resource(name).Type, layer}
}

// text is one line for each unit: name, backing, what it needs.
func (g graph) text() string {
	nameWidth, backingWidth := 0, 0
	for _, n := range g.Nodes {
		nameWidth, backingWidth = max(nameWidth, len(n.Name)), max(backingWidth, len(n.Backing))
	}
	needs := map[string][]string{}
	for _, e := range g.Edges {
		label := e.To
		if notes := g.notes(e); len(notes) > 0 {
			label += " (" + strings.Join(notes, ", ") + ")"
		}
		needs[e.From] = append(needs[e.From], label)
	}
	var b strings.Builder
	for _, n := range g.Nodes {
		line := fmt.Sprintf("%-*s  %-*s", nameWidth, n.Name, backingWidth, n.Backing)
		if to := needs[n.Name]; len(to) > 0 {
			line += "  -> " + strings.Join(to, ", ")
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// notes is what the text says of an edge beside the callee's name.
func (g graph) notes(e graphEdge) []string {
	var notes []string
	switch {
	case e.After:
		notes = append(notes, "after")
	case e.Events != nil:
		notes = append(notes, "tells "+e.label())
	case e.Protocol != "" && e.Protocol != "http" && !g.isResource(e.To):
		notes = append(notes, e.Protocol)
	}
	if e.Weight != nil {
		notes = append(notes, fmt.Sprintf("weight %d", *e.Weight))
	}
	if e.Direct != "" && !(g.isResource(e.From) && g.isResource(e.To)) {
		notes = append(notes, e.Direct)
	}
	return notes
}

func (g graph) isResource(name string) bool {
	return slices.ContainsFunc(g.Nodes, func(n graphNode) bool { return n.Name == name && n.Sort == "resource" })
}

// mermaid numbers the nodes, since words such as end mean something to it.
func (g graph) mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	id := map[string]string{}
	for i, n := range g.Nodes {
		id[n.Name] = fmt.Sprintf("n%d", i)
		left, right := `["`, `"]`
		switch n.Sort {
		case "resource":
			left, right = `[("`, `")]`
		case "job":
			left, right = `(["`, `"])`
		}
		fmt.Fprintf(&b, "  n%d%s%s%s\n", i, left, n.Name, right)
	}
	for _, e := range g.Edges {
		arrow := "-->"
		if e.After {
			arrow = "-.->"
		} else if e.Events != nil {
			arrow = fmt.Sprintf(`-.->|"%s"|`, e.label())
		} else if e.Protocol != "" {
			arrow = fmt.Sprintf(`-->|"%s"|`, e.label())
		}
		fmt.Fprintf(&b, "  %s %s %s\n", id[e.From], arrow, id[e.To])
	}
	return b.String()
}

// label is what is written on an arrow.
func (e graphEdge) label() string {
	if e.Events != nil {
		return strings.Join(e.Events, ", ")
	}
	if e.Weight != nil {
		return fmt.Sprintf("%s, weight %d", e.Protocol, *e.Weight)
	}
	return e.Protocol
}

func (g graph) dot() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n  rankdir=LR\n", g.Stack)
	for _, n := range g.Nodes {
		shape := map[string]string{"service": "box", "job": "oval", "resource": "cylinder"}[n.Sort]
		fmt.Fprintf(&b, "  %q [shape=%s]\n", n.Name, shape)
	}
	for _, e := range g.Edges {
		style := fmt.Sprintf("label=%q", e.label())
		if e.After {
			style = "style=dashed"
		} else if e.Events != nil {
			style += " style=dotted"
		}
		fmt.Fprintf(&b, "  %q -> %q [%s]\n", e.From, e.To, style)
	}
	b.WriteString("}\n")
	return b.String()
}

func (g graph) json() string {
	text, err := json.Marshal(g)
	if err != nil {
		panic("encode graph: " + err.Error())
	}
	return string(text) + "\n"
}
