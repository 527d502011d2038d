package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// store keeps notifications, their deliveries, and what failed.
type store struct {
	db  *db.DB
	due kit.Bell // tells the dispatcher that there is something to do
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// accept stores a request and returns its notification's id. The same request again returns the
// same id; another one under the same request id is a 422.
func (s store) accept(ctx context.Context, r Request) (id string, err error) {
	c, err := newCandidate(ctx, r)
	if err != nil {
		return "", err
	}
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		id, err = c.accept(ctx, tx)
		return err
	})
	s.due.Ring()
	return id, err
}

// candidate is a request in the form in which it is stored.
type candidate struct {
	request             Request
	print, data, header string
}

func newCandidate(ctx context.Context, r Request) (candidate, error) {
	print, err := r.fingerprint()
	if err != nil {
		return candidate{}, err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return candidate{}, err
	}
	header, err := headerOf(ctx)
	return candidate{r, print, string(data), header}, err
}

// accept stores the candidate unless its request is there already, and returns the id of the
// notification that there is.
func (c candidate) accept(ctx context.Context, tx *db.Tx) (id string, err error) {
	_, err = tx.ExecContext(ctx, `INSERT INTO notifications
		(id, request_id, fingerprint, request, header, user_id, status, reason, tries, due,
		 created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, 'accepted', '', 0, 0, $7, $7)
		ON CONFLICT (request_id) DO NOTHING`,
		kit.NewID(), c.request.ID, c.print, c.data, c.header, c.request.User, now())
	if err != nil {
		return "", fmt.Errorf("accept request %s: %w", c.request.ID, err)
	}
	var held string
	err = tx.QueryRowContext(ctx, `SELECT id, fingerprint FROM notifications
		WHERE request_id = $1`, c.request.ID).Scan(&id, &held)
	if err != nil {
		return "", fmt.Errorf("accept request %s: %w", c.request.ID, err)
	}
	if held != c.print {
		return "", kit.Errorf(http.StatusUnprocessableEntity, "key-reused",
			"request_id %q was used for another request", c.request.ID)
	}
	return id, nil
}

// headerOf writes down the trace and correlation id, so that the work goes on under them.
func headerOf(ctx context.Context) (string, error) {
	m := kit.Message{Header: map[string]string{}}
	m.Carry(ctx)
	data, err := json.Marshal(m.Header)
	return string(data), err
}

const columns = `id, status, reason, request, created_at, updated_at`

// notification returns the one of that id, or a 404 problem.
func (s store) notification(ctx context.Context, id string) (Notification, error) {
	n, err := scan(s.db.QueryRowContext(ctx,
		`SELECT `+columns+` FROM notifications WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Notification{}, kit.NotFound("there is no notification %q", id)
	}
	if err != nil {
		return Notification{}, err
	}
	ds, err := deliveries(ctx, s.db, id)
	n.Deliveries = ds[id]
	return n, err
}

// notifications returns up to limit of a user's, "" for everybody's, newest first.
func (s store) notifications(ctx context.Context, user, before string, limit int) ([]Notification, error) {
	list, err := db.Collect(scan)(s.db.QueryContext(ctx, `SELECT `+columns+` FROM notifications
		WHERE (user_id = $1 OR $1 = '') AND (id < $2 OR $2 = '') ORDER BY id DESC LIMIT $3`,
		user, before, limit))
	if err != nil {
		return nil, fmt.Errorf("list notifications: %w", err)
	}
	var ids []string
	for _, n := range list {
		ids = append(ids, n.ID)
	}
	ds, err := deliveries(ctx, s.db, ids...)
	for i, id := range ids {
		list[i].Deliveries = ds[id]
	}
	return list, err
}

func scan(row db.Row) (Notification, error) {
	var n Notification
	var request string
	err := row.Scan(&n.ID, &n.Status, &n.Reason, &request, &n.CreatedAt, &n.UpdatedAt)
	if err != nil {
		return n, fmt.Errorf("read notification: %w", err)
	}
	n.CreatedAt, n.UpdatedAt = n.CreatedAt.UTC(), n.UpdatedAt.UTC()
	if err := json.Unmarshal([]byte(request), &n.Request); err != nil {
		return n, fmt.Errorf("read request of notification %s: %w", n.ID, err)
	}
	return n, nil
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// deliveries returns those of each notification, by its id, in one query.
func deliveries(ctx context.Context, q querier, ids ...string) (map[string][]Delivery, error) {
	found := map[string][]Delivery{}
	for _, id := range ids {
		found[id] = []Delivery{} // not null
	}
	if len(ids) == 0 {
		return found, nil
	}
	in, args := db.In(ids)
	_, err := db.Collect(func(row db.Row) (d Delivery, err error) {
		var id string
		err = row.Scan(&id, &d.Channel, &d.Status, &d.Reason, &d.UpdatedAt)
		d.UpdatedAt = d.UpdatedAt.UTC()
		found[id] = append(found[id], d)
		return d, err
	})(q.QueryContext(ctx, `SELECT notification_id, channel, status, reason, updated_at FROM deliveries
		WHERE notification_id IN `+in+` ORDER BY notification_id, channel`, args...))
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return found, nil
}

// settle notes what became of one delivery. What was sent stays sent.
func settle(ctx context.Context, tx *db.Tx, id string, d Delivery) error {
	at := now()
	// Changing the notification first makes two results of it wait for each other.
	_, err := tx.ExecContext(ctx, `UPDATE notifications SET updated_at = $1 WHERE id = $2`, at, id)
	if err != nil {
		return fmt.Errorf("settle %s: %w", id, err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE deliveries SET status = $1, reason = $2, updated_at = $3
		WHERE notification_id = $4 AND channel = $5 AND status <> 'sent'`,
		d.Status, d.Reason, at, id, d.Channel)
	if err != nil {
		return fmt.Errorf("settle %s on %s: %w", id, d.Channel, err)
	}
	all, err := deliveries(ctx, tx, id)
	ds := all[id]
	if err != nil || len(ds) == 0 {
		return err // a stranger's
	}
	_, err = tx.ExecContext(ctx, `UPDATE notifications SET status = $1, reason = $2 WHERE id = $3`,
		sum(ds), reasons(ds), id)
	if err != nil {
		return fmt.Errorf("settle %s: %w", id, err)
	}
	return nil
}
