package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
)

// FailedItem is a message that its consumer gave up.
type FailedItem struct {
	ID       string          `json:"id"`
	Queue    string          `json:"queue"` // where it came from
	Message  string          `json:"message_id"`
	Reason   string          `json:"reason"`
	Attempts int             `json:"attempts"`
	Body     json.RawMessage `json:"body"`
	FailedAt time.Time       `json:"failed_at"`
}

// failures empties the failed queue into the database, where it can be listed on any broker, and
// requeued in one with the status of its notification.
func (s store) failures() bus.Consumer {
	return bus.Consumer{Queue: kit.FailedQueue, Workers: 1, Handle: s.keep}
}

func (s store) keep(ctx context.Context, m kit.Message) error {
	queue := m.Header[kit.HeaderFailedQueue]
	// The id alone is not enough: an event may fail in several queues, a requeued task again.
	once := kit.Message{ID: m.ID + " " + queue + " " + m.Header[kit.HeaderRequeued]}
	header, err := json.Marshal(m.Header)
	if err != nil {
		return bus.Permanent(err)
	}
	attempts, _ := strconv.Atoi(m.Header[kit.HeaderFailedAttempts]) // a stranger's has none
	return s.db.Once(ctx, kit.FailedQueue, once, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO failed
			(id, queue, message_id, exchange, key, header, body, reason, attempts, failed_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (queue, message_id) DO UPDATE SET header = excluded.header,
			reason = excluded.reason, attempts = excluded.attempts, failed_at = excluded.failed_at`,
			kit.NewID(), queue, m.ID, m.Header[kit.HeaderFailedExchange], m.Header[kit.HeaderFailedKey],
			string(header), string(m.Body), m.Header[kit.HeaderFailedReason], attempts, now())
		if err != nil {
			return fmt.Errorf("keep failed message %s: %w", m.ID, err)
		}
		return settleTask(ctx, tx, queue, m.Body, Failed, m.Header[kit.HeaderFailedReason])
	})
}

// settleTask notes what became of the notification whose task the message was, if it was one.
func settleTask(ctx context.Context, tx *db.Tx, queue string, body []byte, st Status, why string) error {
	var t Task
	if err := json.Unmarshal(body, &t); err != nil || queues[t.Channel] != queue {
		return nil
	}
	return settle(ctx, tx, t.Notification, Delivery{Channel: t.Channel, Status: st, Reason: why})
}

// failed returns up to limit messages, oldest first, from the id behind after.
func (s store) failed(ctx context.Context, after string, limit int) ([]FailedItem, error) {
	list, err := db.Collect(scanFailed)(s.db.QueryContext(ctx, `SELECT id, queue, message_id, reason, attempts, body, failed_at
		FROM failed WHERE id > $1 ORDER BY id LIMIT $2`, after, limit))
	if err != nil {
		return nil, fmt.Errorf("list failed messages: %w", err)
	}
	return list, nil
}

func scanFailed(row db.Row) (f FailedItem, err error) {
	var body string
	err = row.Scan(&f.ID, &f.Queue, &f.Message, &f.Reason, &f.Attempts, &body, &f.FailedAt)
	if f.Body = json.RawMessage(body); !json.Valid(f.Body) {
		f.Body, _ = json.Marshal(body) // a string can always be encoded
	}
	f.FailedAt = f.FailedAt.UTC()
	return f, err
}

// requeue sends a failed message again, under its old id, to where it was published at first.
func (s store) requeue(ctx context.Context, id string) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		m := kit.Message{}
		var queue, header, body string
		err := tx.QueryRowContext(ctx, `DELETE FROM failed WHERE id = $1
			RETURNING queue, message_id, exchange, key, header, body`, id).
			Scan(&queue, &m.ID, &m.Exchange, &m.Key, &header, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return kit.NotFound("there is no failed message %q", id)
		}
		if err != nil {
			return fmt.Errorf("take failed message %s: %w", id, err)
		}
		if m.Exchange == "" || m.Key == "" {
			return kit.Conflict("message %q does not say where it was published", m.ID)
		}
		if err := json.Unmarshal([]byte(header), &m.Header); err != nil {
			return fmt.Errorf("read header of %s: %w", id, err)
		}
		m.Header, m.Body = again(m.Header), []byte(body)
		if err := settleTask(ctx, tx, queue, m.Body, Queued, "requeued"); err != nil {
			return err
		}
		return tx.Publish(ctx, m)
	})
}

// again returns the headers without the failure, and counts one more time.
func again(header map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range header {
		out[k] = v
	}
	for _, name := range []string{kit.HeaderFailedReason, kit.HeaderFailedQueue,
		kit.HeaderFailedAttempts, kit.HeaderFailedExchange, kit.HeaderFailedKey} {
		delete(out, name)
	}
	n, _ := strconv.Atoi(out[kit.HeaderRequeued]) // 0 when it is the first time
	out[kit.HeaderRequeued] = strconv.Itoa(n + 1)
	return out
}

// requeueAll requeues everything that is there now, and returns how much it was.
func (s store) requeueAll(ctx context.Context) (int, error) {
	items, err := s.failed(ctx, "", 1000)
	if err != nil {
		return 0, err
	}
	done := 0
	var errs []error
	for _, f := range items {
		switch err := s.requeue(ctx, f.ID); {
		case err == nil:
			done++
		case kit.AsProblem(err).Status != http.StatusNotFound: // else another was quicker
			errs = append(errs, err)
		}
	}
	if done == 0 {
		return 0, errors.Join(errs...)
	}
	return done, nil
}
