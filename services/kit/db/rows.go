package db

import (
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// Row is one row of an answer.
type Row interface{ Scan(dest ...any) error }

// Collect returns a function that reads every row of an answer by scan, and closes it. It takes what a
// query returns, and a list without rows is empty, not nil:
//
//	items, err := db.Collect(scanItem)(tx.QueryContext(ctx, query))
func Collect[T any](scan func(Row) (T, error)) func(*sql.Rows, error) ([]T, error) {
	return func(rows *sql.Rows, err error) ([]T, error) {
		if err != nil {
			return nil, fmt.Errorf("read rows: %w", err)
		}
		defer rows.Close()
		list := []T{}
		for rows.Next() {
			v, err := scan(rows)
			if err != nil {
				return nil, fmt.Errorf("read row: %w", err)
			}
			list = append(list, v)
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("read rows: %w", err)
		}
		return list, nil
	}
}

// In returns placeholders from $1 on, as they stand behind IN, and the values as their arguments.
func In[T any](values []T) (places string, args []any) {
	names := make([]string, len(values))
	for i, v := range values {
		names[i], args = "$"+strconv.Itoa(i+1), append(args, v)
	}
	return "(" + strings.Join(names, ", ") + ")", args
}

// Changed returns how many rows a statement changed. It takes what Exec returns.
func Changed(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
