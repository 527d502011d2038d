package stack

import (
	"slices"
	"strings"
)

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
	hint := "each waits for the next to be ready: make one of these calls {optional: true}, or take it, an after or a reference out"
	if len(walk) == 2 {
		l.fail(pos, "take it out", "%q needs itself", walk[0])
		return
	}
	l.fail(pos, hint, "cycle: %s", strings.Join(walk, " -> "))
}
