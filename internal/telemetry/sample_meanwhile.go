package telemetry

import "time"

// mostBegun is how many traces that begin with a call get those that were under way around it.
const mostBegun = 32

// meanwhile takes, for traces that begin with a call of a service, one trace each in which the same service
// served a request around it: it may be the one that the call was made for. They stand for nothing else.
func (p *picker) meanwhile() {
	beside := &group{}
	left, n := moreCharts, 0
	for _, g := range p.groups {
		if g.traits&traitBegun == 0 {
			continue
		}
		for _, i := range g.picks[:min(len(g.picks), leastPicks)] {
			if n++; n > mostBegun {
				break
			}
			if o, ok := p.around(i); ok && !p.took[o] && p.new(o) <= left {
				left -= p.new(o)
				p.took[o] = true
				beside.picks = append(beside.picks, o)
			}
		}
	}
	p.groups = append(p.groups, beside)
}

// around finds a trace in which the service that began trace i served a request for all of that time.
func (p *picker) around(i int) (int, bool) {
	from, start, end := p.begun(i)
	if from == "" {
		return 0, false
	}
	for o := range p.every {
		g := p.every[o].gist()
		if o == i || g.start > start || g.traits&traitAsked == 0 || g.last+int64(g.size)*int64(time.Microsecond) < end {
			continue
		}
		if p.serving(o, from, start, end) {
			return o, true
		}
	}
	return 0, false
}

// begun tells which service began a trace by a call, and when that was.
func (p *picker) begun(i int) (from string, start, end int64) {
	p.eachRow(i, func(r joined) bool {
		if p.a.traitsOf(&r)&traitBegun == 0 {
			return true
		}
		from, start, end = p.a.roles.all[r.role].call.From, r.start, r.start+r.dur
		return false
	})
	return from, start, end
}

// serving reports a trace in which a service served a request for all of some time.
func (p *picker) serving(i int, service string, start, end int64) (found bool) {
	p.eachRow(i, func(row joined) bool {
		r := &p.a.roles.all[row.role]
		serves := r.call.To == service && (r.server || r.call.Sort == Crossed && row.on.badge[row.row]&badgeAsync == 0)
		found = serves && row.start <= start && row.start+row.dur >= end
		return !found
	})
	return found
}

// eachRow calls fn with the rows of a trace that count, until it returns false.
func (p *picker) eachRow(i int, fn func(r joined) bool) {
	c := &p.every[i]
	more := true
	p.a.eachPlace(c.on.traces[c.trace], func(on *chart, trace uint32) {
		more = more && p.a.eachOf(on, trace, fn)
	})
}
