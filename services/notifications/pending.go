package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

const (
	dispatchLease = 30 * time.Second // after a crash another replica takes over this late
	dispatchBatch = 32
)

// pending is an accepted notification that this replica has claimed.
type pending struct {
	Notification
	header string
	tries  int
	due    int64 // when it became so, in Unix milliseconds
}

func scanPending(row db.Row) (p pending, err error) {
	p.Notification, err = scan(tail{row, []any{&p.header, &p.tries, &p.due}})
	return p, err
}

// claim takes what is due, for as long as the lease lasts. With an error it returns what it has got so far.
func (s store) claim(ctx context.Context) ([]pending, error) {
	at := time.Now()
	until := at.Add(dispatchLease).UnixMilli()
	found, err := db.Collect(scanPending)(s.db.QueryContext(ctx, `SELECT `+columns+`, header, tries, due FROM notifications
		WHERE status = 'accepted' AND due <= $1 ORDER BY due LIMIT $2`, at.UnixMilli(), dispatchBatch))
	if err != nil {
		return nil, fmt.Errorf("find due notifications: %w", err)
	}
	var mine []pending
	for _, p := range found {
		n, err := db.Changed(s.db.ExecContext(ctx, `UPDATE notifications SET due = $1
			WHERE id = $2 AND due = $3 AND status = 'accepted'`, until, p.ID, p.due))
		if err != nil { // it may be claimed all the same: the answer was lost
			return mine, errors.Join(fmt.Errorf("claim notification: %w", err), s.unclaim(ctx, p, until))
		}
		if n == 1 { // else another replica was quicker
			mine = append(mine, p)
		}
	}
	return mine, nil
}

// giveBackFor bounds what is stored of a notification behind its dispatch or claim. Without it the lease ends by
// itself.
const giveBackFor = 2 * time.Second

// unclaim makes a notification due again whose lease lasts until then. Where another replica has the same lease
// both dispatch it, and one decides.
func (s store) unclaim(ctx context.Context, p pending, until int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackFor)
	defer cancel()
	_, err := s.db.ExecContext(ctx, `UPDATE notifications SET due = $1
		WHERE id = $2 AND due = $3 AND status = 'accepted'`, p.due, p.ID, until)
	if err != nil {
		return fmt.Errorf("release notification: %w", err)
	}
	return nil
}

// tail scans more columns behind those that scan knows.
type tail struct {
	row  db.Row
	more []any
}

func (t tail) Scan(to ...any) error { return t.row.Scan(append(to, t.more...)...) }

// decided stores the deliveries and hands out their tasks, in one, unless another replica did.
func (s store) decided(ctx context.Context, p pending, ds []Delivery, tasks []kit.Message) error {
	why := reasons(ds)
	if len(ds) == 0 {
		why = "the user wants no channel"
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := db.Changed(tx.ExecContext(ctx, `UPDATE notifications SET status = $1, reason = $2,
			updated_at = $3 WHERE id = $4 AND status = 'accepted'`, sum(ds), why, now(), p.ID))
		if err != nil {
			return fmt.Errorf("decide %s: %w", p.ID, err)
		}
		if n == 0 {
			return nil
		}
		for _, d := range ds {
			_, err := tx.ExecContext(ctx, `INSERT INTO deliveries
				(notification_id, channel, status, reason, updated_at) VALUES ($1, $2, $3, $4, $5)`,
				p.ID, d.Channel, d.Status, d.Reason, now())
			if err != nil {
				return fmt.Errorf("decide %s on %s: %w", p.ID, d.Channel, err)
			}
		}
		return tx.Publish(ctx, tasks...)
	})
}

// putOff makes the notification due again after wait.
func (s store) putOff(ctx context.Context, p pending, wait time.Duration, why string) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notifications SET tries = $1, due = $2, reason = $3,
			updated_at = $4 WHERE id = $5 AND status = 'accepted'`,
			p.tries, time.Now().Add(wait).UnixMilli(), "waiting: "+why, now(), p.ID)
		return err
	})
}

// oneLine is an error as a reason: joined errors have a line each.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
