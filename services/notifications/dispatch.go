package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/services/kit"
)

const (
	dispatchEvery   = 250 * time.Millisecond // how soon what another replica left is seen
	dispatchTimeout = 10 * time.Second       // of one try
	dispatchAtOnce  = 8
	backoffMost     = 30 * time.Second
)

// dispatcher turns accepted notifications into work for the channels. One that finds users or
// templates down is tried again, later each time: a notification is never lost.
type dispatcher struct {
	app              *kit.App
	store            store
	users, templates *kit.Client
	backoff, giveUp  time.Duration
}

func (w dispatcher) run(ctx context.Context) error {
	tick := time.NewTicker(dispatchEvery)
	defer tick.Stop()
	for {
		if err := w.drain(ctx); err != nil && ctx.Err() == nil {
			w.app.Log.Warn("dispatcher waiting", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.store.due:
		}
	}
}

// drain dispatches all that is due. What is in work is finished when ctx ends.
func (w dispatcher) drain(ctx context.Context) error {
	work, done := w.app.Draining(ctx)
	defer done()
	for {
		ps, err := w.store.claim(ctx)
		var g errgroup.Group
		g.SetLimit(dispatchAtOnce)
		for _, p := range ps {
			g.Go(func() error { return w.dispatch(work, p) })
		}
		if err := errors.Join(err, g.Wait()); err != nil || len(ps) < dispatchBatch {
			return err
		}
	}
}

// dispatch decides what becomes of one notification, or puts it off.
func (w dispatcher) dispatch(ctx context.Context, p pending) error {
	m := kit.Message{Header: map[string]string{}}
	if err := json.Unmarshal([]byte(p.header), &m.Header); err != nil {
		return fmt.Errorf("read header of %s: %w", p.ID, err)
	}
	ctx, cancel := context.WithTimeout(m.Context(ctx), dispatchTimeout)
	defer cancel()
	ds, tasks, err := w.decide(ctx, p)
	switch {
	case err == nil:
		return w.decided(ctx, p, ds, tasks)
	case time.Since(p.CreatedAt) > w.giveUp:
		return w.decided(ctx, p, refuse(p.Channels, "given up: "+oneLine(err)), nil)
	}
	return w.putOff(ctx, p, oneLine(err), err)
}

// decided stores a decision. Where the database fails, the notification is put off like any other: its lease
// would last for longer. What was stored all the same, with its answer lost, is left as it is.
func (w dispatcher) decided(ctx context.Context, p pending, ds []Delivery, tasks []kit.Message) error {
	if err := w.store.decided(ctx, p, ds, tasks); err != nil {
		return errors.Join(err, w.putOff(ctx, p, "the decision could not be stored", err))
	}
	w.app.Log.InfoContext(ctx, "notification dispatched", "notification", p.ID, "messages", len(tasks))
	return nil
}

// putOff makes the notification due again, later after each try. Where the database does not answer that happens when
// its lease ends.
func (w dispatcher) putOff(ctx context.Context, p pending, reason string, err error) error {
	p.tries++
	wait := min(w.backoff<<min(p.tries-1, 10), max(w.backoff, backoffMost))
	w.app.Log.WarnContext(ctx, "notification put off", "notification", p.ID, "attempt", p.tries,
		"after", wait.String(), "err", err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackFor)
	defer cancel()
	return w.store.putOff(ctx, p, wait, reason)
}

// user is what users tells of one.
type user struct {
	Language string `json:"language"`
	Channels map[string]struct {
		On bool   `json:"on"`
		To string `json:"to"`
	} `json:"channels"`
}

// decide asks users and templates. An error means that they do not answer; what they refuse is a
// failed delivery.
func (w dispatcher) decide(ctx context.Context, p pending) ([]Delivery, []kit.Message, error) {
	var u user
	err := w.users.JSON(ctx, "GET", "/users/"+url.PathEscape(p.User), nil, &u)
	if why, final := refused(err); final {
		return refuse(p.Channels, why), nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	if p.Language == "" {
		p.Language = u.Language
	}
	if len(p.Channels) == 0 {
		for _, c := range slices.Sorted(maps.Keys(queues)) {
			if u.Channels[c].On {
				p.Channels = append(p.Channels, c)
			}
		}
	}
	var ds []Delivery
	var tasks []kit.Message
	for _, c := range p.Channels {
		d, task, err := w.deliver(ctx, p, c, u)
		if err != nil {
			return nil, nil, err
		}
		if ds = append(ds, d); d.Status == Queued {
			tasks = append(tasks, task)
		}
	}
	return ds, tasks, nil
}

// deliver decides for one channel: suppressed, failed, or a task for its queue.
func (w dispatcher) deliver(ctx context.Context, p pending, channel string, u user) (
	Delivery, kit.Message, error,
) {
	way := u.Channels[channel]
	if !way.On {
		return Delivery{Channel: channel, Status: Suppressed, Reason: "the user does not want it"}, kit.Message{}, nil
	}
	t := Task{Notification: p.ID, Request: p.Request.ID, User: p.User, Channel: channel, To: way.To}
	in := map[string]any{"channel": channel, "language": p.Language, "variables": p.Variables}
	err := w.templates.JSON(ctx, "POST", "/templates/"+url.PathEscape(p.Template)+"/render", in, &t.Text)
	if why, final := refused(err); final {
		return Delivery{Channel: channel, Status: Failed, Reason: why}, kit.Message{}, nil
	} else if err != nil {
		return Delivery{}, kit.Message{}, err
	}
	m, err := kit.NewTask(ctx, queues[channel], t)
	return Delivery{Channel: channel, Status: Queued}, m, err
}

// refused reports whether err is an answer that no other try changes, and what it says.
func refused(err error) (why string, final bool) {
	var p *kit.Problem
	if !errors.As(err, &p) || p.Status >= 500 || p.Status == 429 {
		return "", false
	}
	why = p.Detail
	for _, field := range slices.Sorted(maps.Keys(p.Errors)) {
		why += ", " + field + " " + p.Errors[field]
	}
	return why, true
}

// refuse fails every channel for the same reason.
func refuse(channels []string, why string) []Delivery {
	if len(channels) == 0 {
		channels = []string{"any"}
	}
	var ds []Delivery
	for _, c := range channels {
		ds = append(ds, Delivery{Channel: c, Status: Failed, Reason: why})
	}
	return ds
}
