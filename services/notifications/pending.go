package main

import (
	"context"
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
}

// claim takes what is due, for as long as the lease lasts.
func (s store) claim(ctx context.Context) ([]pending, error) {
	at := time.Now()
	rows, err := s.db.QueryContext(ctx, `SELECT `+columns+`, header, tries, due FROM notifications
		WHERE status = 'accepted' AND due <= $1 ORDER BY due LIMIT $2`, at.UnixMilli(), dispatchBatch)
	if err != nil {
		return nil, fmt.Errorf("find due notifications: %w", err)
	}
	defer rows.Close()
	var found []pending
	var dues []int64
	for rows.Next() {
		var p pending
		var due int64
		n, err := scan(tail{rows, []any{&p.header, &p.tries, &due}})
		if err != nil {
			return nil, err
		}
		p.Notification = n
		found, dues = append(found, p), append(dues, due)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find due notifications: %w", err)
	}
	var mine []pending
	for i, p := range found {
		res, err := s.db.ExecContext(ctx, `UPDATE notifications SET due = $1
			WHERE id = $2 AND due = $3 AND status = 'accepted'`,
			at.Add(dispatchLease).UnixMilli(), p.ID, dues[i])
		if err != nil {
			return mine, fmt.Errorf("claim notification: %w", err)
		}
		if n, _ := res.RowsAffected(); n == 1 { // else another replica was quicker
			mine = append(mine, p)
		}
	}
	return mine, nil
}

// tail scans more columns behind those that scan knows.
type tail struct {
	row  interface{ Scan(...any) error }
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
		res, err := tx.ExecContext(ctx, `UPDATE notifications SET status = $1, reason = $2,
			updated_at = $3 WHERE id = $4 AND status = 'accepted'`, sum(ds), why, now(), p.ID)
		if err != nil {
			return fmt.Errorf("decide %s: %w", p.ID, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
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
func (s store) putOff(ctx context.Context, p pending, wait time.Duration, why error) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notifications SET tries = $1, due = $2, reason = $3,
			updated_at = $4 WHERE id = $5 AND status = 'accepted'`,
			p.tries, time.Now().Add(wait).UnixMilli(), "waiting: "+oneLine(why), now(), p.ID)
		return err
	})
}

// oneLine is an error as a reason: joined errors have a line each.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
