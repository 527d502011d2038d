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
	"msctl.dev/msctl/services/payments/bank"
)

// store keeps payments. Every change that others hear of and the event that tells it are one
// transaction. Whoever asks the bank about a payment holds its lease, so that two replicas do not ask
// at once; that they might is no harm, for the bank knows an order and learn a fact.
type store struct {
	db    *db.DB
	lease time.Duration
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

const columns = `order_id, status, amount, currency, captured, refunded, reason, refund_wanted,
	updated_at, card, header, tries`

// isOpen is [Payment.open] in SQL.
const isOpen = `(status = 'pending' OR refund_wanted)`

// begin writes down that the bank is about to be asked, before it is: after a crash somebody knows.
// It returns the payment that the order has, and whether it is new; then the caller has the lease.
func (s store) begin(ctx context.Context, sale bank.Sale) (p Payment, fresh bool, err error) {
	due := time.Now().Add(s.lease).UnixMilli()
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		if fresh, err = insert(ctx, tx, sale, Pending, "", due); err != nil {
			return err
		}
		p, err = one(ctx, tx, sale.Order)
		return err
	})
	return p, fresh, s.unclaimed(ctx, sale.Order, due, err)
}

// unclaimFor is how long a caller waits at most for [store.unclaimed], beside the answer.
const unclaimFor = time.Second

// unclaimed gives a lease back that the database has not answered for, and passes err on: it may be stored all the
// same, and the payment would wait for its end.
func (s store) unclaimed(ctx context.Context, order string, due int64, err error) error {
	if !kit.Unanswered(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unclaimFor)
	defer cancel()
	_, failed := s.db.ExecContext(ctx, `UPDATE payments SET due = 0 WHERE order_id = $1 AND due = $2 AND `+isOpen, order, due)
	return errors.Join(err, failed)
}

// wantRefund writes down that the money is to be given back. An order without a payment is noted, so
// that none comes after.
func (s store) wantRefund(ctx context.Context, order string) (p Payment, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		if _, err := insert(ctx, tx, bank.Sale{Order: order}, Refused, tooLate, 0); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE payments SET refund_wanted = TRUE, updated_at = $1
			WHERE order_id = $2 AND status IN ('pending', 'captured') AND NOT refund_wanted`, now(), order)
		if err != nil {
			return fmt.Errorf("want refund of %s: %w", order, err)
		}
		p, err = one(ctx, tx, order)
		return err
	})
	return p, err
}

// insert adds a payment unless the order has one, and reports whether it did.
func insert(ctx context.Context, tx *db.Tx, b bank.Sale, st Status, why string, due int64) (bool, error) {
	m := kit.Message{Header: map[string]string{}}
	m.Carry(ctx)
	header, err := json.Marshal(m.Header)
	if err != nil {
		return false, err
	}
	n, err := db.Changed(tx.ExecContext(ctx, `INSERT INTO payments
		(order_id, status, amount, currency, card, captured, refunded, reason, refund_wanted, header,
		 tries, due, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, 0, 0, $6, FALSE, $7, 0, $8, $9, $9)
		ON CONFLICT (order_id) DO NOTHING`,
		b.Order, st, b.Amount, b.Currency, b.Card, why, string(header), due, now()))
	if err != nil {
		return false, fmt.Errorf("add payment of %s: %w", b.Order, err)
	}
	return n == 1, nil
}

// learn changes the payment by what the bank told, and returns it.
func (s store) learn(ctx context.Context, order string, f bank.Fact) (next Payment, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		// A change that is none makes two who learn of one payment wait for each other.
		p, err := scan(tx.QueryRowContext(ctx, `UPDATE payments SET tries = tries WHERE order_id = $1
			RETURNING `+columns, order))
		if err != nil {
			return err
		}
		if next, err = p.learn(f); err != nil || next == p {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE payments SET status = $1, captured = $2, refunded = $3,
			reason = $4, refund_wanted = $5, updated_at = $6, tries = 0,
			due = CASE WHEN $7 THEN due ELSE 0 END WHERE order_id = $8`,
			next.Status, next.Captured, next.Refunded, next.Reason, next.RefundWanted, now(), next.open(), order)
		if err != nil {
			return fmt.Errorf("change payment of %s: %w", order, err)
		}
		event, err := told(ctx, next)
		if err != nil {
			return err
		}
		return tx.Publish(ctx, event)
	})
	return next, err
}

// putOff gives the lease back: the payment is due again after wait.
func (s store) putOff(ctx context.Context, order string, tries int, wait time.Duration) error {
	_, err := s.db.ExecContext(ctx, `UPDATE payments SET tries = $1, due = $2
		WHERE order_id = $3 AND `+isOpen, tries, time.Now().Add(wait).UnixMilli(), order)
	if err != nil {
		return fmt.Errorf("put off payment of %s: %w", order, err)
	}
	return nil
}

// claim takes the lease of an open payment that is due, and returns it; ok: it got it.
func (s store) claim(ctx context.Context, order string) (p Payment, ok bool, err error) {
	at := time.Now()
	due := at.Add(s.lease).UnixMilli()
	p, err = scan(s.db.QueryRowContext(ctx, `UPDATE payments SET due = $1
		WHERE order_id = $2 AND due <= $3 AND `+isOpen+` RETURNING `+columns,
		due, order, at.UnixMilli()))
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, nil
	}
	return p, err == nil, s.unclaimed(ctx, order, due, err)
}

// due returns up to limit payments that nobody works on and that the bank is to be asked about.
func (s store) due(ctx context.Context, limit int) ([]Payment, error) {
	return s.list(ctx, `SELECT `+columns+` FROM payments WHERE `+isOpen+` AND due <= $1
		ORDER BY due LIMIT $2`, time.Now().UnixMilli(), limit)
}

// payment returns the one of that order, or a 404 problem.
func (s store) payment(ctx context.Context, order string) (Payment, error) {
	return one(ctx, s.db, order)
}

// payments returns up to limit in the order of their orders' ids, from the one behind after.
func (s store) payments(ctx context.Context, after string, limit int) ([]Payment, error) {
	return s.list(ctx, `SELECT `+columns+` FROM payments WHERE order_id > $1
		ORDER BY order_id LIMIT $2`, after, limit)
}

func (s store) list(ctx context.Context, query string, args ...any) ([]Payment, error) {
	list, err := db.Collect(scan)(s.db.QueryContext(ctx, query, args...))
	if err != nil {
		return nil, fmt.Errorf("list payments: %w", err)
	}
	return list, nil
}

// querier is the database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func one(ctx context.Context, q querier, order string) (Payment, error) {
	p, err := scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM payments WHERE order_id = $1`, order))
	if errors.Is(err, sql.ErrNoRows) {
		return p, kit.NotFound("order %q has no payment", order)
	}
	return p, err
}

func scan(row db.Row) (Payment, error) {
	var p Payment
	err := row.Scan(&p.Order, &p.Status, &p.Amount, &p.Currency, &p.Captured, &p.Refunded, &p.Reason,
		&p.RefundWanted, &p.UpdatedAt, &p.card, &p.header, &p.tries)
	if err != nil {
		return p, fmt.Errorf("read payment: %w", err)
	}
	p.UpdatedAt = p.UpdatedAt.UTC()
	return p, nil
}
