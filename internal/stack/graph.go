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
	From     string `json:"from"`
	To       string `json:"to"`
	Protocol string `json:"protocol,omitempty"`
	After    bool   `json:"after,omitempty"` // only an order, nothing flows
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
		g.Edges = append(g.Edges, graphEdge{From: e.From, To: e.To, Protocol: e.Protocol})
	}
	x := s.index()
	for _, svc := range s.Services {
		for _, to := range svc.After {
			if x.has(to) && !flows[svc.Name+":"+to] {
				g.Edges = append(g.Edges, graphEdge{From: svc.Name, To: to, After: true})
			}
		}
	}
	return g
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
		switch {
		case e.After:
			label += " (after)"
		case e.Protocol != "" && e.Protocol != "http" && !g.isResource(e.To):
			label += " (" + e.Protocol + ")"
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
		} else if e.Protocol != "" {
			arrow = fmt.Sprintf(`-->|"%s"|`, e.Protocol)
		}
		fmt.Fprintf(&b, "  %s %s %s\n", id[e.From], arrow, id[e.To])
	}
	return b.String()
}

func (g graph) dot() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n  rankdir=LR\n", g.Stack)
	for _, n := range g.Nodes {
		shape := map[string]string{"service": "box", "job": "oval", "resource": "cylinder"}[n.Sort]
		fmt.Fprintf(&b, "  %q [shape=%s]\n", n.Name, shape)
	}
	for _, e := range g.Edges {
		style := fmt.Sprintf("label=%q", e.Protocol)
		if e.After {
			style = "style=dashed"
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
