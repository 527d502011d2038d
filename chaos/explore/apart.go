package explore

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// apart tells what two sets of faults do together where they act on different services. A service does something
// else than without faults only because it is asked something else, or gets something else for what it asks. Where
// no service is both asked or answered otherwise because of the one set and because of the other, none sees
// anything in the run of both that it did not see in one of them: the run holds as they did. Calls that are made
// now and then, in any order, do not matter to that.
type apart struct {
	acts  func(mode string) bool // of a Mode
	told  map[string]told        // each service, in a run without faults
	noise map[Point]bool         // not made in each clean run
	alone map[string]alone       // by key: what each fault did that was tried without another
	usual map[Point]bool         // the names of the calls of a run without faults
	sends map[string]string      // by edge and operation: where messages go
	reads map[string][]string    // by service: where messages come from that it is given

	together [][]string // of Search
}

// told is what one service was asked, by the name of the call, and what it got for the calls that it made.
type told struct {
	asked map[Point]bool
	got   map[Point]string
}

// alone is what one fault did.
type alone struct {
	run     Run
	changed map[string]bool // the services that were asked or answered otherwise
}

// clean begins with a run without faults, and the points that not all such runs have.
func (a *apart) clean(r Run, noise []Point) {
	a.alone, a.noise = map[string]alone{}, map[Point]bool{}
	for _, p := range noise {
		a.noise[p] = true
	}
	a.told, a.usual = a.tell(nil, r), map[Point]bool{}
	for _, name := range a.names(nil, r.Calls) {
		a.usual[name] = true
	}
	a.sends, a.reads = map[string]string{}, map[string][]string{}
	for _, c := range r.Calls {
		switch {
		case c.Dest == "":
		case c.Kind == "consume":
			a.reads[c.Caller()] = append(a.reads[c.Caller()], c.Dest)
		default:
			a.sends[c.Edge+" "+c.Op] = c.Dest
		}
	}
}

// given reports that a service is given the messages that a fault keeps or doubles.
func (a *apart) given(service string, f Fault) bool {
	to := a.sends[f.Edge+" "+f.Op]
	return to != "" && slices.ContainsFunc(a.reads[service], func(from string) bool {
		return from == to || strings.HasPrefix(from, to+":")
	})
}

// learn takes a run of one fault that held.
func (a *apart) learn(s Set, r Run) {
	if len(s) == 1 {
		a.alone[s.key()] = alone{r, a.changed(s, r)}
	}
}

// names gives each call the name that it would have, had those before it not been made that a fault kept from
// their callee: behind a retry that works all goes on as behind a call that works at once.
func (a *apart) names(s Set, calls []Call) map[Point]Point {
	named, count := map[Point]Point{}, map[Point]int{}
	deep := func(c Call) int { return strings.Count(string(c.Point), between) }
	for _, c := range slices.SortedStableFunc(slices.Values(calls), func(a, b Call) int { return cmp.Compare(deep(a), deep(b)) }) {
		step := bare(c.Point)
		loose := step == c.Point
		if of := c.Point.Parent(); of != "" {
			step = cmp.Or(named[of], of) + between + Point(step.Last())
		}
		if a.lost(s, c) {
			step += " lost"
		}
		if !loose {
			count[step]++
			step = Point(fmt.Sprintf("%s #%d", step, count[step]))
		}
		named[c.Point] = step
	}
	return named
}

// lost reports that a fault kept a call from its callee.
func (a *apart) lost(s Set, c Call) bool {
	mode := s.mode(c.Point)
	return mode != "" && !a.acts(mode)
}

// tell returns what each service was told in a run. A fault is an answer too, whatever the edge saw of it.
func (a *apart) tell(s Set, r Run) map[string]told {
	all := map[string]told{}
	of := func(service string) told {
		if all[service].got == nil {
			all[service] = told{map[Point]bool{}, map[Point]string{}}
		}
		return all[service]
	}
	names := a.names(s, r.Calls)
	for _, c := range r.Calls {
		name := names[c.Point]
		switch {
		case c.Kind == "consume":
			of(c.Caller()).asked[name] = true
			continue
		case (c.Proto == "http" || c.Proto == "grpc") && !a.lost(s, c):
			of(c.Callee()).asked[name] = true
		}
		of(c.Caller()).got[name] = got(s, c)
	}
	of("").got[""] = r.Answer
	return all
}

// otherwise reports that a service was asked or answered otherwise. A call that only one of the two made tells
// nothing, unless a fault answered it.
func (t told) otherwise(clean told) bool {
	if !maps.Equal(t.asked, clean.asked) {
		return true
	}
	for name, got := range t.got {
		was, made := clean.got[name]
		if made && was != got || strings.HasPrefix(got, "!") {
			return true
		}
	}
	return false
}

// shape is what a run did beside what a fault at a point did itself: two modes with the same have the same effect.
func (a *apart) shape(s Set, r Run, at Point) string {
	lines := []string{r.Answer}
	names := a.names(s, r.Calls)
	for _, c := range r.Calls {
		switch name := string(names[c.Point]); {
		case c.Point == at:
			lines = append(lines, name)
		case !a.noisy(names[c.Point]):
			lines = append(lines, name+"="+got(s, c))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// noisy reports that a call is not made in each clean run, or made for one that is not.
func (a *apart) noisy(p Point) bool {
	for ; p != ""; p = p.Parent() {
		if a.noise[p] {
			return true
		}
	}
	return false
}

// changed are the services that were asked or answered otherwise than without faults, and those that are given
// the messages which a fault keeps, or doubles.
func (a *apart) changed(s Set, r Run) map[string]bool {
	out := map[string]bool{}
	now := a.tell(s, r)
	for _, one := range []map[string]told{now, a.told} {
		for service := range one {
			if now[service].otherwise(a.told[service]) {
				out[service] = true
			}
		}
	}
	for service := range a.reads {
		if slices.ContainsFunc(s, func(f Fault) bool { return a.given(service, f) }) {
			out[service] = true
		}
	}
	return out
}

// sight is what is known of the run of a lead: it is the same for every fault that is added to it.
type sight struct {
	names   map[Point]Point
	changed map[string]bool
}

func (a *apart) look(l lead) sight {
	return sight{a.names(l.set, l.run.Calls), a.changed(l.set, l.run)}
}

// chance reports that a call of a lead was made by chance: there is none like it without faults, and who made it was
// told nothing else. A connection was opened, or what is done now and then was due.
func (a *apart) chance(l lead, c Call) bool {
	return len(l.set) > 0 && !a.usual[l.names[c.Point]] && !l.changed[c.Caller()]
}

// single returns what a fault that is added to a lead did alone; false: it was not tried.
func (a *apart) single(l lead, f Fault) (alone, bool) {
	f.Point = l.names[f.Point]
	one, tried := a.alone[Set{f}.key()]
	return one, tried
}

// meet reports that the faults of a lead and one fault more may be seen together: by a service, or by an invariant.
// It is so too where that is not known.
func (a *apart) meet(l lead, f Fault) (service, invariant bool) {
	one, tried := a.single(l, f)
	if len(l.set) == 0 || !tried {
		return true, true
	}
	among := func(services []string, set map[string]bool) bool {
		return slices.ContainsFunc(services, func(s string) bool { return set[s] })
	}
	for _, services := range a.together {
		invariant = invariant || among(services, l.changed) && among(services, one.changed)
	}
	return among(slices.Collect(maps.Keys(l.changed)), one.changed), invariant
}

// predict returns the run of a lead with one fault more where nobody sees both.
func (a *apart) predict(l lead, f Fault) Run {
	one, _ := a.single(l, f)
	return one.with(l)
}

// never is an end behind everything: of calls that nobody made it is not known what came before what.
const never = time.Duration(1 << 62)

// with is the run of a lead in which the services that a fault changes do what they did in its run.
func (o alone) with(l lead) Run {
	back := map[Point]Point{}
	for was, is := range l.names {
		back[is] = was
	}
	r := Run{Answer: l.run.Answer}
	if o.changed[""] {
		r.Answer = o.run.Answer
	}
	add := func(c Call) {
		c.Start, c.End = time.Duration(len(r.Calls)), never
		r.Calls = append(r.Calls, c)
	}
	for _, c := range l.run.Calls {
		if !o.changed[c.Caller()] {
			add(c)
		}
	}
	for _, c := range o.run.Calls {
		if o.changed[c.Caller()] {
			c.Point, c.Parent = renamed(c.Point, back), renamed(c.Parent, back)
			add(c)
		}
	}
	return r
}

// renamed gives a point, or what it is made for, another name.
func renamed(p Point, names map[Point]Point) Point {
	for of := p; of != ""; of = of.Parent() {
		if name, known := names[of]; known {
			return name + p[len(of):]
		}
	}
	return p
}
