package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// work is an order that this replica drives, until its lease ends.
type work struct {
	order  string
	card   string
	header map[string]string // trace and correlation id of the request
	tries  int
	owner  string // of an order that is placed or cancelled here; "" leaves it to whoever comes first
	due    int64  // as the row says: of one that was claimed, as it said before
	at     Order  // where it stands; the zero value says that it must be looked up
}

// errLost says that this replica does not drive the order, or no more.
var errLost = errors.New("another replica drives the order")

func (s store) leased() int64 { return time.Now().Add(s.lease).UnixMilli() }

// place stores a new order and makes this replica its driver, or leaves it to whoever comes first.
// The id of an order that is there already is errStale.
func (s store) place(ctx context.Context, id string, b Body, card string, drive bool) (work, error) {
	w := s.work(ctx, id, card, drive)
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		if err := s.begin(ctx, tx, w, `DO NOTHING`); err != nil {
			return err
		}
		var err error
		w.at, err = s.append(ctx, tx, Order{ID: id}, Placed, b)
		return err
	})
	return w, s.stirred(s.unclaimed(ctx, w, err))
}

// cancel begins the way back of an order, and takes it over from whoever drives it. One that is on
// its way back already is a conflict.
func (s store) cancel(ctx context.Context, id string, drive bool) (work, error) {
	w := s.work(ctx, id, "", drive)
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		err := s.begin(ctx, tx, w, `(order_id) DO UPDATE SET
			owner = excluded.owner, due = excluded.due, tries = 0`)
		if err != nil {
			return err
		}
		o, err := s.order(ctx, tx, id)
		if err != nil {
			return err
		}
		if !slices.Contains(follows[o.Step], Compensating) {
			return kit.Conflict("order %q is %s", id, o.Undo.Ends)
		}
		if _, err = s.append(ctx, tx, o, Compensating, o.undo(Cancelled, "cancelled")); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE sagas SET seq = $1 WHERE order_id = $2`, o.Version+1, id)
		return err
	})
	return w, s.stirred(s.unclaimed(ctx, w, err))
}

// work is an order that this replica is about to drive, or to leave to whoever comes first.
func (s store) work(ctx context.Context, id, card string, drive bool) work {
	w := work{order: id, card: card, header: headerOf(ctx), due: time.Now().UnixMilli()}
	if drive {
		w.owner, w.due = s.me, s.leased()
	}
	return w
}

// unclaimFor is how long a client waits at most for [store.unclaimed], beside the answer.
const unclaimFor = time.Second

// unclaimed makes an order due at once whose beginning or claim was not answered, and passes err on: it may be
// stored all the same, and would wait for the end of the lease of this replica, which does not drive it.
func (s store) unclaimed(ctx context.Context, w work, err error) error {
	if w.owner == "" || !kit.Unanswered(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unclaimFor)
	defer cancel()
	_, failed := s.exec(ctx, `UPDATE sagas SET owner = '', due = $1 WHERE order_id = $2 AND owner = $3 AND due = $4`,
		time.Now().UnixMilli(), w.order, w.owner, w.due)
	return errors.Join(err, failed)
}

// begin adds the saga of an order, and locks it until the transaction ends.
func (s store) begin(ctx context.Context, tx *db.Tx, w work, conflict string) error {
	header, err := json.Marshal(w.header)
	if err != nil {
		return err
	}
	n, err := db.Changed(tx.ExecContext(ctx, `INSERT INTO sagas
		(order_id, seq, owner, due, tries, card, header) VALUES ($1, 1, $2, $3, 0, $4, $5)
		ON CONFLICT `+conflict, w.order, w.owner, w.due, w.card, string(header)))
	if err == nil && n == 0 {
		err = errStale
	}
	return err
}

func headerOf(ctx context.Context) map[string]string {
	m := kit.Message{Header: map[string]string{}}
	m.Carry(ctx)
	return m.Header
}

// advance appends an event to an order that this replica drives, and renews the lease. An order
// that has come to its end is driven no more. After an error the order is as it was.
func (s store) advance(ctx context.Context, o Order, kind Step, b Body) (Order, error) {
	after := o
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		query, args := `UPDATE sagas SET seq = $3, due = $4, tries = 0 WHERE order_id = $1 AND owner = $2`,
			[]any{o.ID, s.me, o.Version + 1, s.leased()}
		if (Order{Step: kind}).ended() {
			query, args = `DELETE FROM sagas WHERE order_id = $1 AND owner = $2`, args[:2]
		}
		n, err := db.Changed(tx.ExecContext(ctx, query, args...))
		if err == nil && n == 0 {
			err = errLost
		}
		if err != nil {
			return err
		}
		after, err = s.append(ctx, tx, o, kind, b)
		return err
	})
	return after, s.stirred(err)
}

// putOff gives the order back, to be driven on after a wait. Where something has happened to it
// meanwhile it is kept, and the error is errStale.
func (s store) putOff(ctx context.Context, o Order, wait time.Duration) error {
	n, err := s.exec(ctx, `UPDATE sagas SET owner = '', due = $1, tries = tries + 1
		WHERE order_id = $2 AND owner = $3 AND seq = $4`,
		time.Now().Add(wait).UnixMilli(), o.ID, s.me, o.Version)
	if err != nil || n == 1 {
		return err
	}
	n, err = s.exec(ctx, `UPDATE sagas SET due = $1 WHERE order_id = $2 AND owner = $3`,
		s.leased(), o.ID, s.me)
	if err == nil && n == 0 {
		return errLost
	}
	return errors.Join(errStale, err)
}

// claim takes up to limit orders that nobody drives, or whose driver's lease is over.
func (s store) claim(ctx context.Context, limit int) ([]work, error) {
	found, err := db.Collect(func(row db.Row) (w work, err error) {
		var header []byte
		if err := row.Scan(&w.order, &w.card, &header, &w.tries, &w.due); err != nil {
			return w, err
		}
		return w, json.Unmarshal(header, &w.header)
	})(s.db.QueryContext(ctx, `SELECT order_id, card, header, tries, due FROM sagas
		WHERE due <= $1 ORDER BY due LIMIT $2`, time.Now().UnixMilli(), limit))
	if err != nil {
		return nil, fmt.Errorf("find due orders: %w", err)
	}
	var mine []work
	for _, w := range found {
		claim := work{order: w.order, owner: s.me, due: s.leased()}
		n, err := s.exec(ctx, `UPDATE sagas SET owner = $1, due = $2 WHERE order_id = $3 AND due = $4`,
			claim.owner, claim.due, w.order, w.due)
		if err != nil {
			return mine, fmt.Errorf("claim order: %w", s.unclaimed(ctx, claim, err))
		}
		if n == 1 { // else another replica was quicker
			mine = append(mine, w)
		}
	}
	return mine, nil
}

// exec runs one statement in a transaction, and returns how many rows it changed.
func (s store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		n, err = db.Changed(tx.ExecContext(ctx, query, args...))
		return err
	})
	return n, err
}

// stirred tells the projector of what may be new, and passes err on.
func (s store) stirred(err error) error {
	if err == nil {
		s.fresh.Ring()
	}
	return err
}
