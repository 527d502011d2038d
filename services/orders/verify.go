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
		var ids, differ []string
		err := s.db.Tx(ctx, func(tx *db.Tx) error {
			generation, position, err := lockView(ctx, tx)
			if err != nil {
				return err
			}
			err = tx.QueryRowContext(ctx, `SELECT position - $1 FROM positions WHERE name = 'events'`,
				position).Scan(&v.behind)
			if err != nil {
				return err
			}
			ids, differ, err = compare(ctx, tx, generation, position, after)
			return err
		})
		if err != nil {
			return v, fmt.Errorf("verify read model: %w", err)
		}
		if more = len(ids) == verifyPage; more {
			after = ids[len(ids)-1]
		}
		v.orders += int64(len(ids))
		v.differ = append(v.differ, differ...)
		v.differ = v.differ[:min(len(v.differ), differMost)]
	}
	return v, nil
}

// compare returns a page of all orders behind after that are known on either side, and those of
// them whose events do not fold to what readers see.
func compare(ctx context.Context, tx *db.Tx, generation, position int64, after string) (ids, differ []string, err error) {
	type row struct{ id, body string }
	page, err := collect(func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.id, &r.body)
	})(tx.QueryContext(ctx, `SELECT known.order_id, COALESCE(v.body, '{}') FROM (
			SELECT order_id FROM (SELECT order_id FROM events
				WHERE seq = 1 AND position <= $1 AND order_id > $3 ORDER BY order_id LIMIT $4) AS told
			UNION SELECT order_id FROM (SELECT order_id FROM order_view
				WHERE generation = $2 AND order_id > $3 ORDER BY order_id LIMIT $4) AS seen) AS known
		LEFT JOIN order_view v ON v.generation = $2 AND v.order_id = known.order_id
		ORDER BY known.order_id LIMIT $4`, position, generation, after, verifyPage))
	if err != nil || len(page) == 0 {
		return nil, nil, err
	}
	es, err := readEvents(tx.QueryContext(ctx, selectEvents+` WHERE position <= $1
		AND order_id > $2 AND order_id <= $3 ORDER BY seq`, position, after, page[len(page)-1].id))
	if err != nil {
		return nil, nil, err
	}
	events := map[string][]Event{}
	for _, e := range es {
		events[e.Order] = append(events[e.Order], e)
	}
	for _, r := range page {
		ids = append(ids, r.id)
		var seen Order
		unread := json.Unmarshal([]byte(r.body), &seen)
		should, err := fold(events[r.id])
		if unread != nil || err != nil || should.Version == 0 || !reflect.DeepEqual(should, seen) {
			differ = append(differ, r.id)
		}
	}
	return ids, differ, nil
}
