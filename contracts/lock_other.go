//go:build !unix

package contracts

import (
	"context"
	"os"
)

// Lock does nothing where files cannot be locked.
func Lock(context.Context, *os.File) error { return nil }
