package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	usersv1 "msctl.dev/msctl/services/proto/shop/users/v1"
)

// learnFor is how long placing an order waits for a user's name. Orders go on without.
const learnFor = 300 * time.Millisecond

// named is an order with its user's name as the copy has it, "" where that is not known.
type named struct {
	Order
	user string
}

// name returns a user's name from the copy, and whether it is there.
func name(ctx context.Context, q querier, user string) (name string, known bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT name FROM names WHERE user_id = $1`, user).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read name of user %s: %w", user, err)
	}
	return name, true, nil
}

// rename takes a name into the copy, unless what is there is as new. Events may come out of order.
func (s store) rename(ctx context.Context, user, name string, version int64) error {
	_, err := s.exec(ctx, `INSERT INTO names (user_id, name, version) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, version = excluded.version
		WHERE names.version < excluded.version`, user, name, version)
	if err != nil {
		return fmt.Errorf("rename user %s: %w", user, err)
	}
	return nil
}

// learn asks users for a name that the copy lacks. That users does not answer is no reason to fail:
// the name comes with the next user.updated.
func (s store) learn(ctx context.Context, users usersv1.UsersServiceClient, id string) error {
	if _, known, err := name(ctx, s.db, id); err != nil || known {
		return err
	}
	call, cancel := context.WithTimeout(ctx, learnFor)
	defer cancel()
	out, err := users.BatchGet(call, &usersv1.BatchGetRequest{Ids: []string{id}})
	if err != nil {
		s.log.WarnContext(ctx, "name not known", "user", id, "err", err)
		return nil
	}
	for _, u := range out.GetUsers() {
		if err := s.rename(ctx, u.GetId(), u.GetName(), u.GetVersion()); err != nil {
			return err
		}
	}
	return nil
}
