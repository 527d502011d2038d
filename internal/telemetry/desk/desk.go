// Package desk answers what people ask of the telemetry of a stack. It puts together the store, what the
// services printed, what stack.yaml says and what happened to the fleet. A Desk answers from these; a
// Remote asks the Desk of another process.
package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/insight"
)

// Store is where spans and logs are kept.
type Store interface {
	Search(ctx context.Context, q telemetry.Query) (telemetry.TracePage, error)
	Spans(ctx context.Context, id telemetry.TraceID) ([]telemetry.Span, error)
	// FindTrace completes the first digits of an id.
	FindTrace(ctx context.Context, prefix string) (telemetry.TraceID, error)
	Logs(ctx context.Context, q telemetry.Query) (telemetry.LogPage, error)
	// Traffic adds up the calls of a window.
	Traffic(ctx context.Context, since, until time.Time) ([]telemetry.Flow, error)
	insight.Source
}

// Series is where metrics are kept.
type Series interface {
	Metrics(ctx context.Context, q telemetry.MetricQuery) ([]telemetry.Series, error)
}

// Desk answers questions. Store is needed; the zero value of everything else works.
type Desk struct {
	Store    Store
	Series   Series                   // nil: no metrics
	Topology func() *insight.Topology // nil: nothing is declared
	Facts    func() []telemetry.Fact  // what happened to the fleet, oldest first; nil: nothing is known
	Faults   func() map[string][]string
	Printed  Printed // nil: nothing was printed
	Limits   insight.Limits
	Now      func() time.Time // nil: the clock
}

// Windows that are looked at where none is named.
const (
	lately = 15 * time.Minute
	past   = time.Hour // before a window, to learn what is usual
)

// ErrUnknownTrace says that no trace has this id, or no longer.
var ErrUnknownTrace = errors.New("no such trace")

func (d *Desk) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

func (d *Desk) topology() *insight.Topology {
	if d.Topology == nil {
		return &insight.Topology{}
	}
	return d.Topology()
}

// Traces searches for traces.
func (d *Desk) Traces(ctx context.Context, q telemetry.Query) (telemetry.TracePage, error) {
	return d.Store.Search(ctx, q)
}

// Trace returns one whole trace by its id or the first digits of it.
func (d *Desk) Trace(ctx context.Context, id string) (telemetry.Trace, error) {
	spans, err := d.spans(ctx, id)
	if err != nil {
		return telemetry.Trace{}, err
	}
	return insight.Whole(spans), nil
}

func (d *Desk) spans(ctx context.Context, id string) ([]telemetry.Span, error) {
	full, err := d.Store.FindTrace(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("find trace %q: %w", id, err)
	}
	spans, err := d.Store.Spans(ctx, full)
	if err != nil {
		return nil, fmt.Errorf("read trace %s: %w", full, err)
	}
	if len(spans) == 0 {
		return nil, fmt.Errorf("find trace %q: %w", id, ErrUnknownTrace)
	}
	return spans, nil
}

// window fills in the ends of a window; a zero since is the last quarter of an hour.
func (d *Desk) window(since, until time.Time) (time.Time, time.Time) {
	if until.IsZero() {
		until = d.now()
	}
	if since.IsZero() {
		since = until.Add(-lately)
	}
	return since, until
}

// Map draws who called whom.
func (d *Desk) Map(ctx context.Context, since, until time.Time) (telemetry.Map, error) {
	since, until = d.window(since, until)
	flows, err := d.Store.Traffic(ctx, since, until)
	if err != nil {
		return telemetry.Map{}, err
	}
	m := insight.Map(flows, d.topology(), since, until)
	if d.Faults != nil {
		faults := d.Faults()
		for i := range m.Edges {
			m.Edges[i].Faults = faults[m.Edges[i].From+":"+m.Edges[i].To]
		}
	}
	return m, nil
}

// Advise lists what a person should know of the traffic.
func (d *Desk) Advise(ctx context.Context, since time.Time) ([]telemetry.Finding, error) {
	since, until := d.window(since, time.Time{})
	w, err := insight.Skim(ctx, d.Store, since, until)
	if err != nil {
		return nil, err
	}
	return w.Findings(d.topology(), d.Limits), nil
}

// Why names what most likely made one trace, or the requests since then, fail or take long.
func (d *Desk) Why(ctx context.Context, trace string, since time.Time) (telemetry.Reason, error) {
	q := insight.Question{}
	if d.Facts != nil {
		q.Facts = d.Facts()
	}
	until := d.now()
	if since.IsZero() {
		since = until.Add(-lately / 3)
	}
	var err error
	if trace != "" {
		if q.Asked, q.Trace, err = d.one(ctx, trace); err != nil {
			return telemetry.Reason{}, err
		}
		since = q.Asked.Since
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		q.Before, err = insight.Skim(ctx, d.Store, since.Add(-past), since)
		return err
	})
	if trace == "" {
		g.Go(func() (err error) {
			q.Asked, err = insight.Skim(ctx, d.Store, since, until)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return telemetry.Reason{}, err
	}
	return insight.Why(q), nil
}

// one makes a window of one trace.
func (d *Desk) one(ctx context.Context, id string) (*insight.Window, telemetry.TraceID, error) {
	spans, err := d.spans(ctx, id)
	if err != nil {
		return nil, telemetry.TraceID{}, err
	}
	line := insight.Whole(spans).TraceLine
	w := insight.Of(spans)
	w.Since, w.Until = line.Start, line.Start.Add(line.Duration)
	return w, line.ID, nil
}

// Metrics returns series.
func (d *Desk) Metrics(ctx context.Context, q telemetry.MetricQuery) ([]telemetry.Series, error) {
	if d.Series == nil {
		return nil, nil
	}
	return d.Series.Metrics(ctx, q)
}
