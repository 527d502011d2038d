package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"msctl.dev/msctl/services/kit/db"
)

// store is the monolith's file.
type store struct{ db *db.DB }

const bookingColumns = `ref, op, amount, rc, txn`

// querier is the database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// find returns the booking of that reference; ok: there is one.
func find(ctx context.Context, q querier, ref, op string) (b booking, ok bool, err error) {
	b, err = scan(q.QueryRowContext(ctx, `SELECT `+bookingColumns+` FROM bookings
		WHERE ref = $1 AND op = $2`, ref, op))
	if errors.Is(err, sql.ErrNoRows) {
		return booking{Ref: ref, Op: op, RC: rcUnknown}, false, nil
	}
	if err != nil {
		return b, false, fmt.Errorf("find %s %s: %w", op, ref, err)
	}
	return b, true, nil
}

// sell books a sale, once for each reference: the same again is answered with what the first was.
func (s store) sell(ctx context.Context, t txn) (done booking, first bool, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		var known bool
		done, known, err = find(ctx, tx, t.ref, sale)
		first = false
		switch {
		case err != nil:
			return err
		case known && done.Amount != t.amount:
			done.RC = rcReused
			return nil
		case known:
			return nil
		}
		later, err := putOff(ctx, tx, t)
		if err != nil || later {
			done.RC, done.Amount = rcLater, t.amount
			return err
		}
		first = true
		done, err = add(ctx, tx, booking{Ref: t.ref, Op: sale, Amount: t.amount, RC: judge(t)})
		return err
	})
	return done, first, err
}

// putOff counts how often a sale on tok_later was asked for, and reports whether to ask again.
func putOff(ctx context.Context, tx *db.Tx, t txn) (bool, error) {
	if t.pan != cardLater {
		return false, nil
	}
	var n int
	err := tx.QueryRowContext(ctx, `INSERT INTO tries (ref, n) VALUES ($1, 1)
		ON CONFLICT (ref) DO UPDATE SET n = tries.n + 1 RETURNING n`, t.ref).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("count tries of %s: %w", t.ref, err)
	}
	return n <= 2, nil
}

// refund gives a sale back, once.
func (s store) refund(ctx context.Context, ref string) (done booking, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		sold, known, err := find(ctx, tx, ref, sale)
		if err != nil {
			return err
		}
		if !known || sold.RC != rcDone {
			done = booking{Ref: ref, Op: refund, RC: rcUnknown}
			return nil
		}
		if done, known, err = find(ctx, tx, ref, refund); err != nil || known {
			return err
		}
		done, err = add(ctx, tx, booking{Ref: ref, Op: refund, Amount: sold.Amount, RC: rcDone})
		return err
	})
	return done, err
}

// inquire tells what became of a sale.
func (s store) inquire(ctx context.Context, ref string) (booking, error) {
	b, _, err := find(ctx, s.db, ref, sale)
	return b, err
}

// add books under the next number. Writers take turns, in whichever process they are.
func add(ctx context.Context, tx *db.Tx, b booking) (booking, error) {
	err := tx.QueryRowContext(ctx, `INSERT INTO bookings (txn, ref, op, amount, rc)
		SELECT COALESCE(MAX(txn), 0) + 1, $1, $2, $3, $4 FROM bookings RETURNING txn`,
		b.Ref, b.Op, b.Amount, b.RC).Scan(&b.Txn)
	if err != nil {
		return b, fmt.Errorf("book %s %s: %w", b.Op, b.Ref, err)
	}
	return b, nil
}

// bookings returns those of a reference in the order of their numbers.
func (s store) bookings(ctx context.Context, ref string) ([]booking, error) {
	return s.list(ctx, `WHERE ref = $1 ORDER BY txn`, ref)
}

// booked returns up to limit bookings in the order of their numbers, from the one behind after.
func (s store) booked(ctx context.Context, after int64, limit int) ([]booking, error) {
	return s.list(ctx, `WHERE txn > $1 ORDER BY txn LIMIT $2`, after, limit)
}

func (s store) list(ctx context.Context, which string, args ...any) ([]booking, error) {
	list, err := db.Collect(scan)(s.db.QueryContext(ctx, `SELECT `+bookingColumns+` FROM bookings `+which, args...))
	if err != nil {
		return nil, fmt.Errorf("list bookings: %w", err)
	}
	return list, nil
}

func scan(row db.Row) (b booking, err error) {
	return b, row.Scan(&b.Ref, &b.Op, &b.Amount, &b.RC, &b.Txn)
}
