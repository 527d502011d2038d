package fleet

import (
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// picked is the part of a stack that is to run.
type picked struct {
	*stack.Stack
	why map[string]string // reason of each service and resource in it, by name
}

func (p picked) has(name string) bool { _, ok := p.why[name]; return ok }

// pick chooses what is asked for, or the profile's, or all, with what they need.
func pick(o Options) (picked, error) {
	st, err := o.Stack.Select(o.Services, o.Profile, o.NoDeps)
	if err != nil {
		return picked{}, err
	}
	p := picked{Stack: st, why: map[string]string{}}
	for _, r := range st.Resources {
		p.why[r.Name] = "in the stack"
	}
	for _, s := range st.Services {
		p.why[s.Name] = "in the stack"
	}
	if len(o.Services) == 0 && o.Profile == "" {
		return p, nil
	}
	profile, _ := o.Stack.Profile(o.Profile)
	asked := slices.Concat(o.Services, profile.Services)
	needs := needs(o.Stack)
	for name := range p.why {
		p.why[name] = reason(name, asked, st, needs)
	}
	return p, nil
}

// reason says why a service or resource is picked.
func reason(name string, asked []string, st *stack.Stack, needs map[string][]string) string {
	if slices.Contains(asked, name) {
		return "asked for"
	}
	var users []string
	for _, s := range st.Services {
		if slices.Contains(needs[s.Name], name) {
			users = append(users, s.Name)
		}
	}
	for _, r := range st.Resources {
		if slices.Contains(needs[r.Name], name) {
			users = append(users, r.Name)
		}
	}
	if len(users) == 1 {
		return users[0] + " needs it"
	}
	return list(users) + " need it"
}

// needs returns for every service and resource what must be ready before it, in the order of the file.
func needs(st *stack.Stack) map[string][]string {
	out := map[string][]string{}
	for _, r := range st.Resources {
		out[r.Name] = st.Needs(r.Name)
	}
	for _, s := range st.Services {
		out[s.Name] = st.Needs(s.Name)
	}
	return out
}

// inOrder returns the services so that each follows those that it needs, else in file order.
func inOrder(st *stack.Stack) []*stack.Service {
	by := make(map[string]*stack.Service, len(st.Services))
	for _, s := range st.Services {
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
