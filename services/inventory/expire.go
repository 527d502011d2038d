package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

const (
	expireEvery = 500 * time.Millisecond
	expireLease = 5 * time.Second // after a crash another replica takes over this late
	expireBatch = 50
)

// expirer gives back what orders held for too long. Of several replicas the one with the lease does
// it; the lease only spares them the same work, each reservation is safe by itself.
type expirer struct {
	app   *kit.App
	store store
	log   *slog.Logger
	me    string
}

func newExpirer(app *kit.App, s store) expirer {
	return expirer{app: app, store: s, log: app.Log, me: kit.NewID()}
}

func (e expirer) run(ctx context.Context) error {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	defer e.leave(context.WithoutCancel(ctx))
	for {
		if err := e.sweep(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("expiry waiting", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep expires all that is due, unless another replica does.
func (e expirer) sweep(ctx context.Context) error {
	for {
		due, err := e.store.due(ctx, time.Now())
		if err != nil || len(due) == 0 {
			return err
		}
		if leads, err := e.store.lease(ctx, e.me, time.Now()); err != nil || !leads {
			return err
		}
		if err := e.expire(ctx, due); err != nil || len(due) < expireBatch {
			return err
		}
	}
}

// expire gives back what the orders held. One that cannot be given back holds up no other.
func (e expirer) expire(ctx context.Context, orders []string) error {
	var errs []error
	for _, order := range orders {
		done, err := e.store.expire(ctx, order, time.Now())
		if err != nil {
			errs = append(errs, err)
		}
		if done {
			e.log.InfoContext(ctx, "reservation expired", "order", order)
		}
	}
	return errors.Join(errs...)
}

// leave lets another replica take over at once.
func (e expirer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := e.store.free(ctx, e.me); err != nil {
		e.log.Debug("lease kept", "err", err) // it ends by itself
	}
}

// due returns orders whose hold is over at that time, the oldest first.
func (s store) due(ctx context.Context, at time.Time) ([]string, error) {
	orders, err := db.Collect(func(row db.Row) (order string, err error) {
		return order, row.Scan(&order)
	})(s.db.QueryContext(ctx, `SELECT order_id FROM reservations
		WHERE state = 'held' AND expires_at <= $1 ORDER BY expires_at LIMIT $2`, at.UnixMilli(), expireBatch))
	if err != nil {
		return nil, fmt.Errorf("find due reservations: %w", err)
	}
	return orders, nil
}

// lease takes or renews the right to expire reservations.
func (s store) lease(ctx context.Context, owner string, at time.Time) (bool, error) {
	leads, err := one(s.db.ExecContext(ctx, `UPDATE leases SET owner = $1, until = $2
		WHERE name = 'expiry' AND (owner = $1 OR until < $3)`,
		owner, at.Add(expireLease).UnixMilli(), at.UnixMilli()))
	if err != nil {
		return false, fmt.Errorf("take lease: %w", err)
	}
	return leads, nil
}

func (s store) free(ctx context.Context, owner string) error {
	_, err := s.db.ExecContext(ctx,
		`UPDATE leases SET until = 0 WHERE name = 'expiry' AND owner = $1`, owner)
	return err
}
