package explore

import (
	"cmp"
	"slices"
	"time"
)

// memory is what each call was seen to do: which call it makes next, or what it answers, given what it
// got from those that it made. A service knows nothing but its own calls, so what all of them did before
// tells what a run would show that was never made. Its zero value remembers nothing.
type memory struct {
	next map[string]next
	acts func(mode string) bool // of a Mode
}

// next is what follows: a call, or the end with an answer.
type next struct {
	call   Call // Point "": it ends
	answer string
	vague  bool // it was seen to go on in more than one way
}

// learn takes the calls of a run that held.
func (m *memory) learn(s Set, r Run) {
	if m.next == nil {
		m.next = map[string]next{}
	}
	m.look(s, r, Call{Got: r.Answer})
}

func (m *memory) look(s Set, r Run, of Call) {
	at := string(of.Point)
	for _, c := range inOrder(r.Calls, of.Point) {
		m.note(at, next{call: c})
		at += "\x01" + string(c.Point) + "=" + got(s, c)
		if mode := s.mode(c.Point); mode == "" || m.acts(mode) {
			m.look(s, r, c)
		}
	}
	if mode := s.mode(of.Point); of.Point == "" || mode == "" {
		m.note(at, next{answer: of.Got})
	} else {
		m.note(at, next{answer: "?"}) // it answered, and nobody knows what
	}
}

func (m *memory) note(at string, n next) {
	old, known := m.next[at]
	switch {
	case !known, old.answer == "?" && n.call.Point == "":
		m.next[at] = n
	case n.answer == "?" && old.call.Point == "":
	case old.call.Point != n.call.Point || old.answer != n.answer:
		old.vague = true
		m.next[at] = old
	}
}

// got is what a caller got: of a fault its mode, else the answer.
func got(s Set, c Call) string {
	if mode := s.mode(c.Point); mode != "" {
		return "!" + mode
	}
	return c.Got
}

// predict returns the run of a set where every call in it did the same before; ok says that. It held,
// for all of its parts were in runs that did.
func (m *memory) predict(s Set) (r Run, ok bool) {
	p := prediction{m: m, s: s, left: len(s)}
	if r.Answer, ok = p.walk(""); !ok || p.left > 0 {
		return Run{}, false // a fault that never acts is no run that is known
	}
	r.Calls = p.calls
	return r, true
}

// prediction is one walk through a memory.
type prediction struct {
	m     *memory
	s     Set
	calls []Call
	left  int           // faults that did not act yet
	now   time.Duration // no time that a clock shows: it tells what comes before what
}

func (p *prediction) tick() time.Duration {
	p.now++
	return p.now
}

func (p *prediction) walk(of Point) (answer string, ok bool) {
	at := string(of)
	for {
		n, known := p.m.next[at]
		if !known || n.vague {
			return "", false
		}
		if n.call.Point == "" {
			return n.answer, n.answer != "?" || p.s.mode(of) != ""
		}
		i := len(p.calls)
		p.calls = append(p.calls, n.call)
		p.calls[i].Start = p.tick()
		mode := p.s.mode(n.call.Point)
		if mode != "" {
			p.left--
		}
		if mode == "" || p.m.acts(mode) {
			answer, ok := p.walk(n.call.Point)
			if !ok {
				return "", false
			}
			p.calls[i].Got = answer
		}
		p.calls[i].End = p.tick()
		at += "\x01" + string(n.call.Point) + "=" + got(p.s, p.calls[i])
	}
}

// inOrder returns the calls made for one, those that overlapped in the order of their points: they may
// begin in another order the next time.
func inOrder(calls []Call, of Point) []Call {
	var out []Call
	for _, c := range calls {
		if c.Parent == of && c.Point != of {
			out = append(out, c)
		}
	}
	for i := 0; i < len(out); {
		j, end := i+1, out[i].End
		for ; j < len(out) && out[j].Start < end; j++ {
			end = max(end, out[j].End)
		}
		slices.SortFunc(out[i:j], func(a, b Call) int { return cmp.Compare(a.Point, b.Point) })
		i = j
	}
	return out
}
