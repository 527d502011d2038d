package telemetry

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"time"
)

// Logs returns the log records that match, newest first, or with Sort "oldest" in order of time.
func (s *Store) Logs(ctx context.Context, q Query) (LogPage, error) {
	began := time.Now()
	ask, err := q.read(began)
	if err != nil {
		return LogPage{}, err
	}
	blocks, done := s.logs.blocks()
	defer done()
	x := logSearch{question: ask, up: q.Sort == "oldest"}
	if err := x.run(ctx, byTime(blocks, x.up)); err != nil {
		return LogPage{}, err
	}
	page := LogPage{Logs: []Log{}, Page: Page{Scanned: x.scanned}}
	if skip := x.cursor.skip; len(x.found) > skip {
		x.found = x.found[skip:]
	} else {
		x.found = nil
	}
	if len(x.found) > ask.limit {
		x.found = x.found[:ask.limit]
		page.Next, page.Truncated = x.next().String(), true
	}
	if page.Logs, err = x.read(blocks); err != nil {
		return LogPage{}, err
	}
	page.Took = time.Since(began)
	return page, nil
}

// logSearch is one walk over the blocks of logs.
type logSearch struct {
	question
	up      bool // oldest first
	found   []logHit
	scanned int64
}

type logHit struct {
	at   int64
	rank int
	row  uint32
}

func (x *logSearch) compare(a, b logHit) int {
	c := cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(b.rank, a.rank), cmp.Compare(a.row, b.row))
	if x.up {
		return c
	}
	return -c
}

// room is how many hits are kept: those that the cursor skips, the page, and one that says there are more.
func (x *logSearch) room() int { return x.cursor.skip + x.limit + 1 }

func (x *logSearch) run(ctx context.Context, blocks []ranked) error {
	if x.cursor.set && x.up {
		x.window.since = max(x.window.since, x.cursor.rank)
	} else if x.cursor.set {
		x.window.until = min(x.window.until, x.cursor.rank)
	}
	for _, b := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if x.enough(b.bounds()) {
			continue
		}
		rows, err := x.matches(b, true)
		if err != nil || rows == nil {
			continue
		}
		x.scanned += int64(b.rows())
		starts, err := b.starts()
		if err != nil {
			continue
		}
		for w, word := range rows {
			for ; word != 0; word &= word - 1 {
				row := w<<6 + bits.TrailingZeros64(word)
				x.found = append(x.found, logHit{starts[row], b.rank, uint32(row)})
			}
		}
		slices.SortFunc(x.found, x.compare)
		x.found = x.found[:min(len(x.found), x.room())]
	}
	return nil
}

// enough says that nothing of a block can come onto the page.
func (x *logSearch) enough(z *zone) bool {
	if len(x.found) < x.room() {
		return false
	}
	last := x.found[len(x.found)-1].at
	return x.up && z.minTime > last || !x.up && z.maxTime < last
}

// next is the place behind the page.
func (x *logSearch) next() cursor {
	last := x.found[len(x.found)-1].at
	c := cursor{rank: last}
	for i := len(x.found) - 1; i >= 0 && x.found[i].at == last; i-- {
		c.skip++
	}
	if c.skip == len(x.found) && x.cursor.set && x.cursor.rank == last {
		c.skip += x.cursor.skip
	}
	return c
}

func (x *logSearch) read(blocks []block) ([]Log, error) {
	out := make([]Log, 0, len(x.found))
	views := map[int]*view{}
	for _, h := range x.found {
		v := views[h.rank]
		if v == nil {
			var err error
			if v, err = newView(blocks[h.rank], true, nil); err != nil {
				continue
			}
			views[h.rank] = v
		}
		out = append(out, v.readLog(h.row))
	}
	return out, nil
}
