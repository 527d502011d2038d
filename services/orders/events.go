package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// store keeps the events of orders and all that is made of them.
type store struct {
	db    *db.DB
	log   *slog.Logger
	me    string        // this replica, as an owner of sagas
	lease time.Duration // after a crash another replica takes over this late
	due   kit.Bell      // tells the saga's run that there may be something to do
	fresh kit.Bell      // tells the projector that there are new events
}

// errStale says that the order has more events than the caller knew of.
var errStale = errors.New("the order has changed")

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// append adds the event that brings o to the step kind, tells others of it, and returns the order
// after it. Whoever appends has locked the order's saga first: the lock on the position comes last.
func (s store) append(ctx context.Context, tx *db.Tx, o Order, kind Step, b Body) (Order, error) {
	e := Event{Order: o.ID, Seq: o.Version + 1, Kind: kind, Body: b,
		At: time.Now().UTC().Truncate(time.Microsecond)}
	after, err := o.apply(e)
	if err != nil {
		return o, err
	}
	body, err := json.Marshal(e.Body)
	if err != nil {
		return o, err
	}
	if err := tell(ctx, tx, after); err != nil {
		return o, err
	}
	err = tx.QueryRowContext(ctx, `UPDATE positions SET position = position + 1
		WHERE name = 'events' RETURNING position`).Scan(&e.Position)
	if err != nil {
		return o, fmt.Errorf("take position: %w", err)
	}
	n, err := db.Changed(tx.ExecContext(ctx, `INSERT INTO events
		(order_id, seq, position, kind, body, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (order_id, seq) DO NOTHING`, e.Order, e.Seq, e.Position, e.Kind, string(body), e.At))
	if err == nil && n == 0 {
		err = errStale
	}
	if err != nil {
		return o, err
	}
	return after, nil
}

// order folds the events of one, or returns a 404 problem.
func (s store) order(ctx context.Context, q querier, id string) (Order, error) {
	es, err := s.events(ctx, q, id)
	if err != nil {
		return Order{}, err
	}
	return fold(es)
}

// events returns what happened to one order, or a 404 problem.
func (s store) events(ctx context.Context, q querier, id string) ([]Event, error) {
	es, err := readEvents(q.QueryContext(ctx, selectEvents+` WHERE order_id = $1 ORDER BY seq`, id))
	if err == nil && len(es) == 0 {
		return nil, kit.NotFound("there is no order %q", id)
	}
	return es, err
}

const selectEvents = `SELECT order_id, seq, position, kind, body, at FROM events`

func readEvents(rows *sql.Rows, err error) ([]Event, error) {
	return db.Collect(func(row db.Row) (e Event, err error) {
		var body []byte
		if err := row.Scan(&e.Order, &e.Seq, &e.Position, &e.Kind, &body, &e.At); err != nil {
			return e, err
		}
		e.At = e.At.UTC()
		return e, json.Unmarshal(body, &e.Body)
	})(rows, err)
}
