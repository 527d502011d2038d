package main

import (
	"context"

	"msctl.dev/msctl/services/kit"
)

// userUpdated is the key of the event that a user was made or changed. Its body is the whole [User];
// whoever keeps a copy ignores a version that is not above the one that they have.
const userUpdated = "user.updated"

func updated(ctx context.Context, u User) (kit.Message, error) {
	return kit.NewEvent(ctx, userUpdated, u)
}
