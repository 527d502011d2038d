package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// store keeps every version of every template.
type store struct{ db *db.DB }

// put adds a version with that content.
func (s store) put(ctx context.Context, id string, c Content) (Template, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return Template{}, err
	}
	t := Template{ID: id, Variables: c.variables(), Content: c,
		CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, `INSERT INTO templates (id, version, content, created_at)
			SELECT CAST($1 AS TEXT), COALESCE(MAX(version), 0) + 1, CAST($2 AS TEXT), $3
			FROM templates WHERE id = $1 RETURNING version`,
			id, string(data), t.CreatedAt).Scan(&t.Version)
	})
	if db.Duplicate(err) {
		return Template{}, kit.Conflict("template %q is being changed by somebody else", id)
	}
	if err != nil {
		return Template{}, fmt.Errorf("write template %s: %w", id, err)
	}
	return t, nil
}

const columns = `id, version, content, created_at`

// template returns a version, 0 for the newest, or a 404 problem.
func (s store) template(ctx context.Context, id string, version int64) (Template, error) {
	t, err := scan(s.db.QueryRowContext(ctx, `SELECT `+columns+` FROM templates
		WHERE id = $1 AND (version = $2 OR $2 = 0) ORDER BY version DESC LIMIT 1`, id, version))
	if errors.Is(err, sql.ErrNoRows) && version != 0 {
		return Template{}, kit.NotFound("there is no version %d of template %q", version, id)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return Template{}, kit.NotFound("there is no template %q", id)
	}
	return t, err
}

// versions returns all versions of a template, newest first.
func (s store) versions(ctx context.Context, id string) ([]Template, error) {
	return s.list(ctx, `SELECT `+columns+` FROM templates WHERE id = $1 ORDER BY version DESC`, id)
}

// newest returns up to limit templates, each in its newest version, from the id behind after.
func (s store) newest(ctx context.Context, after string, limit int) ([]Template, error) {
	return s.list(ctx, `SELECT `+columns+` FROM templates AS t
		WHERE id > $1 AND version = (SELECT MAX(version) FROM templates WHERE id = t.id)
		ORDER BY id LIMIT $2`, after, limit)
}

func (s store) list(ctx context.Context, query string, args ...any) ([]Template, error) {
	list, err := db.Collect(scan)(s.db.QueryContext(ctx, query, args...))
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	return list, nil
}

func scan(row db.Row) (Template, error) {
	var t Template
	var content string
	if err := row.Scan(&t.ID, &t.Version, &content, &t.CreatedAt); err != nil {
		return Template{}, fmt.Errorf("read template: %w", err)
	}
	if err := json.Unmarshal([]byte(content), &t.Content); err != nil {
		return Template{}, fmt.Errorf("read content of template %s: %w", t.ID, err)
	}
	t.CreatedAt, t.Variables = t.CreatedAt.UTC(), t.variables()
	return t, nil
}
