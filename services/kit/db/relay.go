package db

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"msctl.dev/msctl/services/kit"
)

const (
	relayEvery  = 250 * time.Millisecond // how soon another replica's messages are seen
	relayLease  = 5 * time.Second        // after a crash another replica takes over this late
	relayBatch  = 100
	inboxKept   = 7 * 24 * time.Hour
	inboxPruned = 10 * time.Minute // how often
)

// Relay returns the part of a service that publishes what the outbox holds, in order, at least
// once. Of several replicas the one with the lease does it.
func (d *DB) Relay(pub kit.Publisher) func(context.Context) error {
	d.direct.Store(&pub)
	r := &relay{db: d, pub: pub, me: kit.NewID()}
	return r.run
}

type relay struct {
	db     *DB
	pub    kit.Publisher
	me     string
	pruned time.Time
}

func (r *relay) run(ctx context.Context) error {
	tick := time.NewTicker(relayEvery)
	defer tick.Stop()
	defer r.release(context.WithoutCancel(ctx))
	for {
		if err := r.drain(ctx); err != nil && ctx.Err() == nil {
			r.db.log.Warn("outbox waiting", "err", err)
		}
		select {
		case <-ctx.Done():
			return r.last(ctx)
		case <-tick.C:
		case <-r.db.kick:
		}
	}
}

// last publishes what the last requests left, so that a clean stop leaves nothing behind. What it
// misses stays in the outbox.
func (r *relay) last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := r.drain(ctx); err != nil {
		r.db.log.Warn("outbox kept", "err", err)
	}
	return nil
}

// drain publishes until the outbox is empty or another replica has the lease.
func (r *relay) drain(ctx context.Context) error {
	for {
		if some, err := r.pending(ctx); err != nil || !some {
			return err
		}
		if leads, err := r.lease(ctx); err != nil || !leads {
			return err
		}
		ls, err := r.next(ctx)
		if err != nil {
			return err
		}
		if err := r.publish(ctx, ls); err != nil {
			return err
		}
		if len(ls) < relayBatch {
			return r.prune(ctx)
		}
	}
}

// pending reports whether the outbox holds anything; most of the time it does not.
func (r *relay) pending(ctx context.Context) (some bool, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM outbox)`).Scan(&some)
	if err != nil {
		return false, fmt.Errorf("look into outbox: %w", err)
	}
	return some, nil
}

// lease takes or renews the right to publish.
func (r *relay) lease(ctx context.Context) (bool, error) {
	now := time.Now()
	n, err := Changed(r.db.ExecContext(ctx, `UPDATE outbox_lease SET owner = $1, until = $2
		WHERE name = 'relay' AND (owner = $1 OR until < $3)`,
		r.me, now.Add(relayLease).UnixMilli(), now.UnixMilli()))
	if err != nil {
		return false, fmt.Errorf("take lease: %w", err)
	}
	return n == 1, nil
}

func (r *relay) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := r.db.ExecContext(ctx,
		`UPDATE outbox_lease SET until = 0 WHERE name = 'relay' AND owner = $1`, r.me)
	if err != nil {
		r.db.log.Debug("lease kept", "err", err) // it ends by itself
	}
}

// letter is a message in the outbox.
type letter struct {
	place string // its own: the id of a message may be there twice
	kit.Message
}

// next reads the oldest letters.
func (r *relay) next(ctx context.Context) ([]letter, error) {
	ls, err := Collect(func(row Row) (l letter, err error) {
		var header []byte
		if err := row.Scan(&l.place, &l.ID, &l.Exchange, &l.Key, &header, &l.Body); err != nil {
			return l, err
		}
		if err := json.Unmarshal(header, &l.Header); err != nil {
			return l, fmt.Errorf("header of %s: %w", l.ID, err)
		}
		return l, nil
	})(r.db.QueryContext(ctx, `SELECT place, id, exchange, key, header, body FROM outbox
		ORDER BY place LIMIT $1`, relayBatch))
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	return ls, nil
}

// publish sends letters and then forgets them. Between the two a crash sends them again: that is
// what the consumers' inbox is for.
func (r *relay) publish(ctx context.Context, ls []letter) error {
	if len(ls) == 0 {
		return nil
	}
	var ms []kit.Message
	var places []string
	for _, l := range ls {
		ms, places = append(ms, l.Message), append(places, l.place)
	}
	if r.db.early() { // a mistake to be found: what the broker does not take then is lost
		if err := r.forget(ctx, places); err != nil {
			return err
		}
	}
	if err := r.pub.Publish(ctx, ms...); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return r.forget(ctx, places)
}

// forgetFor is how long a stopping relay waits for its note of what it has published.
const forgetFor = 2 * time.Second

// forget takes letters out of the outbox, also where ctx has just ended: else they are sent again.
func (r *relay) forget(ctx context.Context, places []string) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(forgetFor, cancel) })
	defer stop()
	return r.db.Tx(work, func(tx *Tx) error {
		in, args := In(places)
		if _, err := tx.ExecContext(work, `DELETE FROM outbox WHERE place IN `+in, args...); err != nil {
			return fmt.Errorf("forget messages: %w", err)
		}
		return nil
	})
}

// prune forgets the ids of messages that no broker sends again.
func (r *relay) prune(ctx context.Context) error {
	if time.Since(r.pruned) < inboxPruned {
		return nil
	}
	r.pruned = time.Now()
	_, err := r.db.ExecContext(ctx, `DELETE FROM inbox WHERE at < $1`,
		time.Now().Add(-inboxKept).Unix())
	return err
}
