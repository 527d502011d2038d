package cli

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/scaffold"
)

// calls reads --calls: services of the stack, each with the port that is called.
func (n *newService) calls() ([]scaffold.Call, error) {
	var all []scaffold.Call
	for _, word := range n.o.calls {
		name, protocol, _ := strings.Cut(strings.TrimSpace(word), ":")
		s := n.stack.Service(name)
		if s == nil {
			hint := "there is " + someOf(namesOf(n.stack.Services))
			if near := nearest(name, namesOf(n.stack.Services)); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, usage(hint, "read --calls: unknown service %q", name)
		}
		if protocol == "" {
			protocol = usual(s)
		}
		if _, open := s.Port(protocol); !open {
			return nil, usage("its ports: "+list(ports(s)), "read --calls: %s has no port %q", name, protocol)
		}
		if protocol != "http" && protocol != "grpc" {
			return nil, usage("add it with `calls` in stack.yaml", "read --calls: templates know http and grpc, not %q", protocol)
		}
		if slices.ContainsFunc(all, func(c scaffold.Call) bool { return c.Name == name }) {
			return nil, usage("", "read --calls: %s is there twice", name)
		}
		all = append(all, scaffold.Call{Name: name, Protocol: protocol})
	}
	return all, nil
}

// usual is the port of a service that is called where none is said.
func usual(s *stack.Service) string {
	if _, open := s.Port("http"); open || len(s.Listen) != 1 {
		return "http"
	}
	return s.Listen[0].Name
}

func ports(s *stack.Service) []string {
	var names []string
	for _, l := range s.Listen {
		names = append(names, l.Name)
	}
	if names == nil {
		names = []string{"none"}
	}
	return names
}

func namesOf(services []*stack.Service) []string {
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	return names
}

// uses reads --uses, and adds what the template cannot do without.
func (n *newService) uses() ([]scaffold.Use, error) {
	var all []scaffold.Use
	add := func(u scaffold.Use) {
		if !slices.ContainsFunc(all, func(o scaffold.Use) bool { return o.Name == u.Name }) {
			all = append(all, u)
		}
	}
	for _, word := range n.o.uses {
		u, err := n.use(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		add(u)
	}
	for _, need := range n.needs() {
		kinds := strings.Split(need, "|")
		if slices.ContainsFunc(all, func(u scaffold.Use) bool { return slices.Contains(kinds, u.Kind) }) {
			continue
		}
		u := n.ofKinds(kinds)
		add(u)
		why := n.template.Name + " does not work without"
		if !slices.Contains(n.template.Needs, need) {
			why = "that is where its events go"
		}
		n.added = append(n.added, fmt.Sprintf("%s uses %s, a %s: %s", n.values.Service, u.Name, u.Kind, why))
	}
	return all, nil
}

// use reads one word of --uses: a resource of the stack, a kind, or NAME:KIND.
func (n *newService) use(word string) (scaffold.Use, error) {
	if r := n.stack.Resource(word); r != nil {
		return scaffold.Use{Name: r.Name, Kind: r.Type}, nil
	}
	name, kind, named := strings.Cut(word, ":")
	if !named {
		kind = word
	}
	if !slices.Contains(kindNames(), kind) || kind == "container" {
		known := kindNames()
		for _, r := range n.stack.Resources {
			known = append(known, r.Name)
		}
		hint := "there is " + someOf(known)
		if near := nearest(kind, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		if kind == "sqlite" {
			hint = "say postgres: it is SQLite where the stack runs on embedded servers"
		}
		return scaffold.Use{}, usage(hint, "read --uses: %q is neither a resource of the stack nor a kind", word)
	}
	if !named {
		return n.ofKinds([]string{kind}), nil
	}
	if !scaffold.ValidName(name) || n.stack.Service(name) != nil || n.stack.Resource(name) != nil || name == n.values.Service {
		return scaffold.Use{}, usage("choose another name", "read --uses: %q is not a name, or is taken", name)
	}
	return scaffold.Use{Name: name, Kind: kind, New: true}, nil
}

// shared are the kinds of which one serves a whole stack, and what it is called; every other is a service's own.
var shared = map[string]string{"redis": "cache", "rabbitmq": "broker", "nats": "broker", "kafka": "broker", "smtp": "mail"}

// ofKinds returns the stack's only resource of one of the kinds where such are shared, else a new one of the
// first kind.
func (n *newService) ofKinds(kinds []string) scaffold.Use {
	kind := kinds[0]
	base := shared[kind]
	if base != "" {
		var have []*stack.Resource
		for _, r := range n.stack.Resources {
			if slices.Contains(kinds, r.Type) {
				have = append(have, r)
			}
		}
		if len(have) == 1 {
			return scaffold.Use{Name: have[0].Name, Kind: have[0].Type}
		}
	} else {
		base = n.values.Service + "-db"
	}
	name := base
	for i := 2; n.stack.Service(name) != nil || n.stack.Resource(name) != nil || name == n.values.Service; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	return scaffold.Use{Name: name, Kind: kind, New: true}
}
