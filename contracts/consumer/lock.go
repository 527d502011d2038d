package consumer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"msctl.dev/msctl/contracts"
)

// lock waits until no other run uses the cache: a binary that is replaced cannot be run.
func (r Runner) lock(ctx context.Context) (release func(), err error) {
	if err := os.MkdirAll(r.Cache, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for test binaries: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(r.Cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the test binaries: %w", err)
	}
	if err := contracts.Lock(ctx, f); err != nil {
		f.Close()
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("lock the test binaries: %w", err)
	}
	return func() { f.Close() }, nil
}
