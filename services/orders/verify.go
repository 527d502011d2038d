package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"

	"msctl.dev/msctl/services/kit/db"
)

const (
	verifyPage = 200
	differMost = 100
)

// verdict is how the read model compares to the fold of the events.
type verdict struct {
	orders int64
	differ []string // ids, the first hundred
	behind int64    // events that the read model has not seen yet
}

// verify compares the two, order by order, up to the event that the read model has seen. It looks at
// a page at a time, while the projector waits.
func (s store) verify(ctx context.Context) (verdict, error) {
	var v verdict
	for after, more := "", true; more; {
		var page verdict
		err := s.db.Tx(ctx, func(tx *db.Tx) (err error) {
			page, after, more, err = comparePage(ctx, tx, after)
			return err
		})
		if err != nil {
			return v, fmt.Errorf("verify read model: %w", err)
		}
		v.orders, v.behind = v.orders+page.orders, page.behind
		v.differ = append(v.differ, page.differ...)
		v.differ = v.differ[:min(len(v.differ), differMost)]
	}
	return v, nil
}

// comparePage compares the orders behind after. What it returns is for the next page, if there are
// more.
func comparePage(ctx context.Context, tx *db.Tx, after string) (v verdict, last string, more bool, err error) {
	generation, position, err := lockView(ctx, tx)
	if err != nil {
		return v, after, false, err
	}
	err = tx.QueryRowContext(ctx, `SELECT position - $1 FROM positions WHERE name = 'events'`,
		position).Scan(&v.behind)
	if err != nil {
		return v, after, false, err
	}
	ids, err := texts(tx.QueryContext(ctx, `SELECT order_id FROM (
		SELECT order_id FROM events WHERE seq = 1 AND position <= $1
		UNION SELECT order_id FROM order_view WHERE generation = $2) AS known
		WHERE order_id > $3 ORDER BY order_id LIMIT $4`, position, generation, after, verifyPage))
	if err != nil || len(ids) == 0 {
		return v, after, false, err
	}
	last = ids[len(ids)-1]
	es, err := readEvents(tx.QueryContext(ctx, selectEvents+` WHERE position <= $1
		AND order_id > $2 AND order_id <= $3 ORDER BY order_id, seq`, position, after, last))
	if err != nil {
		return v, after, false, err
	}
	shown, err := bodies(tx.QueryContext(ctx, `SELECT order_id, body FROM order_view WHERE generation = $1
		AND order_id > $2 AND order_id <= $3`, generation, after, last))
	if err != nil {
		return v, after, false, err
	}
	v.orders, v.differ = int64(len(ids)), differences(ids, es, shown)
	return v, last, len(ids) == verifyPage, nil
}

// differences returns those of the ids whose events do not fold to what is shown.
func differences(ids []string, es []Event, shown map[string]string) (differ []string) {
	events := map[string][]Event{}
	for _, e := range es {
		events[e.Order] = append(events[e.Order], e)
	}
	for _, id := range ids {
		var is Order
		unread := json.Unmarshal([]byte(shown[id]), &is)
		should, err := fold(events[id])
		if unread != nil || err != nil || should.Version == 0 || !reflect.DeepEqual(should, is) {
			differ = append(differ, id)
		}
	}
	return differ
}

// bodies reads rows of an id and what is shown of it.
func bodies(rows *sql.Rows, err error) (map[string]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	shown := map[string]string{}
	for rows.Next() {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return nil, err
		}
		shown[id] = body
	}
	return shown, rows.Err()
}

// texts reads rows of one column.
func texts(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}
