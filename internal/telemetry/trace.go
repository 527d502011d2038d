package telemetry

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Spans returns the spans of one trace by start, or [ErrNoTrace].
func (s *Store) Spans(ctx context.Context, id TraceID) ([]Span, error) {
	blocks, done := s.spans.blocks()
	defer done()
	r := newJoiner(blocks)
	var out []Span
	for _, p := range r.whole(id).places {
		v, err := r.view(p.rank)
		if err != nil {
			continue
		}
		for _, row := range p.rows {
			if len(out)%1024 == 1023 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			out = append(out, v.readSpan(row))
		}
	}
	if len(out) == 0 {
		return nil, ErrNoTrace
	}
	slices.SortFunc(out, func(a, b Span) int {
		return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return out, ctx.Err()
}

// FindTrace returns the one trace whose id starts with these hexadecimal digits. None is [ErrNoTrace].
func (s *Store) FindTrace(ctx context.Context, prefix string) (TraceID, error) {
	prefix = strings.ToLower(prefix)
	var id TraceID
	if len(prefix) > 2*len(id) || !hexPrefix(prefix) {
		return id, fmt.Errorf("want up to %d hexadecimal digits", 2*len(id))
	}
	blocks, done := s.spans.blocks()
	defer done()
	full := len(prefix) == 2*len(id) && id.UnmarshalText([]byte(prefix)) == nil
	found := TraceID{}
	for _, b := range blocks {
		if err := ctx.Err(); err != nil {
			return TraceID{}, err
		}
		if full && !b.mayHave(id) {
			continue
		}
		t, err := b.traces()
		if err != nil {
			continue
		}
		for _, have := range t.ids {
			if have == found || have == (TraceID{}) || !starts(have, prefix) {
				continue
			}
			if found != (TraceID{}) {
				return TraceID{}, fmt.Errorf("several begin so, such as %s and %s", found, have)
			}
			found = have
		}
	}
	if found == (TraceID{}) {
		return found, ErrNoTrace
	}
	return found, nil
}

const hexDigits = "0123456789abcdef"

// starts compares digit by digit, without making a string of every id.
func starts(id TraceID, prefix string) bool {
	for i := range len(prefix) {
		if hexDigits[id[i/2]>>(4*(1-i%2))&15] != prefix[i] {
			return false
		}
	}
	return true
}

// Scan calls fn with every span that started in the window, in no order of time, what arrived last first,
// until fn returns false. A span that was sent again much later may be given twice. The span is fn's to keep.
func (s *Store) Scan(ctx context.Context, since, until time.Time, fn func(*Span) bool) error {
	return s.ScanKeys(ctx, since, until, nil, fn)
}

// ScanKeys is Scan with only the attributes under these keys, and without scope, message, events and links:
// several times faster. Nil keys are all.
func (s *Store) ScanKeys(ctx context.Context, since, until time.Time, keys []string, fn func(*Span) bool) error {
	q := question{window: windowOf(since, until)}
	if keys != nil {
		keys = slices.Concat(briefly, []string{edgeKey}, keys)
	}
	blocks, done := s.spans.blocks()
	defer done()
	for _, b := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, err := q.matches(b, false)
		if err != nil || rows == nil {
			continue
		}
		v, err := newView(b, false, keys)
		if err != nil {
			continue
		}
		if !v.scan(ctx, rows, fn) {
			return ctx.Err()
		}
	}
	return nil
}

func (v *view) scan(ctx context.Context, rows bitset, fn func(*Span) bool) bool {
	for w, word := range rows {
		if w%64 == 63 && ctx.Err() != nil {
			return false
		}
		for ; word != 0; word &= word - 1 {
			s := v.readSpan(uint32(w<<6 + bits.TrailingZeros64(word)))
			if !fn(&s) {
				return false
			}
		}
	}
	return true
}
