package telemetry

import (
	"math"

	pb "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// maxRun is how many buckets an exponential histogram keeps for positive and for negative values. One with
// more is brought to a coarser scale.
const maxRun = 160

// expo is an exponential histogram: the bucket i has what lies between base^i and base^(i+1), base being
// 2^(2^-scale).
type expo struct {
	scale    int32
	zero     uint64
	pos, neg run
}

// run is a row of buckets.
type run struct {
	offset int // index of the first
	counts []uint64
}

func readExpo(p *pb.ExponentialHistogramDataPoint) (expo, bool) {
	pos, ok1 := readRun(p.Positive)
	neg, ok2 := readRun(p.Negative)
	e := expo{scale: p.Scale, zero: p.ZeroCount, pos: pos, neg: neg}
	if !ok1 || !ok2 || p.Scale < -10 || p.Scale > 20 {
		return e, false
	}
	e.fit()
	return e, true
}

func readRun(b *pb.ExponentialHistogramDataPoint_Buckets) (run, bool) {
	offset := int(b.GetOffset())
	return run{offset, b.GetBucketCounts()}, len(b.GetBucketCounts()) <= 4*maxRun && offset > -1<<30 && offset < 1<<30
}

// fit coarsens until there are few enough buckets.
func (e *expo) fit() {
	for len(e.pos.counts) > maxRun || len(e.neg.counts) > maxRun {
		e.coarsen(1)
	}
}

// coarsen merges 2^by neighbours into one bucket.
func (e *expo) coarsen(by int32) {
	e.scale -= by
	e.pos, e.neg = e.pos.coarse(by), e.neg.coarse(by)
}

func (r run) coarse(by int32) run {
	if len(r.counts) == 0 || by == 0 {
		return r
	}
	by = min(by, 62)
	out := run{offset: r.offset >> by}
	out.counts = make([]uint64, (r.offset+len(r.counts)-1)>>by-out.offset+1)
	for i, n := range r.counts {
		out.counts[(r.offset+i)>>by-out.offset] += n
	}
	return out
}

// span is how many buckets two rows have together.
func (r run) span(o run) int {
	if len(r.counts) == 0 || len(o.counts) == 0 {
		return len(r.counts) + len(o.counts)
	}
	return max(r.offset+len(r.counts), o.offset+len(o.counts)) - min(r.offset, o.offset)
}

func (r run) plus(o run) run {
	if len(r.counts) == 0 {
		return o
	}
	if len(o.counts) == 0 {
		return r
	}
	out := run{offset: min(r.offset, o.offset), counts: make([]uint64, r.span(o))}
	for i, n := range r.counts {
		out.counts[r.offset+i-out.offset] += n
	}
	for i, n := range o.counts {
		out.counts[o.offset+i-out.offset] += n
	}
	return out
}

// add adds o at the coarser of the two scales, or at one at which both fit.
func (e *expo) add(o expo) {
	scale := min(e.scale, o.scale)
	e.coarsen(e.scale - scale)
	o.coarsen(o.scale - scale)
	for e.pos.span(o.pos) > maxRun || e.neg.span(o.neg) > maxRun {
		e.coarsen(1)
		o.coarsen(1)
	}
	e.zero += o.zero
	e.pos, e.neg = e.pos.plus(o.pos), e.neg.plus(o.neg)
}

// explicit writes the histogram with the upper bounds of its buckets.
func (e *expo) explicit() (bounds []float64, counts []uint64) {
	edge := func(i int) float64 { return math.Exp2(math.Ldexp(float64(i), -int(e.scale))) }
	var over uint64 // beyond the largest number there is
	add := func(bound float64, n uint64) {
		last := len(bounds) - 1
		switch {
		case math.IsInf(bound, 1):
			over += n
		case math.IsInf(bound, -1) || last >= 0 && bound <= bounds[last]:
			bound = math.Nextafter(math.Inf(-1), 0)
			if last >= 0 {
				counts[last] += n
				return
			}
			bounds, counts = append(bounds, bound), append(counts, n)
		default:
			bounds, counts = append(bounds, bound), append(counts, n)
		}
	}
	for i := len(e.neg.counts) - 1; i >= 0; i-- {
		add(-edge(e.neg.offset+i), e.neg.counts[i])
	}
	if len(e.pos.counts) == 0 {
		add(0, e.zero)
		return bounds, append(counts, over)
	}
	add(edge(e.pos.offset), e.zero)
	for i, n := range e.pos.counts {
		add(edge(e.pos.offset+i+1), n)
	}
	return bounds, append(counts, over)
}

// addExpo fills in the buckets of p. Deltas are added up here, because their scales differ: p is a total
// then.
func (s *series) addExpo(p *sample, e *expo, delta bool) {
	last := len(s.points) - 1
	if delta && last >= 0 && p.at < s.points[last].at {
		return // it is refused right after this
	}
	if delta {
		if s.expo == nil {
			s.expo = &expo{scale: e.scale}
		} else if last >= 0 && s.points[last].dist != nil {
			p.value += s.points[last].value
			p.dist.count += s.points[last].dist.count
		}
		s.expo.add(*e)
		e = s.expo
	}
	p.dist.bounds, p.dist.counts = e.explicit()
}
