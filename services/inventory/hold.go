package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"msctl.dev/msctl/services/kit/db"
)

// reserve holds all lines of an order or none. An order that was here before gets what it has, as
// long as it asks for the same and was not released.
func (s store) reserve(ctx context.Context, want Reservation) (r Reservation, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		r = want
		fresh, err := note(ctx, tx, r)
		if err != nil {
			return err
		}
		if fresh {
			return move(ctx, tx, r.Lines, available, reserved)
		}
		if r, err = take(ctx, tx, want.Order); err != nil {
			return err
		}
		switch {
		case r.State == Released:
			return refuse(codes.FailedPrecondition, "RELEASED", nil, "order %s was released", r.Order)
		case !slices.Equal(r.Lines, want.Lines):
			return refuse(codes.AlreadyExists, "OTHER_LINES", nil, "order %s has other lines", r.Order)
		}
		return nil
	})
	return r, err
}

// release gives back what the order holds or bought. One that is unknown is noted as released, so
// that a reservation that comes late is refused.
func (s store) release(ctx context.Context, order string) (r Reservation, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		r = Reservation{Order: order, State: Released, Lines: []Line{}}
		fresh, err := note(ctx, tx, r)
		if err != nil || fresh {
			return err
		}
		if r, err = take(ctx, tx, order); err != nil {
			return err
		}
		switch r.State {
		case Held:
			err = move(ctx, tx, r.Lines, reserved, available)
		case Sold:
			err = move(ctx, tx, r.Lines, sold, available)
		}
		if err != nil {
			return err
		}
		return r.become(ctx, tx, Released)
	})
	return r, err
}

// commit turns what the order holds into what is sold. A hold whose time is over is still good
// until [store.expire] has taken it: the state says so, and no clock.
func (s store) commit(ctx context.Context, order string) (r Reservation, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		r, err = take(ctx, tx, order)
		if errors.Is(err, sql.ErrNoRows) {
			return refuse(codes.FailedPrecondition, "UNKNOWN_ORDER", nil, "there is no order %s", order)
		}
		if err != nil {
			return err
		}
		switch r.State {
		case Sold:
			return nil
		case Released:
			return refuse(codes.FailedPrecondition, "RELEASED", nil, "order %s was released", order)
		case Expired:
			return refuse(codes.FailedPrecondition, "EXPIRED", nil, "the hold of order %s is over", order)
		}
		if err := move(ctx, tx, r.Lines, reserved, sold); err != nil {
			return err
		}
		return r.become(ctx, tx, Sold)
	})
	return r, err
}

// expire gives back what the order held for too long, and reports whether it did.
func (s store) expire(ctx context.Context, order string, at time.Time) (done bool, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		r, err := take(ctx, tx, order)
		if err != nil {
			return err
		}
		if done = r.State == Held && !r.Expires.After(at); !done {
			return nil // it was committed or released meanwhile
		}
		if err := move(ctx, tx, r.Lines, reserved, available); err != nil {
			return err
		}
		return r.become(ctx, tx, Expired)
	})
	return done, err
}

// note adds a reservation and reports whether the order had none.
func note(ctx context.Context, tx *db.Tx, r Reservation) (bool, error) {
	lines, err := json.Marshal(r.Lines)
	if err != nil {
		return false, err
	}
	fresh, err := one(tx.ExecContext(ctx, `INSERT INTO reservations (order_id, state, lines, expires_at)
		VALUES ($1, $2, $3, $4) ON CONFLICT (order_id) DO NOTHING`,
		r.Order, r.State, string(lines), r.Expires.UnixMilli()))
	if err != nil {
		return false, fmt.Errorf("note order %s: %w", r.Order, err)
	}
	return fresh, nil
}

// take reads a reservation and keeps others from it until the transaction ends. The update that
// changes nothing is what locks a row on postgres and sqlite alike.
func take(ctx context.Context, tx *db.Tx, order string) (Reservation, error) {
	r := Reservation{Order: order}
	var lines string
	var expires int64
	err := tx.QueryRowContext(ctx, `UPDATE reservations SET state = state WHERE order_id = $1
		RETURNING state, lines, expires_at`, order).Scan(&r.State, &lines, &expires)
	if err != nil {
		return r, fmt.Errorf("read order %s: %w", order, err)
	}
	r.Expires = time.UnixMilli(expires)
	if err := json.Unmarshal([]byte(lines), &r.Lines); err != nil {
		return r, fmt.Errorf("read lines of order %s: %w", order, err)
	}
	return r, nil
}

// become writes down the state of a reservation that was taken.
func (r *Reservation) become(ctx context.Context, tx *db.Tx, state State) error {
	_, err := tx.ExecContext(ctx, `UPDATE reservations SET state = $2 WHERE order_id = $1`, r.Order, state)
	if err != nil {
		return fmt.Errorf("note that order %s is %s: %w", r.Order, state, err)
	}
	r.State = state
	return nil
}
