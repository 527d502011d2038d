package stack

import (
	"slices"
	"strings"
)

// edges returns every caller to callee, in file order, without doubles.
func (s *Stack) edges() []Edge {
	var out []Edge
	seen := map[Edge]bool{}
	add := func(e Edge) {
		if !seen[e] && e.From != e.To {
			seen[e] = true
			out = append(out, e)
		}
	}
	x := s.index()
	for _, r := range s.Resources {
		for _, e := range x.referred(r.Name, r.Env) {
			add(e)
		}
	}
	for _, svc := range s.Services {
		for _, c := range svc.Calls {
			add(Edge{svc.Name, c.To, c.Protocol})
		}
		for _, u := range svc.Uses {
			add(Edge{svc.Name, u, x.protocol(u, nil)})
		}
		for _, e := range x.referred(svc.Name, svc.Env) {
			add(e)
		}
	}
	return out
}

func (s *Stack) index() index {
	x := index{services: map[string]*Service{}, resources: map[string]*Resource{}}
	for _, svc := range s.Services {
		x.services[svc.Name] = svc
	}
	for _, r := range s.Resources {
		x.resources[r.Name] = r
	}
	return x
}

// referred returns the edges that the references of an environment make.
func (x index) referred(from string, vars []Var) []Edge {
	var out []Edge
	for _, v := range vars {
		refs, _ := v.Refs()
		for _, r := range refs {
			if r.Scheme == "" && r.Name != Self && x.has(r.Name) {
				out = append(out, Edge{from, r.Name, x.protocol(r.Name, r.Parts)})
			}
		}
	}
	return out
}

func (x index) has(name string) bool { return x.services[name] != nil || x.resources[name] != nil }

// protocol names what flows to a callee: the resource's type, or the listen name that parts choose.
func (x index) protocol(name string, parts []string) string {
	if r := x.resources[name]; r != nil {
		return r.Type
	}
	if len(parts) == 2 {
		return parts[0]
	}
	if s := x.services[name]; s != nil {
		return s.main()
	}
	return ""
}

// needs returns, for every service and resource, what it needs at first hand, without doubles. Names
// that are not in the stack are left out, so that a selection has an order too.
func (s *Stack) needs() map[string][]string {
	x := s.index()
	out := map[string][]string{}
	add := func(from, to string) {
		if x.has(to) && !slices.Contains(out[from], to) && from != to {
			out[from] = append(out[from], to)
		}
	}
	for _, r := range s.Resources {
		for _, e := range x.referred(r.Name, r.Env) {
			add(r.Name, e.To)
		}
	}
	for _, svc := range s.Services {
		for _, c := range svc.Calls {
			add(svc.Name, c.To)
		}
		for _, to := range append(slices.Clone(svc.Uses), svc.After...) {
			add(svc.Name, to)
		}
		for _, e := range x.referred(svc.Name, svc.Env) {
			add(svc.Name, e.To)
		}
	}
	return out
}

// Needs returns the services and resources that must be ready before name starts: what it calls, uses,
// refers to and comes after.
func (s *Stack) Needs(name string) []string { return s.needs()[name] }

// names returns all resources, then all services, in file order.
func (s *Stack) names() []string {
	var out []string
	for _, r := range s.Resources {
		out = append(out, r.Name)
	}
	for _, svc := range s.Services {
		out = append(out, svc.Name)
	}
	return out
}

// Order returns the resources and services in layers: each needs only what is in the layers before.
// Within a layer they stand in file order, resources first.
func (s *Stack) Order() [][]string {
	needs := s.needs()
	level := map[string]int{}
	var depth func(name string) int
	depth = func(name string) int {
		if n, known := level[name]; known {
			return n
		}
		level[name] = 0 // ends the walk if a stack that was not checked has a cycle
		n := 0
		for _, to := range needs[name] {
			n = max(n, depth(to)+1)
		}
		level[name] = n
		return n
	}
	var out [][]string
	for _, name := range s.names() {
		n := depth(name)
		for len(out) <= n {
			out = append(out, nil)
		}
		out[n] = append(out[n], name)
	}
	return out
}

// cycles returns each group of units that need each other, as a walk around it (Tarjan's strongly
// connected components, then the shortest way back to the first member in file order).
func (s *Stack) cycles() [][]string {
	t := tarjan{needs: s.needs(), number: map[string]int{}, low: map[string]int{}, on: map[string]bool{}}
	for _, svc := range s.Services {
		self := func(c Call) bool { return c.To == svc.Name }
		if slices.Contains(svc.After, svc.Name) || slices.ContainsFunc(svc.Calls, self) {
			t.found = append(t.found, []string{svc.Name, svc.Name})
		}
	}
	for _, name := range s.names() {
		if t.number[name] == 0 {
			t.visit(name)
		}
	}
	return t.found
}

type tarjan struct {
	needs       map[string][]string
	number, low map[string]int
	on          map[string]bool
	stack       []string
	found       [][]string
}

func (t *tarjan) visit(v string) {
	t.number[v] = len(t.number) + 1
	t.low[v] = t.number[v]
	t.stack, t.on[v] = append(t.stack, v), true
	for _, w := range t.needs[v] {
		if t.number[w] == 0 {
			t.visit(w)
			t.low[v] = min(t.low[v], t.low[w])
		} else if t.on[w] {
			t.low[v] = min(t.low[v], t.number[w])
		}
	}
	if t.low[v] != t.number[v] {
		return
	}
	at := slices.Index(t.stack, v)
	group := slices.Clone(t.stack[at:])
	t.stack = t.stack[:at]
	for _, w := range group {
		t.on[w] = false
	}
	if len(group) > 1 {
		t.found = append(t.found, t.around(v, group))
	}
}

// around walks from first along the group back to first, the shortest way.
func (t *tarjan) around(first string, group []string) []string {
	inside := map[string]bool{}
	for _, g := range group {
		inside[g] = true
	}
	from := map[string]string{}
	for queue := []string{first}; len(queue) > 0; queue = queue[1:] {
		for _, w := range t.needs[queue[0]] {
			if w == first {
				walk := []string{first}
				for at := queue[0]; at != first; at = from[at] {
					walk = append(walk, at)
				}
				walk = append(walk, first)
				slices.Reverse(walk)
				return walk
			}
			if _, seen := from[w]; !seen && inside[w] {
				from[w] = queue[0]
				queue = append(queue, w)
			}
		}
	}
	return append(group, first)
}

// cycle reports a walk at the service where it begins.
func (l *loader) cycle(walk []string) {
	pos := Pos{}
	if s := l.st.Service(walk[0]); s != nil {
		pos = s.Pos
	} else if r := l.st.Resource(walk[0]); r != nil {
		pos = r.Pos
	}
	hint := "each waits for the next to be ready: take one of these calls, after or references out"
	if len(walk) == 2 {
		l.fail(pos, "take it out", "%q needs itself", walk[0])
		return
	}
	l.fail(pos, hint, "cycle: %s", strings.Join(walk, " -> "))
}
