package telemetry

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// slack is how much later than its trace a span may start and still be found by the pages after the first.
const slack = int64(time.Hour)

// Search returns the traces that began in the window and of which one span there matches the filter. The
// words trace.spans, trace.duration, trace.errors, trace.services, trace.service, trace.name and trace.kind
// ask for the whole trace. The error is of the filter, a [*filter.Error], of the cursor, or of ctx.
func (s *Store) Search(ctx context.Context, q Query) (TracePage, error) {
	began := time.Now()
	ask, err := q.read(began)
	if err != nil {
		return TracePage{}, err
	}
	blocks, done := s.spans.blocks()
	defer done()
	x := search{question: ask, in: newJoiner(blocks), seen: map[TraceID]bool{}, slow: q.Sort == "duration"}
	if err := x.run(ctx, byTime(blocks, false)); err != nil {
		return TracePage{}, err
	}
	page := TracePage{Traces: []TraceLine{}, Page: Page{Scanned: x.scanned}}
	if len(x.found) > ask.limit {
		x.found = x.found[:ask.limit]
		last := x.found[ask.limit-1]
		page.Next, page.Truncated = cursor{rank: last.rank, id: last.id}.String(), true
	}
	for _, f := range x.found {
		page.Traces = append(page.Traces, f.line)
	}
	if len(page.Traces) == 0 && !ask.cursor.set {
		page.Kept, page.Keys = holdings(blocks)
	}
	page.Took = time.Since(began)
	return page, nil
}

// maxKeys is how many keys an answer names.
const maxKeys = 1000

// holdings is how many rows blocks have, and the keys of their attributes, up to [maxKeys].
func holdings(blocks []block) (rows int64, keys []string) {
	seen := map[string]bool{}
	for _, b := range blocks {
		rows += int64(b.rows())
		for _, k := range b.keys() {
			if len(seen) < maxKeys && !strings.HasPrefix(k, "\x00") {
				seen[k] = true
			}
		}
	}
	return rows, slices.Sorted(maps.Keys(seen))
}

// search is one walk over the blocks.
type search struct {
	question
	in      *joiner
	slow    bool // longest first
	seen    map[TraceID]bool
	found   []found // best first, at most limit+1
	scanned int64
}

type found struct {
	rank int64
	id   TraceID
	line TraceLine
}

func (x *search) run(ctx context.Context, blocks []ranked) error {
	soon := lookahead{x: x, blocks: blocks, of: make([]*matched, len(blocks))}
	defer soon.wait()
	for i, b := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !x.slow && x.enough(b.bounds().maxTime) {
			break
		}
		if x.beyond(b) {
			continue
		}
		rows, err := soon.rows(i)
		if err != nil {
			continue // an unreadable segment is passed over, and said where it was read
		}
		if rows != nil {
			x.scanned += int64(b.rows())
			if err := x.block(ctx, b, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// beyond says that all of a block is too late for the pages after the first.
func (x *search) beyond(b ranked) bool {
	return x.cursor.set && !x.slow && b.bounds().minTime > add(x.cursor.rank, slack)
}

// add is a sum that stays in the range.
func add(a, b int64) int64 {
	if a > 0 && b > 1<<63-1-a {
		return 1<<63 - 1
	}
	return a + b
}

// enough says that nothing that starts at or before the time can come onto the page.
func (x *search) enough(at int64) bool {
	return len(x.found) > x.limit && x.found[x.limit].rank > at
}

// candidate is a trace of which rows of this block match.
type candidate struct {
	trace       uint32
	first, last int64 // starts of the earliest and the latest row that match
}

// block takes the matching rows of one block, latest trace first.
func (x *search) block(ctx context.Context, b ranked, rows bitset) error {
	t, err := b.traces()
	if err != nil {
		return nil
	}
	starts, err := b.starts()
	if err != nil {
		return nil
	}
	for i, c := range candidates(t, starts, rows) {
		if i%256 == 255 && ctx.Err() != nil {
			return ctx.Err()
		}
		id := t.ids[c.trace]
		if !x.slow && x.enough(c.last) {
			break
		}
		far := x.cursor.set && !x.slow && c.first > add(x.cursor.rank, slack)
		if !far && !x.seen[id] {
			x.take(id, b.rank, rows)
		}
	}
	return nil
}

func candidates(t *traceColumn, starts []int64, rows bitset) []candidate {
	at := make([]int32, len(t.ids))
	var out []candidate
	for w, word := range rows {
		for ; word != 0; word &= word - 1 {
			row := w<<6 + bits.TrailingZeros64(word)
			n := t.of[row]
			if at[n] == 0 {
				out = append(out, candidate{n, starts[row], starts[row]})
				at[n] = int32(len(out))
			}
			c := &out[at[n]-1]
			c.first, c.last = min(c.first, starts[row]), max(c.last, starts[row])
		}
	}
	slices.SortFunc(out, func(a, b candidate) int { return cmp.Compare(b.last, a.last) })
	return out
}

// take puts a trace onto the page if it belongs there.
func (x *search) take(id TraceID, rank int, rows bitset) {
	w := x.in.whole(id)
	at := slices.IndexFunc(w.places, func(p place) bool { return p.rank == rank })
	if at < 0 || !w.places[at].any(rows) {
		return // replaced by a newer one
	}
	if w.start < x.window.since {
		x.seen[id] = true // it began before
		return
	}
	f := found{rank: w.start, id: id}
	if x.slow {
		f.rank = w.end - w.start
	}
	if !x.wanted(f) || !x.holds(w, at, rows) {
		if len(w.places) > 1 && !hasTraceKey(x.node) {
			x.seen[id] = true
		}
		return
	}
	x.seen[id] = true
	f.line = x.in.line(w)
	i, _ := slices.BinarySearchFunc(x.found, f, compare)
	x.found = slices.Insert(x.found, i, f)
	x.found = x.found[:min(len(x.found), x.limit+1)]
}

// compare orders what is found: highest rank first, then by id.
func compare(a, b found) int {
	return cmp.Or(cmp.Compare(b.rank, a.rank), bytes.Compare(a.id[:], b.id[:]))
}

// wanted says that a trace is behind the cursor and has a place on the page.
func (x *search) wanted(f found) bool {
	if x.cursor.set && compare(f, found{rank: x.cursor.rank, id: x.cursor.id}) <= 0 {
		return false
	}
	return len(x.found) <= x.limit || compare(f, x.found[x.limit]) < 0
}

// holds asks the filter again where it is about the whole trace.
func (x *search) holds(w *whole, at int, rows bitset) bool {
	if !hasTraceKey(x.node) {
		return true
	}
	line := x.in.line(w)
	p := w.places[at]
	v, err := x.in.view(p.rank)
	if err != nil {
		return false
	}
	for _, row := range p.rows {
		if !rows.has(int(row)) {
			continue
		}
		s := v.readSpan(row)
		value := func(key string) (any, bool) {
			if key == "trace.kind" {
				return x.in.kind(w), true
			}
			return line.value(key, &s)
		}
		if x.node.Match(value, s.Text) {
			return true
		}
	}
	return false
}

// value answers for a key of the whole trace, and else for one of its spans.
func (l *TraceLine) value(key string, s *Span) (any, bool) {
	switch key {
	case "trace.spans":
		return int64(l.Spans), true
	case "trace.errors":
		return int64(l.Errors), true
	case "trace.duration":
		return l.Duration, true
	case "trace.services":
		return int64(len(l.Services)), true
	case "trace.service":
		return l.Service, l.Service != ""
	case "trace.name":
		return l.Name, true
	}
	return s.Value(key)
}

func hasTraceKey(n *filter.Node) bool {
	return n != nil && slices.ContainsFunc(n.Keys(), wholeTrace)
}
