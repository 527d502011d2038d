package telemetry

import (
	"math"
	"slices"
	"time"
)

// Bounds of one series.
const (
	maxPoints    = 4096
	maxExemplars = 4
	maxIdentity  = 4 << 10 // bytes of all names and attributes
)

// series is one metric of one service with one set of attributes.
type series struct {
	id        string
	head      Series   // without points
	points    []sample // oldest first, at least one
	thinned   int      // of them are old and thinned out already
	exemplars []Exemplar
	expo      *expo // running total of an exponential histogram of deltas
}

// sample is a point in less room.
type sample struct {
	at    int64 // ns
	value float64
	dist  *dist // nil: gauge, sum
}

// dist is what a histogram or summary adds to a sample. Bounds are shared with its neighbours.
type dist struct {
	count  uint64
	bounds []float64
	counts []uint64
	values []float64
}

func (p sample) time() time.Time { return moment(p.at) }

func (p sample) point() Point {
	pt := Point{Time: p.time(), Value: p.value}
	if d := p.dist; d != nil {
		pt.Count, pt.Bounds, pt.Counts, pt.Values = d.count, d.bounds, d.counts, d.values
	}
	return pt
}

func (p sample) size() int64 {
	n := int64(24)
	if p.dist != nil {
		n += 80 + 8*int64(len(p.dist.counts)+len(p.dist.values))
	}
	return n
}

func (p sample) finite() bool {
	if p.dist != nil && slices.ContainsFunc(slices.Concat(p.dist.bounds, p.dist.values), infinite) {
		return false
	}
	return !infinite(p.value)
}

func infinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// add appends a sample, or replaces the last one of the same moment. It returns by how much the series
// grew, and false for a sample older than the last.
func (s *series) add(p sample, delta bool) (grown int64, ok bool) {
	last := len(s.points) - 1
	if last >= 0 && p.at < s.points[last].at {
		return 0, false
	}
	if last >= 0 {
		s.points[last].lend(&p)
		if delta {
			s.points[last].sum(&p)
		}
	}
	if last >= 0 && p.at == s.points[last].at {
		grown = p.size() - s.points[last].size()
		s.points[last] = p
		return grown, true
	}
	if len(s.points) >= maxPoints {
		grown -= s.cut(maxPoints / 2)
	}
	s.points = append(s.points, p)
	return grown + p.size(), true
}

// lend lets p have the bounds of the sample before it where they are the same.
func (p sample) lend(to *sample) {
	if p.dist != nil && to.dist != nil && slices.Equal(p.dist.bounds, to.dist.bounds) {
		to.dist.bounds = p.dist.bounds
	}
}

// sum adds a total so far to a delta. Buckets that changed start anew.
func (p sample) sum(to *sample) {
	if to.dist == nil {
		to.value += p.value
		return
	}
	if p.dist == nil || len(p.dist.counts) != len(to.dist.counts) || !slices.Equal(p.dist.bounds, to.dist.bounds) {
		return
	}
	to.value += p.value
	to.dist.count += p.dist.count
	for i, n := range p.dist.counts {
		to.dist.counts[i] += n
	}
}

// cut removes the oldest n points and returns their size.
func (s *series) cut(n int) (size int64) {
	for _, p := range s.points[:n] {
		size += p.size()
	}
	s.points = slices.Delete(s.points, 0, n)
	s.thinned = max(0, s.thinned-n)
	return size
}

// thin removes points before drop, and of those before full all but the first of each minute. It returns
// their size.
func (s *series) thin(drop, full int64) (size int64) {
	old := 0
	for old < len(s.points) && s.points[old].at < drop {
		old++
	}
	size = s.cut(old)
	kept := s.thinned
	i := kept
	for ; i < len(s.points) && s.points[i].at < full; i++ {
		if kept > 0 && minute(s.points[i].at) == minute(s.points[kept-1].at) && i < len(s.points)-1 {
			size += s.points[i].size()
			continue
		}
		s.points[kept] = s.points[i]
		kept++
	}
	s.thinned = kept
	s.points = slices.Delete(s.points, kept, i)
	return size
}

func minute(ns int64) int64 { return ns / int64(time.Minute) }

func (s *series) size() (n int64) {
	for _, p := range s.points {
		n += p.size()
	}
	return n
}

// value answers a filter.
func (s *series) value(key string) (any, bool) {
	switch key {
	case "service":
		return s.head.Service, true
	case "name":
		return s.head.Name, true
	case "unit":
		return s.head.Unit, s.head.Unit != ""
	case "type":
		return s.head.Type, true
	case "scope":
		return s.head.Scope, s.head.Scope != ""
	case "value":
		return s.points[len(s.points)-1].value, true
	}
	return valueOf(s.head.Attrs, key)
}

func (s *series) text() string {
	return string(appendValues([]byte(s.head.Service+" "+s.head.Name+" "+s.head.Doc), s.head.Attrs))
}

// thin lets go of what is old, and of series of which nothing is left.
func (m *MetricStore) thin() {
	now := m.o.Now()
	drop, full := now.Add(-m.o.Keep).UnixNano(), now.Add(-m.o.Full).UnixNano()
	for _, s := range m.sorted() {
		m.mu.Lock()
		if size := s.thin(drop, full); size > 0 {
			m.counts.Bytes -= size
			m.version++
		}
		if len(s.points) == 0 {
			delete(m.series, s.id)
		}
		m.mu.Unlock()
	}
}

// shrink halves what is kept of every series until all fit in their bound again. A series keeps its last
// point. The lock is held.
func (m *MetricStore) shrink() {
	for m.counts.Bytes > m.o.Bytes*3/4 {
		before := m.counts.Bytes
		for _, s := range m.series {
			n := len(s.points) / 2
			m.counts.Bytes -= s.cut(n)
			m.counts.Evicted += int64(n)
		}
		if m.counts.Bytes == before {
			return
		}
	}
}

// sweep removes series that got no point for a while, to make room for another. It looks only from time
// to time. The lock is held.
func (m *MetricStore) sweep(now time.Time) {
	if now.Sub(m.swept) < 10*time.Second {
		return
	}
	m.swept = now
	idle := now.Add(-m.o.Full).UnixNano()
	for id, s := range m.series {
		if s.points[len(s.points)-1].at < idle {
			m.counts.Bytes -= s.size()
			m.counts.Evicted += int64(len(s.points))
			delete(m.series, id)
		}
	}
}
