package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// errOvertaken says that another rebuild, begun later, was done first.
var errOvertaken = errors.New("another rebuild was quicker")

// rebuild is the task that makes the read model anew from the events, also while replicas run.
func rebuild(ctx context.Context, app *kit.App) error {
	d, err := db.Open(ctx, app, "orders-db", migrations)
	if err != nil {
		return err
	}
	defer d.Close()
	n, err := store{db: d, log: app.Log}.rebuild(ctx)
	if errors.Is(err, errOvertaken) {
		app.Log.Info("rebuild left to another")
		return nil
	}
	if err == nil {
		app.Log.Info("read model rebuilt", "events", n)
	}
	return err
}

// rebuild projects all events into a new generation of the read model, beside the one that readers
// see, and then lets them see it. It returns how many events there were.
func (s store) rebuild(ctx context.Context) (events int, err error) {
	var generation, position int64
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, `UPDATE projections SET latest = latest + 1
			WHERE name = 'order_view' RETURNING latest`).Scan(&generation)
	})
	if err != nil {
		return 0, fmt.Errorf("begin generation of read model: %w", err)
	}
	for {
		to, n, began := position, 0, time.Now()
		err := s.db.Tx(ctx, func(tx *db.Tx) error {
			seen, _, err := lockView(ctx, tx)
			if err == nil && seen > generation {
				err = errOvertaken
			}
			if err != nil {
				return err
			}
			to, n, err = project(ctx, tx, generation, position)
			if err != nil || n == projectBatch {
				return err
			}
			return swap(ctx, tx, generation, to)
		})
		if err != nil {
			return events, err
		}
		position, events = to, events+n
		if n < projectBatch {
			return events, nil
		}
		if err := kit.Pause(ctx, time.Since(began)); err != nil { // on sqlite nobody else can write meanwhile
			return events, err
		}
	}
}

// swap lets readers see a generation, and forgets those before.
func swap(ctx context.Context, tx *db.Tx, generation, position int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE projections SET generation = $1, position = $2
		WHERE name = 'order_view'`, generation, position)
	if err != nil {
		return fmt.Errorf("swap read model: %w", err)
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM order_view WHERE generation < $1`, generation)
	return err
}
