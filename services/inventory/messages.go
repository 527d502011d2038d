package main

import (
	"context"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// stockChanged is the key of the event that an item's stock changed. Its body is the whole [Level];
// whoever keeps a copy ignores a version that is not above the one that they have.
const stockChanged = "stock.changed"

// tell publishes that l is new, if and only if the transaction commits.
func tell(ctx context.Context, tx *db.Tx, l Level) error {
	m, err := kit.NewEvent(ctx, stockChanged, l)
	if err != nil {
		return err
	}
	return tx.Publish(ctx, m)
}
