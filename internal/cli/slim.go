package cli

import (
	"context"
	"runtime/debug"
	"time"
)

// slim gives back, once nothing of the fleet is on its way any more, the memory that only the start
// needed: free pages of the heap, and pages of the program that may never be read again.
func (s *supervisor) slim(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.ended:
			return
		case <-t.C:
		}
		if now := (&ascent{last: s.fleet.Snapshot()}); now.settled() {
			debug.FreeOSMemory()
			if err := unmapProgram(); err != nil {
				s.log.Debug("program not unmapped", "err", err)
			}
			return
		}
	}
}
