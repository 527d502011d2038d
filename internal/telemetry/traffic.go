package telemetry

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Flow is all calls in a window of which spans tell the same.
type Flow struct {
	Call
	Errors int64
	Took   Spread    // of all of them
	Failed []Example // the first few traces
	Fine   []Example
}

// Traffic adds up the calls that began in a window, the most frequent first. A client span and the span of
// a service below it are one call. It reads no spans but those stored since it was asked last, and those of
// segments that lie in part of the window.
func (s *Store) Traffic(ctx context.Context, since, until time.Time) ([]Flow, error) {
	w := windowOf(since, until)
	blocks, done := s.spans.blocks()
	defer done()
	a := &s.atlas
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.trim()
	if err := a.draw(ctx, volumesOf(blocks), w); err != nil {
		return nil, err
	}
	return a.flows(w), nil
}

// flows adds up the charts.
func (a *atlas) flows(w span) []Flow {
	of := map[uint16][]sum{}
	for _, c := range a.charts {
		z, sums := &c.zone, c.sums
		switch {
		case z.maxTime < w.since || z.minTime > w.until:
			continue
		case z.minTime >= w.since && z.maxTime <= w.until:
		default:
			sums = c.add(a, w)
		}
		for _, s := range sums {
			of[s.call] = append(of[s.call], s)
		}
	}
	out := make([]Flow, 0, len(of))
	for call, sums := range of {
		out = append(out, a.flow(a.calls.all[call], sums))
	}
	slices.SortFunc(out, func(x, y Flow) int {
		return cmp.Or(-cmp.Compare(x.Took.Count(), y.Took.Count()), x.Call.compare(&y.Call))
	})
	return out
}

func (a *atlas) flow(call Call, sums []sum) Flow {
	f := Flow{Call: call}
	for i := range sums {
		s := &sums[i]
		f.Errors += s.errors
		for _, p := range s.took.steps {
			a.scale.put(p)
		}
		for _, e := range s.failed {
			f.Failed = addExample(f.Failed, e)
		}
		for _, e := range s.fine {
			f.Fine = addExample(f.Fine, e)
		}
	}
	f.Took = a.scale.take()
	return f
}

func (c *Call) compare(o *Call) int {
	words := func(c *Call) []string {
		return append([]string{c.From, c.To, c.Protocol, c.Peer.Service, strconv.FormatBool(c.Peer.Database)}, c.Peer.Addrs[:]...)
	}
	return cmp.Or(cmp.Compare(c.Sort, o.Sort), slices.CompareFunc(words(c), words(o), strings.Compare))
}
