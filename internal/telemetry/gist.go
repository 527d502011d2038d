package telemetry

import (
	"math/bits"
	"slices"
	"time"
)

// gist is what a sample has to know of a trace: what it is like, and not what it says. The chart has it that
// was told of the trace last; on others the trace has none.
type gist struct {
	start, last int64  // starts of the earliest and the latest row, ns since 1970
	form        uint32 // equal for traces that do the same calls, about as often
	kind        uint32 // equal for traces that begin with the same, have the same traits and take about as long
	size        uint32 // durations of all rows, µs, as far as they fit
	rows        uint16 // as far as they fit; 0: no gist
	traits      uint16
}

// traits of traces: five flags, and on two scales how long they take and how often they repeat themselves.
const (
	traitAsked     = 1 << iota // somebody asked something of a service
	traitBroke                 // a part failed, and not because it was asked for the wrong thing
	traitDisturbed             // a fault acted on it
	traitBegun                 // it begins with a call: whoever did it may not have handed the trace on
	traitFlags     = iota
	longShift      = traitFlags // four bits
	repeatShift    = longShift + 4
)

// badge is what a sample has to know of a row, beside its role.
type badge uint8

const (
	badgeFailed badge = 1 << iota
	badgeBroke
	badgeDisturbed
	badgeAsked
	badgeTied  // the edge guessed to which request a call belongs
	badgeAsync // a message
)

// badgeKeys are the attributes from which badges are read, beside those of callKeys.
var badgeKeys = [...]string{"http.response.status_code", "msctl.faults", "msctl.inferred"}

func badgeOf(s *Span) (m badge) {
	put := func(is bool, one badge) {
		if is {
			m |= one
		}
	}
	code := s.Word(badgeKeys[0])
	put(s.Status == Failed, badgeFailed)
	put(s.Status == Failed && !(len(code) == 3 && code[0] == '4'), badgeBroke)
	put(s.Word(badgeKeys[1]) != "", badgeDisturbed)
	put(s.Word(badgeKeys[2]) != "", badgeTied)
	put(serves(s.Kind) && s.Edge == "" || s.Edge != "" && asks(s), badgeAsked)
	put(s.Kind == Producer || s.Kind == Consumer, badgeAsync)
	return m
}

// nameHash is equal for names that differ only in their digits.
func nameHash(name []byte) uint16 {
	h := uint32(2166136261)
	for i := range len(name) {
		c := name[i]
		if c >= '0' && c <= '9' {
			if i > 0 && name[i-1] >= '0' && name[i-1] <= '9' {
				continue
			}
			c = '0'
		}
		h = (h ^ uint32(c)) * 16777619
	}
	return uint16(h ^ h>>16)
}

// gistTrace keeps the gist of the trace that was joined.
func (a *atlas) gistTrace(hash uint64) {
	first := a.heads[hash]
	for i := first; i != 0; i = a.places[i].next {
		p := &a.places[i]
		p.on.gists[p.trace] = gist{}
	}
	if first != 0 && len(a.rows) > 0 {
		p := &a.places[first]
		p.on.gists[p.trace] = a.gist()
	}
}

// gist sums up the rows of the trace that was joined.
func (a *atlas) gist() gist {
	head := &a.rows[0]
	g := gist{start: head.start, last: head.start, rows: uint16(min(len(a.rows), 1<<16-1))}
	size := int64(0)
	a.does = a.does[:0]
	for i := range a.rows {
		r := &a.rows[i]
		g.start, g.last = min(g.start, r.start), max(g.last, r.start)
		if !r.below && (head.below || r.start < head.start) {
			head = r
		}
		size += r.dur / int64(time.Microsecond)
		g.traits |= a.traitsOf(r)
		a.does = append(a.does, uint64(r.role)<<32|uint64(r.on.badge[r.row])<<16|uint64(r.on.name[r.row]))
	}
	g.size = uint32(min(max(size, 0), 1<<32-1))
	form, most := a.formOf()
	g.traits |= uint16(min(bits.Len64(uint64(g.size)/uint64(usual/time.Microsecond)), 15))<<longShift | repeats(most)<<repeatShift
	g.form = uint32(mix(form ^ uint64(g.traits)<<40 ^ uint64(head.on.name[head.row])))
	g.kind = uint32(mix(uint64(g.traits)<<40 | uint64(head.role)<<16 | uint64(head.on.name[head.row])))
	return g
}

// usual is a time that nobody minds: traces that take less are alike.
const usual = 20 * time.Millisecond

func (a *atlas) traitsOf(r *joined) (t uint16) {
	m := r.on.badge[r.row]
	if m&badgeAsked != 0 {
		t |= traitAsked
	}
	if m&badgeBroke != 0 {
		t |= traitBroke
	}
	if m&badgeDisturbed != 0 {
		t |= traitDisturbed
	}
	if m&(badgeAsync|badgeFailed|badgeTied) == 0 && r.parent == 0 && a.roles.all[r.role].call.From != "" {
		t |= traitBegun
	}
	return t
}

// formOf adds up what the rows of a trace do, in no order, and tells how often the most frequent comes.
func (a *atlas) formOf() (form uint64, most int) {
	slices.Sort(a.does) // by role
	wide, last := 0, uint64(1<<64-1)
	for from := 0; from < len(a.does); {
		n := 1
		for from+n < len(a.does) && a.does[from+n] == a.does[from] {
			n++
		}
		role := a.does[from] >> 16 // without the name, of which there may be many
		form += mix(role<<8 | uint64(repeats(n)))
		if role != last {
			wide, last = 0, role
		}
		wide += n
		from += n
		if most = max(most, n); wide >= chatty {
			most = max(most, chatty)
		}
	}
	return form, most
}

// chatty is so many calls over one edge that they are worth a look, whatever they ask.
const chatty = 15

// repeats are steps of how often something is done, between which findings are made.
func repeats(n int) uint16 {
	switch {
	case n < 3:
		return 0
	case n < 5:
		return 1
	case n < chatty:
		return 2
	}
	return 3
}

// mix spreads the bits of a number.
func mix(x uint64) uint64 {
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
