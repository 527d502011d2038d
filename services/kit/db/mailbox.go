package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"msctl.dev/msctl/services/kit"
)

// Tx is a transaction with an outbox and an inbox.
type Tx struct {
	*sql.Tx
	published bool

	noInbox, noOutbox bool          // switched off
	loose             []kit.Message // published while there is no outbox
}

// Publish puts messages into the outbox: they leave if and only if the transaction commits. One
// whose id is there already leaves too.
func (t *Tx) Publish(ctx context.Context, ms ...kit.Message) error {
	const insert = `INSERT INTO outbox (place, id, exchange, key, header, body)
		VALUES ($1, $2, $3, $4, $5, $6)`
	if t.noOutbox {
		t.loose = append(t.loose, ms...)
		return nil
	}
	for _, m := range ms {
		header, err := json.Marshal(m.Header)
		if err != nil {
			return fmt.Errorf("encode header of %s: %w", m.Key, err)
		}
		_, err = t.ExecContext(ctx, insert,
			kit.NewID(), m.ID, m.Exchange, m.Key, string(header), string(m.Body))
		if err != nil {
			return fmt.Errorf("add %s to outbox: %w", m.Key, err)
		}
	}
	t.published = t.published || len(ms) > 0
	return nil
}

// First notes that consumer has handled the message of that id, and reports whether it is the
// first time. It holds if and only if the transaction commits.
func (t *Tx) First(ctx context.Context, consumer, id string) (bool, error) {
	if t.noInbox {
		return true, nil
	}
	n, err := Changed(t.ExecContext(ctx, `INSERT INTO inbox (consumer, id, at) VALUES ($1, $2, $3)
		ON CONFLICT (consumer, id) DO NOTHING`, consumer, id, time.Now().Unix()))
	if err != nil {
		return false, fmt.Errorf("note message %s: %w", id, err)
	}
	return n == 1, nil
}

// Once runs fn in a transaction unless consumer has handled message m before: what fn writes, what
// it publishes, and the note that m is done are one.
func (d *DB) Once(ctx context.Context, consumer string, m kit.Message, fn func(tx *Tx) error) error {
	return d.Tx(ctx, func(tx *Tx) error {
		first, err := tx.First(ctx, consumer, m.ID)
		if err != nil || !first {
			return err
		}
		return fn(tx)
	})
}
