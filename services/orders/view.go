package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

const (
	projectEvery = 250 * time.Millisecond // how soon what another replica wrote is seen
	projectPause = 10 * time.Millisecond  // in which more events come together
	projectBatch = 100
)

// projector returns the part of the service that keeps the read model current. Of several replicas
// any does it: they take turns on the projection's row.
func (s store) projector(ctx context.Context) error {
	tick := time.NewTicker(projectEvery)
	defer tick.Stop()
	for {
		if err := s.catchUp(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("read model waiting", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.fresh:
			_ = kit.Pause(ctx, projectPause) // what ends it ends the next look
		}
	}
}

// catchUp projects until the read model has seen every event.
func (s store) catchUp(ctx context.Context) error {
	for {
		var some bool
		err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM events WHERE position >
			(SELECT position FROM projections WHERE name = 'order_view'))`).Scan(&some)
		if err != nil || !some {
			return err
		}
		err = s.db.Tx(ctx, func(tx *db.Tx) error {
			generation, position, err := lockView(ctx, tx)
			if err != nil {
				return err
			}
			position, _, err = project(ctx, tx, generation, position)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx,
				`UPDATE projections SET position = $1 WHERE name = 'order_view'`, position)
			return err
		})
		if err != nil {
			return err
		}
	}
}

// lockView returns which generation readers see, and up to where it is current. Until the
// transaction ends nobody else changes either.
func lockView(ctx context.Context, tx *db.Tx) (generation, position int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE projections SET position = position
		WHERE name = 'order_view' RETURNING generation, position`).Scan(&generation, &position)
	if err != nil {
		err = fmt.Errorf("lock read model: %w", err)
	}
	return generation, position, err
}

// project brings one generation of the read model on by a batch of events behind position. It
// returns the position of the last and how many they were.
func project(ctx context.Context, tx *db.Tx, generation, position int64) (int64, int, error) {
	es, err := readEvents(tx.QueryContext(ctx,
		selectEvents+` WHERE position > $1 ORDER BY position LIMIT $2`, position, projectBatch))
	if err != nil {
		return position, 0, err
	}
	orders := map[string]Order{}
	for _, e := range es {
		o, ok := orders[e.Order]
		if !ok {
			if o, err = viewed(ctx, tx, generation, e.Order); err != nil {
				return position, 0, err
			}
		}
		if orders[e.Order], err = o.apply(e); err != nil {
			return position, 0, err
		}
		position = e.Position
	}
	for _, o := range orders {
		if err := show(ctx, tx, generation, o); err != nil {
			return position, 0, err
		}
	}
	return position, len(es), nil
}

// viewed returns an order as the read model has it: the zero value where it has none.
func viewed(ctx context.Context, tx *db.Tx, generation int64, id string) (o Order, err error) {
	var body string
	err = tx.QueryRowContext(ctx, `SELECT body FROM order_view WHERE generation = $1 AND order_id = $2`,
		generation, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return Order{}, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &o)
	}
	if err != nil {
		err = fmt.Errorf("read view of order %s: %w", id, err)
	}
	return o, err
}

func show(ctx context.Context, tx *db.Tx, generation int64, o Order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO order_view (generation, order_id, user_id, status, body)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (generation, order_id) DO UPDATE
		SET user_id = excluded.user_id, status = excluded.status, body = excluded.body`,
		generation, o.ID, o.Placed.User, o.status(), string(body))
	if err != nil {
		return fmt.Errorf("show order %s: %w", o.ID, err)
	}
	return nil
}

// filter says which orders a reader wants; "" is any.
type filter struct {
	user, status, after string
	limit               int
}

// list reads the read model in the order of the ids.
func (s store) list(ctx context.Context, f filter) ([]named, error) {
	list, err := db.Collect(func(row db.Row) (n named, err error) {
		var body []byte
		if err := row.Scan(&body, &n.user); err != nil {
			return n, err
		}
		return n, json.Unmarshal(body, &n.Order)
	})(s.db.QueryContext(ctx, `SELECT v.body, COALESCE(n.name, '') FROM order_view v
		LEFT JOIN names n ON n.user_id = v.user_id
		WHERE v.generation = (SELECT generation FROM projections WHERE name = 'order_view')
		AND ($1 = '' OR v.user_id = $1) AND ($2 = '' OR v.status = $2) AND v.order_id > $3
		ORDER BY v.order_id LIMIT $4`, f.user, f.status, f.after, f.limit))
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return list, nil
}
