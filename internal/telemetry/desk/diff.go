package desk

import (
	"context"

	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/filter"
	"msctl.dev/msctl/internal/telemetry/insight"
)

// Diff compares two traces, named by their ids, or two windows, written as "10m..5m" (ago) or with times.
func (d *Desk) Diff(ctx context.Context, a, b string) (telemetry.Diff, error) {
	before, err := d.side(ctx, a)
	if err != nil {
		return telemetry.Diff{}, err
	}
	after, err := d.side(ctx, b)
	if err != nil {
		return telemetry.Diff{}, err
	}
	rows := insight.Compare(before, after)
	more, err := d.confirm(ctx, rows, before, after)
	if err != nil {
		return telemetry.Diff{}, err
	}
	if more {
		rows = insight.Compare(before, after)
	}
	return telemetry.Diff{A: a, B: b, Rows: rows, Estimated: before.Sampled() || after.Sampled()}, nil
}

func (d *Desk) side(ctx context.Context, name string) (*insight.Window, error) {
	since, until, ok, err := window(name, d.now())
	if err != nil {
		return nil, err
	}
	if ok {
		return insight.Survey(ctx, d.Store, since, until)
	}
	w, _, err := d.one(ctx, name)
	return w, err
}

// mostSought is how many operations are searched for that only one of two samples has.
const mostSought = 16

// confirm looks for operations that are only on one side, the greatest changes first, on the other, where that is a
// sample: what is rare may be missing there by chance. It reports whether it found any.
func (d *Desk) confirm(ctx context.Context, rows []telemetry.DiffRow, before, after *insight.Window) (more bool, err error) {
	sought := 0
	for i := range rows {
		w := after
		if rows[i].Only == "b" {
			w = before
		}
		if rows[i].Only == "" || !w.Sampled() {
			continue
		}
		if sought++; sought > mostSought {
			break
		}
		found, err := d.seek(ctx, &rows[i], w)
		if err != nil {
			return more, err
		}
		more = more || found
	}
	return more, nil
}

// seek adds a trace of the window with an operation.
func (d *Desk) seek(ctx context.Context, r *telemetry.DiffRow, w *insight.Window) (found bool, err error) {
	is := func(key, value string) *filter.Node { return &filter.Node{Op: filter.Equal, Key: key, Value: value} }
	who := &filter.Node{Op: filter.Or, Kids: []*filter.Node{is("edge", r.Service), is("service", r.Service)}}
	op := &filter.Node{Op: filter.And, Kids: []*filter.Node{who, is("name", r.Name)}}
	page, err := d.Store.Search(ctx, telemetry.Query{Filter: op.String(), Since: w.Since, Until: w.Until, Limit: 1})
	if err != nil {
		return false, err
	}
	for _, line := range page.Traces {
		spans, err := d.Store.Spans(ctx, line.ID)
		if err != nil {
			return false, err
		}
		w.Add(spans)
	}
	return len(page.Traces) > 0, nil
}
