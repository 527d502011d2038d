package verify

import (
	"context"
	"encoding/json"
	"fmt"

	"msctl.dev/msctl/internal/database"
)

// sql runs statements in one transaction. Parameters are bound, never written into the text.
func (t *Target) sql(ctx context.Context, a Action, p params) error {
	where, err := t.resource(a.SQL)
	if err != nil {
		return err
	}
	db, dialect, err := database.Open(where, a.Schema)
	if err != nil {
		return fmt.Errorf("open %s: %w", a.SQL, err)
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open %s: %w", a.SQL, err)
	}
	defer tx.Rollback()
	for _, statement := range a.Run {
		text, args, err := bind(dialect, statement, p)
		if err != nil {
			return fmt.Errorf("sql %s: %w", a.SQL, err)
		}
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return fmt.Errorf("sql %s: %w", a.SQL, err)
		}
	}
	return tx.Commit()
}

// bind turns each {name} into a mark and an argument.
func bind(d database.Dialect, statement string, p params) (string, []any, error) {
	give := asValue
	if d.Typed {
		give = asText
	}
	var args []any
	text, err := p.replace(statement, func(v any) string {
		args = append(args, give(v))
		return d.Mark(len(args))
	})
	return text, args, err
}

// asValue gives numbers as numbers, and objects as JSON.
func asValue(v any) any {
	n, ok := v.(json.Number)
	if !ok {
		switch v.(type) {
		case map[string]any, []any:
			return words(v)
		}
		return v
	}
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return f
}

// asText gives everything but nothing as text.
func asText(v any) any {
	if v == nil {
		return nil
	}
	return words(v)
}
