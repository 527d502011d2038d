package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// store keeps items and a copy of their stock. Every change, the event that tells of it, and the
// note that the cache is behind are one transaction.
type store struct {
	db  *db.DB
	due kit.Bell // tells the sweeper that the cache is behind
}

const selectItems = `SELECT id, name, description, amount, currency, items.version, available
	FROM items LEFT JOIN stock ON item_id = id `

// items returns those of the ids that there are, by id, in one query.
func (s store) items(ctx context.Context, ids []string) (map[string]Item, error) {
	places, args := db.In(ids)
	list, err := s.list(ctx, selectItems+`WHERE id IN `+places, args...)
	found := make(map[string]Item, len(list))
	for _, i := range list {
		found[i.ID] = i
	}
	return found, err
}

// page returns up to limit items in the order of their ids, from the one behind after.
func (s store) page(ctx context.Context, after string, limit int) ([]Item, error) {
	return s.list(ctx, selectItems+`WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

func (s store) list(ctx context.Context, query string, args ...any) ([]Item, error) {
	list, err := db.Collect(scan)(s.db.QueryContext(ctx, query, args...))
	if err != nil {
		return nil, fmt.Errorf("list items: %w", err)
	}
	return list, nil
}

func scan(row db.Row) (i Item, err error) {
	return i, row.Scan(&i.ID, &i.Name, &i.Description, &i.Price.Amount, &i.Price.Currency, &i.Version, &i.Available)
}

// put makes or changes an item and returns its version, and whether there was something to change.
func (s store) put(ctx context.Context, id string, c Content) (version int64, changed bool, err error) {
	at := time.Now().UTC().Truncate(time.Microsecond)
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO items
			(id, name, description, amount, currency, version, updated_at)
			VALUES ($1, $2, $3, $4, $5, 1, $6) ON CONFLICT (id) DO UPDATE SET
			name = excluded.name, description = excluded.description, amount = excluded.amount,
			currency = excluded.currency, version = items.version + 1, updated_at = excluded.updated_at
			WHERE items.name <> excluded.name OR items.description <> excluded.description
			OR items.amount <> excluded.amount OR items.currency <> excluded.currency
			RETURNING version`,
			id, c.Name, c.Description, c.Price.Amount, c.Price.Currency, at).Scan(&version)
		if changed = !errors.Is(err, sql.ErrNoRows); !changed {
			return tx.QueryRowContext(ctx, `SELECT version FROM items WHERE id = $1`, id).Scan(&version)
		}
		if err != nil {
			return err
		}
		event, err := updated(ctx, Facts{ID: id, Content: c, Version: version})
		if err != nil {
			return err
		}
		return errors.Join(outdate(ctx, tx, id), tx.Publish(ctx, event))
	})
	if err != nil {
		return 0, false, fmt.Errorf("put item %s: %w", id, err)
	}
	s.due.Ring()
	return version, changed, nil
}

// restock notes how many of an item are available, unless something newer is known.
func (s store) restock(ctx context.Context, l Level) error {
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := db.Changed(tx.ExecContext(ctx, `INSERT INTO stock (item_id, available, version)
			VALUES ($1, $2, $3) ON CONFLICT (item_id) DO UPDATE SET
			available = excluded.available, version = excluded.version
			WHERE stock.version < excluded.version`, l.Item, l.Available, l.Version))
		if err != nil || n == 0 {
			return err
		}
		return outdate(ctx, tx, l.Item)
	})
	if err != nil {
		return fmt.Errorf("note stock of %s: %w", l.Item, err)
	}
	s.due.Ring()
	return nil
}

// outdate notes that the cache may hold the item as it was, until the sweeper has seen to it.
func outdate(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO stale (item_id, mark) VALUES ($1, $2)
		ON CONFLICT (item_id) DO UPDATE SET mark = excluded.mark`, id, kit.NewID())
	return err
}
