// Package coverage compares what services were seen to ask of each other with what their pacts say.
package coverage

import (
	"cmp"
	"slices"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/route"
)

// Seen is one thing that a consumer was seen to do, as traces tell it.
type Seen struct {
	Consumer, Provider string
	Kind               contracts.Kind
	Method             string // HTTP: "GET"
	Path               string // HTTP: as it was asked for. Call: "package.Service/Method". Message: its key
	Count              int

	routed bool // the path is a route of the provider's
}

// Operation is one thing that a consumer asks of a provider: a request, a call or a message.
type Operation struct {
	Kind   contracts.Kind `json:"-"`
	Name   string         `json:"name"` // "GET /users/{id}", "package.Service/Method", "user.updated"
	Count  int            `json:"count"`
	Pacts  int            `json:"interactions"` // of the pact that are about it
	method string
	path   pattern
	routed bool // the path is a route of the provider's
}

// Seen reports an operation of a trace.
func (o Operation) Seen() bool { return o.Count > 0 }

// Edge is what is known of one consumer and one provider.
type Edge struct {
	Consumer   string      `json:"consumer"`
	Provider   string      `json:"provider"`
	Pact       bool        `json:"pact"`       // there is one
	Declared   bool        `json:"declared"`   // stack.yaml says so
	Operations []Operation `json:"operations"` // by name
}

// Name returns "consumer:provider".
func (e Edge) Name() string { return e.Consumer + ":" + e.Provider }

// Count returns how many operations were seen, and how many of these are in the pact.
func (e Edge) Count() (seen, covered int) {
	for _, o := range e.Operations {
		if o.Seen() {
			seen++
			if o.Pacts > 0 {
				covered++
			}
		}
	}
	return seen, covered
}

// Pair is who needs something of whom.
type Pair struct{ Consumer, Provider string }

// Compare returns every edge that stack.yaml declares, that has a pact, or that was seen, by name. Paths of one
// route, as far as routes are known, are one operation.
func Compare(declared []Pair, pacts []contracts.Pact, seen []Seen, routes *route.Table) []Edge {
	edges := map[Pair]*Edge{}
	edge := func(consumer, provider string) *Edge {
		p := Pair{consumer, provider}
		if edges[p] == nil {
			edges[p] = &Edge{Consumer: consumer, Provider: provider}
		}
		return edges[p]
	}
	for _, d := range declared {
		edge(d.Consumer, d.Provider).Declared = true
	}
	for _, p := range pacts {
		e := edge(p.Consumer, p.Provider)
		e.Pact, e.Operations = true, operationsOf(p, routes)
	}
	by := map[Pair][]Seen{}
	for _, s := range seen {
		p := Pair{s.Consumer, s.Provider}
		edge(p.Consumer, p.Provider)
		if path, known := routes.Fold(s.Provider, s.Method, s.Path); s.Kind == contracts.HTTP && known {
			s.Path, s.routed = path, true
		}
		by[p] = append(by[p], s)
	}
	var out []Edge
	for p, e := range edges {
		e.match(by[p])
		slices.SortFunc(e.Operations, func(a, b Operation) int {
			return cmp.Or(cmp.Compare(order(a.Kind), order(b.Kind)), cmp.Compare(a.Name, b.Name))
		})
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Edge) int { return cmp.Compare(a.Name(), b.Name()) })
	return out
}

func order(k contracts.Kind) int {
	return slices.Index([]contracts.Kind{contracts.HTTP, contracts.Call, contracts.Message}, k)
}

// match counts what was seen for the operation that it fits best, and adds what fits none.
func (e *Edge) match(seen []Seen) {
	var left []Seen
	for _, s := range seen {
		if at := best(e.Operations, s); at >= 0 {
			e.Operations[at].Count += s.Count
		} else {
			left = append(left, s)
		}
	}
	for _, group := range fold(left) {
		if at := bestOf(e.Operations, group); at >= 0 {
			e.Operations[at].Count += group.Count
		} else {
			e.Operations = append(e.Operations, group)
		}
	}
}

// best returns the operation that something seen is, or -1.
func best(all []Operation, s Seen) int {
	return bestOf(all, Operation{Kind: s.Kind, method: s.Method, path: concrete(s.Kind, s.Path), routed: s.routed})
}

// bestOf prefers the operation that has the most words in common: /users/search is not /users/{id} where both
// are in the pact. Of two routes, none stands for the other.
func bestOf(all []Operation, what Operation) int {
	at, most := -1, -1
	for i, o := range all {
		if o.Kind != what.Kind || o.method != what.method || o.routed && what.routed && o.path.String() != what.path.String() {
			continue
		}
		if n, ok := o.path.fits(what.path); ok && n > most {
			at, most = i, n
		}
	}
	return at
}

// Percent is how many of a hundred operations that were seen are in pacts; false where none was seen.
func Percent(edges []Edge) (float64, bool) {
	seen, covered := 0, 0
	for _, e := range edges {
		s, c := e.Count()
		seen, covered = seen+s, covered+c
	}
	if seen == 0 {
		return 0, false
	}
	return 100 * float64(covered) / float64(seen), true
}
