package telemetry

import (
	"math/bits"
	"slices"
	"time"
)

// Spread is how long many things took: how many lie in each of the steps of a scale, of which thirty-two
// double the time, and where they lie in it on average. A quantile is off by a thirtieth at most, and exact
// where all that share its step took equally long.
type Spread struct{ steps []step }

type step struct {
	at   uint16
	n    uint32
	over uint64 // sum of what they took beyond the lower end of the step, ns
}

const (
	stepBits = 5
	steps    = (64 - stepBits) << stepBits
)

// levelOf is the step in which a duration lies.
func levelOf(ns int64) uint16 {
	shift := max(bits.Len64(uint64(ns))-stepBits-1, 0)
	return uint16(shift<<stepBits + int(ns>>shift))
}

// stepFrom is the lower end of a step.
func stepFrom(at uint16) int64 {
	shift := max(int(at>>stepBits)-1, 0)
	return (int64(at) - int64(shift)<<stepBits) << shift
}

// Count is how many durations there are.
func (s *Spread) Count() (n int64) {
	for i := range s.steps {
		n += int64(s.steps[i].n)
	}
	return n
}

// Quantile returns the duration below which a part q of all lie, 0 where there are none.
func (s *Spread) Quantile(q float64) time.Duration {
	n := s.Count()
	rank := min(int64(q*float64(n)), n-1)
	for i := range s.steps {
		p := &s.steps[i]
		if rank -= int64(p.n); rank < 0 {
			return time.Duration(stepFrom(p.at) + int64(p.over/uint64(p.n)))
		}
	}
	return 0
}

// Add adds all durations of another spread.
func (s *Spread) Add(o *Spread) {
	if len(s.steps) == 0 {
		s.steps = slices.Clone(o.steps)
		return
	}
	out := make([]step, 0, len(s.steps)+len(o.steps))
	a, b := s.steps, o.steps
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].at < b[0].at:
			out, a = append(out, a[0]), a[1:]
		case a[0].at > b[0].at:
			out, b = append(out, b[0]), b[1:]
		default:
			out = append(out, step{a[0].at, a[0].n + b[0].n, a[0].over + b[0].over})
			a, b = a[1:], b[1:]
		}
	}
	s.steps = append(append(out, a...), b...)
}

// scale puts a spread together one duration or one spread after the other.
type scale struct {
	n    [steps]uint32
	over [steps]uint64
	used [(steps + 63) / 64]uint64 // steps that are not empty
}

func (c *scale) add(ns int64) {
	at := levelOf(ns)
	c.put(step{at, 1, uint64(ns - stepFrom(at))})
}

func (c *scale) put(p step) {
	c.used[p.at>>6] |= 1 << (p.at & 63)
	c.n[p.at] += p.n
	c.over[p.at] += p.over
}

// take returns the spread and empties the scale.
func (c *scale) take() Spread {
	used := bitset(c.used[:])
	s := Spread{make([]step, 0, used.count())}
	used.each(func(at int) {
		s.steps = append(s.steps, step{uint16(at), c.n[at], c.over[at]})
		c.n[at], c.over[at] = 0, 0
	})
	clear(c.used[:])
	return s
}
