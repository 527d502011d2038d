package stack

import "slices"

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

// mentions returns what the service names in calls, uses, after and references, without doubles and
// without the calls that are optional.
func (s *Service) mentions() []string {
	out := distinct{owner: s.Name}
	for _, c := range s.Calls {
		if !c.Optional {
			out.add(c.To)
		}
	}
	for _, name := range s.Uses {
		out.add(name)
	}
	for _, name := range s.After {
		out.add(name)
	}
	out.references(s.Env)
	return out.names
}

// mentions returns what the resource refers to, without doubles.
func (r *Resource) mentions() []string {
	out := distinct{owner: r.Name}
	out.references(r.Env)
	return out.names
}

// distinct gathers names other than its owner's.
type distinct struct {
	owner string
	names []string
	seen  map[string]bool
}

func (d *distinct) add(name string) {
	if d.seen[name] || name == d.owner {
		return
	}
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	d.seen[name] = true
	d.names = append(d.names, name)
}

func (d *distinct) references(vars []Var) {
	for _, v := range vars {
		refs, _ := v.Refs()
		for _, r := range refs {
			if r.Scheme == "" && r.Name != Self {
				d.add(r.Name)
			}
		}
	}
}

// needs returns [Stack.Needs] of every service and resource.
func (s *Stack) needs() map[string][]string {
	x := s.index()
	absent := func(name string) bool { return !x.has(name) }
	out := map[string][]string{}
	for _, r := range s.Resources {
		out[r.Name] = slices.DeleteFunc(r.mentions(), absent)
	}
	for _, svc := range s.Services {
		out[svc.Name] = slices.DeleteFunc(x.spread(svc.Name, svc.mentions()), absent)
	}
	return out
}

// spread adds to what from needs the services over which calls to these are spread.
func (x index) spread(from string, needs []string) []string {
	out := distinct{owner: from}
	for _, name := range needs {
		out.add(name)
		if s := x.services[name]; s != nil {
			for _, share := range s.Weights {
				out.add(share.Service)
			}
		}
	}
	return out.names
}

// Needs returns the services and resources that must be ready before name starts: what it calls
// (optional calls apart), uses, refers to and comes after. Names that are not in the stack are left out, so that a selection has its
// own order.
func (s *Stack) Needs(name string) []string {
	absent := func(name string) bool { return s.Service(name) == nil && s.Resource(name) == nil }
	if svc := s.Service(name); svc != nil {
		return slices.DeleteFunc(s.index().spread(name, svc.mentions()), absent)
	}
	if r := s.Resource(name); r != nil {
		return slices.DeleteFunc(r.mentions(), absent)
	}
	return nil
}

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
