//go:build !unix

package ledger

import "context"

// lock does nothing where folders cannot be locked.
func lock(context.Context, string) (free func(), err error) { return func() {}, nil }
