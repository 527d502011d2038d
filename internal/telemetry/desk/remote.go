package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Remote is the desk of another process. It has the methods of a [Desk].
type Remote struct {
	// Ask sends a question by its verb and reads the answer.
	Ask func(ctx context.Context, verb string, question, answer any) error
}

// question holds what any question needs.
type question struct {
	Query  telemetry.Query       `json:"query,omitzero"`
	Metric telemetry.MetricQuery `json:"metric,omitzero"`
	ID     string                `json:"id,omitempty"`
	Other  string                `json:"other,omitempty"`
	Since  time.Time             `json:"since,omitzero"`
	Until  time.Time             `json:"until,omitzero"`
}

// verbs is every question that a desk answers.
var verbs = map[string]func(*Desk, context.Context, question) (any, error){
	"traces":  func(d *Desk, ctx context.Context, q question) (any, error) { return d.Traces(ctx, q.Query) },
	"trace":   func(d *Desk, ctx context.Context, q question) (any, error) { return d.Trace(ctx, q.ID) },
	"logs":    func(d *Desk, ctx context.Context, q question) (any, error) { return d.Logs(ctx, q.Query) },
	"map":     func(d *Desk, ctx context.Context, q question) (any, error) { return d.Map(ctx, q.Since, q.Until) },
	"advise":  func(d *Desk, ctx context.Context, q question) (any, error) { return d.Advise(ctx, q.Since) },
	"why":     func(d *Desk, ctx context.Context, q question) (any, error) { return d.Why(ctx, q.ID, q.Since) },
	"metrics": func(d *Desk, ctx context.Context, q question) (any, error) { return d.Metrics(ctx, q.Metric) },
	"diff":    func(d *Desk, ctx context.Context, q question) (any, error) { return d.Diff(ctx, q.ID, q.Other) },
}

// What Answer says of what a Remote of this version would not send.
var (
	ErrUnknownVerb = errors.New("no such question")
	ErrQuestion    = errors.New("read question")
)

// Answer answers a question that a Remote asked.
func (d *Desk) Answer(ctx context.Context, verb string, body []byte) (any, error) {
	do := verbs[verb]
	if do == nil {
		return nil, fmt.Errorf("answer %q: %w", verb, ErrUnknownVerb)
	}
	var q question
	r := json.NewDecoder(bytes.NewReader(body))
	r.DisallowUnknownFields()
	if err := r.Decode(&q); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrQuestion, err)
	}
	if _, err := r.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one value", ErrQuestion)
	}
	return do(d, ctx, q)
}

// Traces is [Desk.Traces].
func (r Remote) Traces(ctx context.Context, q telemetry.Query) (out telemetry.TracePage, err error) {
	err = r.Ask(ctx, "traces", question{Query: q}, &out)
	return out, err
}

// Trace is [Desk.Trace].
func (r Remote) Trace(ctx context.Context, id string) (out telemetry.Trace, err error) {
	err = r.Ask(ctx, "trace", question{ID: id}, &out)
	return out, err
}

// Logs is [Desk.Logs].
func (r Remote) Logs(ctx context.Context, q telemetry.Query) (out telemetry.LogPage, err error) {
	err = r.Ask(ctx, "logs", question{Query: q}, &out)
	return out, err
}

// Map is [Desk.Map].
func (r Remote) Map(ctx context.Context, since, until time.Time) (out telemetry.Map, err error) {
	err = r.Ask(ctx, "map", question{Since: since, Until: until}, &out)
	return out, err
}

// Advise is [Desk.Advise].
func (r Remote) Advise(ctx context.Context, since time.Time) (out []telemetry.Finding, err error) {
	err = r.Ask(ctx, "advise", question{Since: since}, &out)
	return out, err
}

// Why is [Desk.Why].
func (r Remote) Why(ctx context.Context, trace string, since time.Time) (out telemetry.Reason, err error) {
	err = r.Ask(ctx, "why", question{ID: trace, Since: since}, &out)
	return out, err
}

// Metrics is [Desk.Metrics].
func (r Remote) Metrics(ctx context.Context, q telemetry.MetricQuery) (out []telemetry.Series, err error) {
	err = r.Ask(ctx, "metrics", question{Metric: q}, &out)
	return out, err
}

// Diff is [Desk.Diff].
func (r Remote) Diff(ctx context.Context, a, b string) (out telemetry.Diff, err error) {
	err = r.Ask(ctx, "diff", question{ID: a, Other: b}, &out)
	return out, err
}
