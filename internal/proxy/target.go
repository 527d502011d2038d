package proxy

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Target is one replica that an edge leads to.
type Target struct {
	Unit   string
	Addr   string // host:port
	Group  string // targets of one group share one Weight. "": alone if Weight is set, else with all others that say neither
	Weight int    // share of the group among all groups; 0 means 1
}

// Ejection.
const (
	maxFailures = 5 // in a row
	firstOut    = 200 * time.Millisecond
	longestOut  = 10 * time.Second
)

// target is a Target with what happened to it. It lives for as long as its address is in the list.
type target struct {
	unit, addr string
	busy       atomic.Int64 // connections, or requests where the protocol is HTTP
	failures   atomic.Int32 // in a row
	outs       atomic.Int32 // ejections in a row
	until      atomic.Int64 // unix ns until which it is out
	idle       idle         // HTTP connections to it that wait for a request
	h2         h2open       // HTTP/2 connections to it
}

// table is one list of targets. It is read-only but for the shares of its groups, which Edge.share guards.
type table struct {
	groups []*group
	all    []Target
	live   []*target // of all, same order
}

// group is targets that share a weight.
type group struct {
	key     string
	weight  int
	credit  int // smooth weighted round robin: what it is owed
	targets []*target
}

// SetTargets replaces where new connections and requests go. Open ones stay where they are, and a target
// that is named again keeps its figures. [Edge.Quiet] tells when those that are not named have nothing to do.
func (e *Edge) SetTargets(list []Target) {
	e.mu.Lock()
	old := e.table.Load()
	t := &table{all: slices.Clone(list)}
	e.share.Lock() // the groups take over what they are owed
	for _, one := range list {
		live := old.find(one)
		if live == nil {
			live = &target{unit: one.Unit, addr: one.Addr}
		}
		t.live = append(t.live, live)
		g := t.group(one, old)
		g.targets = append(g.targets, live)
	}
	e.share.Unlock()
	e.table.Store(t)
	gone := old.without(t)
	e.left = append(slices.DeleteFunc(e.left, func(t *target) bool { return t.busy.Load() == 0 }), gone...)
	e.mu.Unlock()
	for _, live := range gone {
		live.idle.close()
		live.h2.retire()
	}
}

// Quiet reports whether a unit that the targets do not name has nothing more to answer: no request is on its
// way to it, and none waits in it. An edge of bytes is always quiet: its connections stay open for as long as both
// sides live.
func (e *Edge) Quiet(unit string) bool {
	if !e.forwards() {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return !slices.ContainsFunc(e.left, func(t *target) bool { return t.unit == unit && t.busy.Load() > 0 })
}

// without returns the live targets of t that another table has not.
func (t *table) without(other *table) []*target {
	if t == nil {
		return nil
	}
	var gone []*target
	for _, live := range t.live {
		if !slices.Contains(other.live, live) {
			gone = append(gone, live)
		}
	}
	return gone
}

// find returns the live target of the same unit and address, or nil.
func (t *table) find(want Target) *target {
	if t == nil {
		return nil
	}
	for _, live := range t.live {
		if live.unit == want.Unit && live.addr == want.Addr {
			return live
		}
	}
	return nil
}

// group returns the group of a target, made where it is new; it is owed what it was owed before.
func (t *table) group(of Target, old *table) *group {
	key := of.Group
	if key == "" && of.Weight > 0 {
		key = "\x00" + of.Unit + "\x00" + of.Addr
	}
	for _, g := range t.groups {
		if g.key == key {
			return g
		}
	}
	g := &group{key: key, weight: max(of.Weight, 1)}
	if old != nil {
		for _, was := range old.groups {
			if was.key == key && was.weight == g.weight {
				g.credit = was.credit
			}
		}
	}
	t.groups = append(t.groups, g)
	return g
}

// pick chooses a target that is not in tried: the group by weight, in it the less busy of two. Those that
// are ejected come last, so that the last one is never left out. It returns nil where none is left.
func (e *Edge) pick(tried []*target) *target {
	t := e.table.Load()
	if t == nil || len(t.live) == 0 {
		return nil
	}
	groups := t.groups
	if len(groups) > 1 {
		groups = e.shares(t)
	}
	for _, all := range []bool{false, true} {
		for _, g := range groups {
			if one := g.lessBusy(tried, all); one != nil {
				return one
			}
		}
	}
	return nil
}

// take picks a target and counts one more on it. One that was taken off the list between the two is let go
// again: who saw that it had nothing to do may have ended it.
func (e *Edge) take(tried []*target) *target {
	for {
		t := e.pick(tried)
		if t == nil {
			return nil
		}
		t.busy.Add(1)
		if slices.Contains(e.table.Load().live, t) {
			return t
		}
		t.busy.Add(-1)
	}
}

// shares returns the groups, the one whose turn it is first, the others by what they are owed.
func (e *Edge) shares(t *table) []*group {
	e.share.Lock()
	defer e.share.Unlock()
	total := 0
	for _, g := range t.groups {
		g.credit += g.weight
		total += g.weight
	}
	order := slices.Clone(t.groups)
	slices.SortStableFunc(order, func(a, b *group) int { return cmp.Compare(b.credit, a.credit) })
	order[0].credit -= total
	return order
}

// lessBusy draws two targets and returns the one that has less to do, of all or of those that are not ejected.
func (g *group) lessBusy(tried []*target, all bool) *target {
	a := g.draw(tried, all, nil)
	if a == nil {
		return nil
	}
	b := g.draw(tried, all, a)
	if b != nil && b.busy.Load() < a.busy.Load() {
		return b
	}
	return a
}

func (g *group) draw(tried []*target, all bool, not *target) *target {
	n := len(g.targets)
	if n == 1 && not != nil {
		return nil
	}
	from := 0
	if n > 1 {
		from = rand.IntN(n)
	}
	for i := range n {
		t := g.targets[(from+i)%n]
		if t != not && (all || !t.outNow()) && !slices.Contains(tried, t) {
			return t
		}
	}
	return nil
}

// out reports whether the target is ejected at a time in unix ns.
func (t *target) out(now int64) bool { return now < t.until.Load() }

func (t *target) outNow() bool { return t.until.Load() != 0 && t.out(time.Now().UnixNano()) }

// fail notes that the target gave no answer, or refused the connection.
func (t *target) fail(refused bool) {
	if t.failures.Add(1) < maxFailures && !refused {
		return
	}
	t.failures.Store(0)
	long := min(firstOut<<min(t.outs.Add(1)-1, 8), longestOut)
	t.until.Store(time.Now().Add(long).UnixNano())
}

// well notes that the target answered.
func (t *target) well() {
	if t.failures.Load() != 0 {
		t.failures.Store(0)
	}
	if t.outs.Load() != 0 {
		t.outs.Store(0)
		t.until.Store(0)
	}
}
