package coverage

import (
	"strings"

	"msctl.dev/msctl/contracts"
)

// many is how many texts in one place of a path are taken for names of things.
const many = 6

// firstNames is the first part of a path that may be the name of a thing: "/orders" and "/carts" are not.
const firstNames = 2

// fold puts together what was seen and differs in names of things only: numbers and the like, and a part of which
// there are many while the rest is the same.
func fold(seen []Seen) []Operation {
	var first sums
	deepest := 0
	for _, s := range seen {
		p := concrete(s.Kind, s.Path)
		for n := range p {
			p[n].open = p[n].open || s.Kind == contracts.HTTP && !s.routed && isID(p[n].text)
		}
		first.add(Operation{Kind: s.Kind, Count: s.Count, method: s.Method, path: p, routed: s.routed})
		deepest = max(deepest, len(p))
	}
	for n := firstNames; n < deepest; n++ {
		first = first.foldAt(n)
	}
	for i, o := range first.all {
		first.all[i].Name = strings.TrimPrefix(o.method+" "+o.path.String(), " ")
	}
	return first.all
}

// sums is operations, each once.
type sums struct {
	all []Operation
	at  map[string]int
}

// add counts an operation.
func (s *sums) add(o Operation) {
	key := string(o.Kind) + " " + o.method + " " + o.path.String()
	at, there := s.at[key]
	if there {
		s.all[at].Count += o.Count
		return
	}
	if s.at == nil {
		s.at = map[string]int{}
	}
	s.at[key] = len(s.all)
	s.all = append(s.all, o)
}

// foldAt opens part n of those paths that differ in many ways there, and in nothing else.
func (s *sums) foldAt(n int) sums {
	count := map[string]int{}
	for _, o := range s.all {
		if len(o.path) > n && !o.routed {
			count[o.method+" "+o.path.opened(n).String()]++
		}
	}
	var out sums
	for _, o := range s.all {
		if len(o.path) > n && !o.routed && count[o.method+" "+o.path.opened(n).String()] >= many {
			o.path = o.path.opened(n)
		}
		out.add(o)
	}
	return out
}

// opened is the pattern with one part open.
func (p pattern) opened(n int) pattern {
	out := append(pattern{}, p...)
	out[n].open = true
	return out
}
