package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// store keeps users. Every change and the event that tells of it are one transaction.
type store struct{ db *db.DB }

const columns = `id, name, language, channels, version, created_at, updated_at`

// create adds a user. An id that is taken is a conflict.
func (s store) create(ctx context.Context, id string, p Profile) (User, error) {
	u, err := s.write(ctx, p, `INSERT INTO users
		(name, language, channels, updated_at, id, version, created_at)
		VALUES ($1, $2, $3, $4, $5, 1, $4) RETURNING `+columns, id)
	if db.Duplicate(err) {
		return User{}, kit.Conflict("user %q is there already", id)
	}
	return u, err
}

// update replaces a user's profile. ifVersion 0 replaces whichever version is there; another is
// refused when it is not the current one.
func (s store) update(ctx context.Context, id string, p Profile, ifVersion int64) (User, error) {
	u, err := s.write(ctx, p, `UPDATE users
		SET name = $1, language = $2, channels = $3, updated_at = $4, version = version + 1
		WHERE id = $5 AND CAST($6 AS BIGINT) IN (0, version) RETURNING `+columns, id, ifVersion)
	if !errors.Is(err, sql.ErrNoRows) {
		return u, err
	}
	if u, err = s.user(ctx, id); err != nil {
		return User{}, err
	}
	return User{}, kit.Errorf(http.StatusPreconditionFailed, "changed",
		"user %q is of version %d", id, u.Version)
}

// write runs a statement that changes one user and returns it, and tells others, in one
// transaction. The statement's first arguments are the profile's.
func (s store) write(ctx context.Context, p Profile, query string, more ...any) (User, error) {
	ways, err := json.Marshal(p.Channels)
	if err != nil {
		return User{}, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	args := append([]any{p.Name, p.Language, string(ways), now}, more...)
	var u User
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		if u, err = scan(tx.QueryRowContext(ctx, query, args...)); err != nil {
			return err
		}
		event, err := updated(ctx, u)
		if err != nil {
			return err
		}
		return tx.Publish(ctx, event)
	})
	return u, err
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
	list, err := db.Collect(scan)(s.db.QueryContext(ctx,
		`SELECT `+columns+` FROM users WHERE id > $1 ORDER BY id LIMIT $2`, after, limit))
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return list, nil
}

// batch returns those of the ids that there are, each once, in the order asked.
func (s store) batch(ctx context.Context, ids []string) ([]User, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	places, args := db.In(ids)
	found, err := db.Collect(scan)(s.db.QueryContext(ctx, `SELECT `+columns+` FROM users WHERE id IN `+places, args...))
	if err != nil {
		return nil, fmt.Errorf("read %d users: %w", len(ids), err)
	}
	slices.SortFunc(found, func(a, b User) int {
		return slices.Index(ids, a.ID) - slices.Index(ids, b.ID)
	})
	return found, nil
}

func scan(row db.Row) (User, error) {
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
