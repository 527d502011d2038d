package insight

import (
	"cmp"
	"context"
	"slices"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Source is where spans come from.
type Source interface {
	// Scan calls fn with every span that started in the window, in no order, until it returns false.
	Scan(ctx context.Context, since, until time.Time, fn func(*telemetry.Span) bool) error
}

// maxSpans bounds how many spans one question holds in memory, some 200 MB.
const maxSpans = 200_000

// Window is the traces of a time, as far as they fit.
type Window struct {
	Since, Until time.Time
	Truncated    bool // there were more spans than are looked at
	traces       []*tree
}

// Look reads the spans of a window.
func Look(ctx context.Context, src Source, since, until time.Time) (*Window, error) {
	if until.IsZero() {
		until = time.Now()
	}
	w := &Window{Since: since, Until: until}
	groups := map[telemetry.TraceID][]telemetry.Span{}
	n := 0
	err := src.Scan(ctx, since, until, func(s *telemetry.Span) bool {
		if n++; n > maxSpans {
			w.Truncated = true
			return false
		}
		groups[s.Trace] = append(groups[s.Trace], *s)
		return ctx.Err() == nil
	})
	if err != nil {
		return nil, err
	}
	w.take(groups)
	if since.IsZero() && len(w.traces) > 0 {
		w.Since = w.traces[0].spans[0].Start
	}
	return w, ctx.Err()
}

// Of makes a window of these spans alone, such as one trace's.
func Of(spans []telemetry.Span) *Window {
	groups := map[telemetry.TraceID][]telemetry.Span{}
	for _, s := range spans {
		groups[s.Trace] = append(groups[s.Trace], s)
	}
	w := &Window{}
	w.take(groups)
	return w
}

// take makes trees of the traces and orders them by start.
func (w *Window) take(groups map[telemetry.TraceID][]telemetry.Span) {
	for _, spans := range groups {
		w.traces = append(w.traces, grow(spans))
	}
	slices.SortFunc(w.traces, func(a, b *tree) int {
		return cmp.Or(a.spans[0].Start.Compare(b.spans[0].Start), slices.Compare(a.spans[0].Trace[:], b.spans[0].Trace[:]))
	})
}

// id returns the id of the tree's trace.
func (t *tree) id() string { return t.spans[0].Trace.String() }
