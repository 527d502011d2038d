package fleet

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// picked is the part of a stack that is to run, in file order.
type picked struct {
	services  []*stack.Service
	resources []*stack.Resource
	why       map[string]string // reason of each, by name
}

func (p picked) has(name string) bool { _, ok := p.why[name]; return ok }

// stack returns a stack that holds no more than the picked resources.
func (p picked) stack() *stack.Stack {
	return &stack.Stack{Resources: p.resources, Services: p.services}
}

// pick chooses the services and resources: what is asked for, or the profile's, or all, with what they need.
func pick(o Options) (picked, error) {
	asked, reason, err := asked(o)
	if err != nil {
		return picked{}, err
	}
	p := picked{why: map[string]string{}}
	needs := needs(o.Stack)
	var add func(name, why string)
	add = func(name, why string) {
		if _, there := p.why[name]; there {
			return
		}
		p.why[name] = why
		for _, to := range needs[name] {
			if !o.NoDeps || o.Stack.Resource(to) != nil && slices.Contains(asked, to) {
				add(to, name+" needs it")
			}
		}
	}
	for _, name := range asked { // what was asked for says so, even when another needs it too
		p.why[name] = reason
	}
	for _, name := range asked {
		delete(p.why, name)
		add(name, reason)
	}
	for _, s := range o.Stack.Services {
		if p.has(s.Name) {
			p.services = append(p.services, s)
		}
	}
	for _, r := range o.Stack.Resources {
		if p.has(r.Name) {
			p.resources = append(p.resources, r)
		}
	}
	return p, nil
}

// asked returns the names that the options ask for, and how.
func asked(o Options) ([]string, string, error) {
	switch {
	case len(o.Services) > 0:
		return o.Services, "asked for", known(o.Stack, o.Services)
	case o.Profile != "":
		i := slices.IndexFunc(o.Stack.Profiles, func(p stack.Profile) bool { return p.Name == o.Profile })
		if i < 0 {
			return nil, "", fmt.Errorf("find profile %q: the stack has %s", o.Profile, profiles(o.Stack))
		}
		return o.Stack.Profiles[i].Services, "profile " + o.Profile, nil
	}
	var all []string
	for _, r := range o.Stack.Resources {
		all = append(all, r.Name)
	}
	for _, s := range o.Stack.Services {
		all = append(all, s.Name)
	}
	return all, "in the stack", nil
}

func known(st *stack.Stack, names []string) error {
	for _, name := range names {
		if st.Service(name) == nil && st.Resource(name) == nil {
			return fmt.Errorf("find %q: the stack has no such service or resource", name)
		}
	}
	return nil
}

func profiles(st *stack.Stack) string {
	if len(st.Profiles) == 0 {
		return "none"
	}
	var all []string
	for _, p := range st.Profiles {
		all = append(all, p.Name)
	}
	return strings.Join(all, ", ")
}

// needs returns for every service and resource what must be ready before it, in the order of the file.
func needs(st *stack.Stack) map[string][]string {
	out := map[string][]string{}
	add := func(from, to string) {
		if from != to && !slices.Contains(out[from], to) {
			out[from] = append(out[from], to)
		}
	}
	for _, e := range st.Edges {
		add(e.From, e.To)
	}
	for _, s := range st.Services {
		for _, to := range s.After {
			add(s.Name, to)
		}
	}
	return out
}

// inOrder returns services so that each follows those that it needs, else in file order.
func inOrder(st *stack.Stack, services []*stack.Service) []*stack.Service {
	by := make(map[string]*stack.Service, len(services))
	for _, s := range services {
		by[s.Name] = s
	}
	var out []*stack.Service
	for _, layer := range st.Order() {
		for _, name := range layer {
			if s := by[name]; s != nil {
				out = append(out, s)
			}
		}
	}
	return out
}

// list joins names: "a", "a and b", "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
