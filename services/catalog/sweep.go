package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"msctl.dev/msctl/services/kit/db"
)

const (
	sweepEvery = 250 * time.Millisecond // how soon what another replica left is seen
	sweepBatch = 200
)

// sweeper takes items that changed out of the cache. What changed is noted in the transaction of the
// change, so that none is forgotten when Redis is away or a replica dies.
type sweeper struct {
	store store
	cache *cache
	log   *slog.Logger
}

func (w sweeper) run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := w.sweep(ctx); err != nil && ctx.Err() == nil {
			w.log.Debug("cache behind", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.store.due:
		}
	}
}

func (w sweeper) sweep(ctx context.Context) error {
	for {
		marks, err := w.store.stale(ctx)
		if err != nil || len(marks) == 0 {
			return err
		}
		var ids []string
		for _, m := range marks {
			ids = append(ids, m.id)
		}
		if err := w.cache.drop(ctx, ids...); err != nil {
			return err
		}
		if err := w.store.swept(ctx, marks); err != nil || len(marks) < sweepBatch {
			return err
		}
	}
}

// mark is one change of an item that the cache may not know of.
type mark struct{ id, mark string }

func (s store) stale(ctx context.Context) ([]mark, error) {
	list, err := db.Collect(func(row db.Row) (m mark, err error) {
		return m, row.Scan(&m.id, &m.mark)
	})(s.db.QueryContext(ctx, `SELECT item_id, mark FROM stale ORDER BY item_id LIMIT $1`, sweepBatch))
	if err != nil {
		return nil, fmt.Errorf("find stale items: %w", err)
	}
	return list, nil
}

// swept forgets the marks; one that was made meanwhile stays.
func (s store) swept(ctx context.Context, marks []mark) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		for _, m := range marks {
			_, err := tx.ExecContext(ctx, `DELETE FROM stale WHERE item_id = $1 AND mark = $2`, m.id, m.mark)
			if err != nil {
				return fmt.Errorf("forget stale item: %w", err)
			}
		}
		return nil
	})
}
