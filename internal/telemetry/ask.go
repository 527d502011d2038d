package telemetry

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// Bounds of a page.
const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// ErrNoTrace says that no span of a trace is stored.
var ErrNoTrace = errors.New("no such trace")

// question is a Query that was read.
type question struct {
	node   *filter.Node
	window span
	limit  int
	cursor cursor
}

// runKey is the attribute of a resource that says during which run of the fleet it was sent.
const runKey = "msctl.run"

func (q *Query) read(now time.Time) (question, error) {
	out := question{limit: min(q.Limit, maxLimit)}
	if q.Limit <= 0 {
		out.limit = defaultLimit
	}
	parsed, err := filter.Parse(q.Filter)
	if err != nil {
		return out, err
	}
	node, words, err := filter.Window(parsed, now)
	if err != nil {
		return out, err
	}
	if words.Run != "" {
		run := &filter.Node{Op: filter.Equal, Key: runKey, Value: words.Run}
		if node != nil {
			run = &filter.Node{Op: filter.And, Kids: []*filter.Node{run, node}}
		}
		node = run
	}
	out.node = routed(node)
	a, b := windowOf(q.Since, q.Until), windowOf(words.Since, words.Until)
	out.window = span{max(a.since, b.since), min(a.until, b.until)}
	out.cursor, err = readCursor(q.Cursor)
	return out, err
}

// cursor is the place behind the last record of a page: its rank (a time or a duration in ns), and among
// records of one rank the id of the trace, or how many of them were given.
type cursor struct {
	set  bool
	rank int64
	id   TraceID
	skip int
}

func (c cursor) String() string {
	if c.id != (TraceID{}) {
		return fmt.Sprintf("t%d.%x", c.rank, c.id[:])
	}
	return fmt.Sprintf("n%d.%d", c.rank, c.skip)
}

func readCursor(s string) (c cursor, err error) {
	if s == "" {
		return c, nil
	}
	rank, rest, ok := strings.Cut(s[1:], ".")
	if c.rank, err = strconv.ParseInt(rank, 10, 64); err != nil || !ok {
		return c, fmt.Errorf("read cursor %q: not one of this store", s)
	}
	switch c.set = true; s[0] {
	case 't':
		if err = c.id.UnmarshalText([]byte(rest)); err == nil && c.id == (TraceID{}) {
			err = errors.New("no id")
		}
	case 'n':
		c.skip, err = strconv.Atoi(rest)
	default:
		err = errors.New("not one of this store")
	}
	if err != nil {
		return c, fmt.Errorf("read cursor %q: %w", s, err)
	}
	return c, nil
}

// matches finds the rows of a block that a question could be about; nil: none.
func (q *question) matches(b block, log bool) (bitset, error) {
	z := b.bounds()
	if b.rows() == 0 || z.maxTime < q.window.since || z.minTime > q.window.until {
		return nil, nil
	}
	m := matcher{b: b, log: log, n: b.rows()}
	if !m.may(q.node, true) {
		return nil, nil
	}
	within := b.alive()
	if within == nil {
		within = m.all(true)
	}
	if z.minTime < q.window.since || z.maxTime > q.window.until {
		if err := q.window.cut(b, within); err != nil {
			return nil, err
		}
	}
	out, err := m.could(q.node, true, within)
	if err != nil || out.empty() {
		return nil, err
	}
	return out, nil
}

// cut takes out the rows that start outside the window.
func (w span) cut(b block, rows bitset) error {
	starts, err := b.starts()
	if err != nil {
		return err
	}
	for i, at := range starts {
		if at < w.since || at > w.until {
			rows.clear(i)
		}
	}
	return nil
}

// ranked is a block with its place among those that were asked for: lower is newer by arrival.
type ranked struct {
	block
	rank int
}

// byTime orders blocks by their latest start, latest first; reversed by their earliest, earliest first.
func byTime(blocks []block, reverse bool) []ranked {
	out := make([]ranked, len(blocks))
	for i, b := range blocks {
		out[i] = ranked{b, i}
	}
	slices.SortStableFunc(out, func(a, b ranked) int {
		if reverse {
			return cmp.Compare(a.bounds().minTime, b.bounds().minTime)
		}
		return cmp.Compare(b.bounds().maxTime, a.bounds().maxTime)
	})
	return out
}

// hexPrefix reports whether s can be the start of an id.
func hexPrefix(s string) bool {
	_, err := hex.DecodeString(s + strings.Repeat("0", len(s)%2))
	return err == nil && s != ""
}
