package telemetry

import (
	"cmp"
	"slices"
)

// joined is a row of the trace that is joined, and what its parent and its children tell of it.
type joined struct {
	on         *chart
	row        uint32
	id, parent uint64
	start, dur int64
	role       uint16
	below      bool   // its parent is there
	crossed    bool   // an edge recorded the same call, below it
	served     uint16 // role of the first of another service that served it
	servedAt   int64
}

// joinTrace finds out what each row of a trace adds to the map, from the charts that the trace is on.
func (a *atlas) joinTrace(hash uint64) {
	a.rows = a.rows[:0]
	for i := a.heads[hash]; i != 0; i = a.places[i].next {
		a.eachOf(a.places[i].on, a.places[i].trace, func(r joined) bool {
			a.rows = append(a.rows, r)
			return true
		})
	}
	slices.SortFunc(a.rows, func(x, y joined) int { return cmp.Compare(x.id, y.id) })
	for i := range a.rows {
		if kid := &a.rows[i]; kid.parent != 0 && kid.parent != kid.id {
			a.hang(kid)
		}
	}
	for i := range a.rows {
		r := &a.rows[i]
		if call := a.callOf(r); r.on.call[r.row] != call {
			r.on.call[r.row], r.on.changed = call, true
		}
	}
	a.gistTrace(hash)
}

// hang tells a row and its parents of each other. A span that was sent twice may be there twice.
func (a *atlas) hang(kid *joined) {
	i, _ := slices.BinarySearchFunc(a.rows, kid.parent, func(r joined, id uint64) int { return cmp.Compare(r.id, id) })
	for ; i < len(a.rows) && a.rows[i].id == kid.parent; i++ {
		p := &a.rows[i]
		if d := kid.start - p.start; d > near || d < -near {
			continue
		}
		kid.below = true
		one, of := &a.roles.all[kid.role], &a.roles.all[p.role]
		switch {
		case one.edge:
			p.crossed = true
		case one.server && one.call.To != of.call.From && (p.served == 0 || a.sooner(kid, p)):
			p.served, p.servedAt = kid.role, kid.start
		}
	}
}

// sooner reports that a row served its parent before the one that was found to.
func (a *atlas) sooner(kid, p *joined) bool {
	return cmp.Or(cmp.Compare(kid.start, p.servedAt), cmp.Compare(a.roles.all[kid.role].call.To, a.roles.all[p.served].call.To)) < 0
}

// callOf is the number of the call that a row adds, 0 for none.
func (a *atlas) callOf(r *joined) uint16 {
	key := [2]uint16{r.role}
	switch of := &a.roles.all[r.role]; of.call.Sort {
	case 0:
		return 0
	case Entered:
		if r.below {
			return 0
		}
	case Asked:
		if r.crossed || r.served == 0 && of.call.Peer == (Peer{}) {
			return 0
		}
		key[1] = r.served
	}
	n, ok := a.told[key]
	if !ok {
		c := a.roles.all[key[0]].call
		if key[1] != 0 {
			c.To = a.roles.all[key[1]].call.To
		}
		n = a.calls.put(c)
		a.told[key] = n
	}
	return n
}
