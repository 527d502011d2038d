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

// store keeps users. Every change and the event that tells of it are one transaction.
type store struct{ db *db.DB }

const columns = `id, name, language, channels, version, created_at, updated_at`

// create adds a user. An id that is taken is a conflict.
func (s store) create(ctx context.Context, id string, p Profile) (User, error) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	u := User{ID: id, Version: 1, CreatedAt: now, UpdatedAt: now}
	u.Name, u.Language, u.Channels = p.Name, p.Language, p.Channels
	err := s.write(ctx, u, func(tx *db.Tx, ways string) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO users (`+columns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			u.ID, u.Name, u.Language, ways, u.Version, u.CreatedAt, u.UpdatedAt)
		if db.Duplicate(err) {
			return kit.Conflict("user %q is there already", id)
		}
		return err
	})
	return u, err
}

// update replaces a user's profile. ifVersion 0 replaces whichever version is there; another is
// refused when it is not the current one.
func (s store) update(ctx context.Context, id string, p Profile, ifVersion int64) (User, error) {
	u, err := s.user(ctx, id)
	if err != nil {
		return User{}, err
	}
	if ifVersion != 0 && ifVersion != u.Version {
		return User{}, changed(id, u.Version)
	}
	before := u.Version
	u.Name, u.Language, u.Channels = p.Name, p.Language, p.Channels
	u.Version, u.UpdatedAt = before+1, time.Now().UTC().Truncate(time.Microsecond)
	return u, s.write(ctx, u, func(tx *db.Tx, ways string) error {
		res, err := tx.ExecContext(ctx, `UPDATE users SET name = $1, language = $2, channels = $3,
			version = $4, updated_at = $5 WHERE id = $6 AND version = $7`,
			u.Name, u.Language, ways, u.Version, u.UpdatedAt, id, before)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return changed(id, before) // somebody was quicker
	})
}

func changed(id string, version int64) error {
	return kit.Errorf(http.StatusPreconditionFailed, "changed",
		"user %q was changed meanwhile, from version %d", id, version)
}

// write runs change and publishes u in one transaction.
func (s store) write(ctx context.Context, u User, change func(tx *db.Tx, ways string) error) error {
	ways, err := json.Marshal(u.Channels)
	if err != nil {
		return err
	}
	event, err := updated(ctx, u)
	if err != nil {
		return err
	}
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		if err := change(tx, string(ways)); err != nil {
			return err
		}
		return tx.Publish(ctx, event)
	})
	if err != nil {
		return fmt.Errorf("write user %s: %w", u.ID, err)
	}
	return nil
}

// user returns the user of that id, or a 404 problem.
func (s store) user(ctx context.Context, id string) (User, error) {
	u, err := scan(s.db.QueryRowContext(ctx, `SELECT `+columns+` FROM users WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, kit.NotFound("there is no user %q", id)
	}
	return u, err
}

// users returns up to limit users in the order of their ids, from the one behind after.
func (s store) users(ctx context.Context, after string, limit int) ([]User, error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT `+columns+` FROM users WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	defer rows.Close()
	list := []User{}
	for rows.Next() {
		u, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return list, rows.Err()
}

func scan(row interface{ Scan(...any) error }) (User, error) {
	var u User
	var ways string
	err := row.Scan(&u.ID, &u.Name, &u.Language, &ways, &u.Version, &u.CreatedAt, &u.UpdatedAt)
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	u.CreatedAt, u.UpdatedAt = u.CreatedAt.UTC(), u.UpdatedAt.UTC()
	if err := json.Unmarshal([]byte(ways), &u.Channels); err != nil {
		return User{}, fmt.Errorf("read channels of user %s: %w", u.ID, err)
	}
	return u, nil
}
