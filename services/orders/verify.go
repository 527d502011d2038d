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
	verifyPage = 100
	differMost = 100
)

// verdict is how the read model compares to the fold of the events.
type verdict struct {
	orders int64
	differ []string // ids, the first hundred
	behind int64    // events that the read model has not seen yet
}

// verify compares the two, order by order, up to the event that the read model has seen. It looks at
// one moment of the database, and keeps nobody from writing.
func (s store) verify(ctx context.Context) (v verdict, err error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return v, fmt.Errorf("verify read model: %w", err)
	}
	defer tx.Rollback() // there is nothing to commit
	var generation, position int64
	err = tx.QueryRowContext(ctx, `SELECT v.generation, v.position, e.position - v.position
		FROM projections v, positions e WHERE v.name = 'order_view' AND e.name = 'events'`).
		Scan(&generation, &position, &v.behind)
	for after, more := "", true; more && err == nil; {
		var ids, differ []string
		ids, differ, err = compare(ctx, tx, generation, position, after)
		if more = len(ids) == verifyPage; more {
			after = ids[len(ids)-1]
		}
		v.orders += int64(len(ids))
		v.differ = append(v.differ, differ...)
		v.differ = v.differ[:min(len(v.differ), differMost)]
	}
	if err != nil {
		err = fmt.Errorf("verify read model: %w", err)
	}
	return v, err
}

// compare returns a page of all orders behind after that are known on either side, and those of
// them whose events do not fold to what readers see.
func compare(ctx context.Context, q querier, generation, position int64, after string) (ids, differ []string, err error) {
	type known struct{ id, body string }
	page, err := db.Collect(func(row db.Row) (r known, err error) {
		return r, row.Scan(&r.id, &r.body)
	})(q.QueryContext(ctx, `SELECT known.order_id, COALESCE(v.body, '{}') FROM (
			SELECT order_id FROM (SELECT order_id FROM events
				WHERE seq = 1 AND position <= $1 AND order_id > $3 ORDER BY order_id LIMIT $4) AS told
			UNION SELECT order_id FROM (SELECT order_id FROM order_view
				WHERE generation = $2 AND order_id > $3 ORDER BY order_id LIMIT $4) AS seen) AS known
		LEFT JOIN order_view v ON v.generation = $2 AND v.order_id = known.order_id
		ORDER BY known.order_id LIMIT $4`, position, generation, after, verifyPage))
	if err != nil || len(page) == 0 {
		return nil, nil, err
	}
	es, err := readEvents(q.QueryContext(ctx, selectEvents+` WHERE position <= $1
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
