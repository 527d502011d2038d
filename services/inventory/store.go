package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/grpc/codes"

	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/rpc"
)

// store keeps levels and who holds what. Every change and the events that tell of it are one
// transaction, which takes the order's row first and the items' rows in the order of their ids.
type store struct{ db *db.DB }

const levelColumns = `item_id, available, reserved, sold, received, version`

// levels returns those of the ids that there are, in the order of their ids.
func (s store) levels(ctx context.Context, ids []string) ([]Level, error) {
	if len(ids) == 0 {
		return []Level{}, nil
	}
	places, args := db.In(ids)
	return s.list(ctx, `SELECT `+levelColumns+` FROM levels
		WHERE item_id IN `+places+` ORDER BY item_id`, args...)
}

// page returns up to limit levels in the order of their ids, from the one behind after.
func (s store) page(ctx context.Context, after string, limit int) ([]Level, error) {
	return s.list(ctx, `SELECT `+levelColumns+` FROM levels
		WHERE item_id > $1 ORDER BY item_id LIMIT $2`, after, limit)
}

func (s store) list(ctx context.Context, query string, args ...any) ([]Level, error) {
	list, err := db.Collect(scanLevel)(s.db.QueryContext(ctx, query, args...))
	if err != nil {
		return nil, fmt.Errorf("list levels: %w", err)
	}
	return list, nil
}

func scanLevel(row db.Row) (Level, error) {
	var l Level
	err := row.Scan(&l.Item, &l.Available, &l.Reserved, &l.Sold, &l.Received, &l.Version)
	if err != nil {
		return Level{}, fmt.Errorf("read level: %w", err)
	}
	return l, nil
}

// receive adds goods to what is available, once for each receipt.
func (s store) receive(ctx context.Context, r Receipt) (l Level, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		fresh, err := one(tx.ExecContext(ctx, `INSERT INTO receipts (receipt_id, item_id, quantity)
			VALUES ($1, $2, $3) ON CONFLICT (receipt_id) DO NOTHING`, r.ID, r.Item, r.Quantity))
		if err != nil {
			return fmt.Errorf("note receipt %s: %w", r.ID, err)
		}
		if !fresh {
			l, err = received(ctx, tx, r)
			return err
		}
		l, err = scanLevel(tx.QueryRowContext(ctx, `INSERT INTO levels (`+levelColumns+`)
			VALUES ($1, $2, 0, 0, $2, 1) ON CONFLICT (item_id) DO UPDATE SET
			available = levels.available + excluded.available,
			received = levels.received + excluded.received, version = levels.version + 1
			RETURNING `+levelColumns, r.Item, r.Quantity))
		if err != nil {
			return err
		}
		return tell(ctx, tx, l)
	})
	return l, err
}

// received answers a receipt that came before.
func received(ctx context.Context, tx *db.Tx, r Receipt) (Level, error) {
	var was Line
	err := tx.QueryRowContext(ctx, `SELECT item_id, quantity FROM receipts WHERE receipt_id = $1`, r.ID).
		Scan(&was.Item, &was.Quantity)
	if err != nil {
		return Level{}, fmt.Errorf("read receipt %s: %w", r.ID, err)
	}
	if was != r.Line {
		return Level{}, refuse(codes.AlreadyExists, "OTHER_RECEIPT", nil, "receipt %s was of %d %s",
			r.ID, was.Quantity, was.Item)
	}
	return scanLevel(tx.QueryRowContext(ctx,
		`SELECT `+levelColumns+` FROM levels WHERE item_id = $1`, r.Item))
}

// column is one that holds a part of what was received.
type column string

const (
	available column = "available"
	reserved  column = "reserved"
	sold      column = "sold"
)

// move takes each line's quantity from one column to the other, if every item has enough. Two that
// want the last one wait for each other at its row, and the second sees what the first left.
func move(ctx context.Context, tx *db.Tx, lines []Line, from, to column) error {
	query := fmt.Sprintf(`UPDATE levels SET %[1]s = %[1]s - $2, %[2]s = %[2]s + $2, version = version + 1
		WHERE item_id = $1 AND %[1]s >= $2 RETURNING `+levelColumns, from, to)
	for _, line := range lines {
		l, err := scanLevel(tx.QueryRowContext(ctx, query, line.Item, line.Quantity))
		if errors.Is(err, sql.ErrNoRows) {
			return short(ctx, tx, line, from)
		}
		if err != nil {
			return fmt.Errorf("move %d of %s from %s to %s: %w", line.Quantity, line.Item, from, to, err)
		}
		if err := tell(ctx, tx, l); err != nil {
			return err
		}
	}
	return nil
}

// short says why a line cannot be had.
func short(ctx context.Context, tx *db.Tx, line Line, from column) error {
	if from != available {
		return fmt.Errorf("move %d of %s: that many are not %s", line.Quantity, line.Item, from)
	}
	l, err := scanLevel(tx.QueryRowContext(ctx,
		`SELECT `+levelColumns+` FROM levels WHERE item_id = $1`, line.Item))
	if errors.Is(err, sql.ErrNoRows) {
		return refuse(codes.FailedPrecondition, "UNKNOWN_ITEM", map[string]string{"item_id": line.Item},
			"there is no item %s", line.Item)
	}
	if err != nil {
		return err
	}
	return refuse(codes.FailedPrecondition, "OUT_OF_STOCK", map[string]string{
		"item_id": line.Item, "wanted": strconv.FormatInt(line.Quantity, 10),
		"available": strconv.FormatInt(l.Available, 10),
	}, "%d of %s are wanted, %d are available", line.Quantity, line.Item, l.Available)
}

// refuse is the error of what this service will not do.
func refuse(code codes.Code, reason string, meta map[string]string, format string, args ...any) error {
	return rpc.Refuse(code, "inventory", reason, meta, format, args...)
}

// one reports whether a statement changed a row.
func one(res sql.Result, err error) (bool, error) {
	n, err := db.Changed(res, err)
	return n == 1, err
}
