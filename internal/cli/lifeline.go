package cli

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// lifelineFile is the number of the open file by which the background half of `up` at a terminal knows
// that the one in front lives. When it closes, the fleet goes down; a byte before sets it free.
const lifelineFile = 4

// keepPrivate lets nothing that is started inherit the files that the two halves talk over.
func keepPrivate() {
	syscall.CloseOnExec(launchFile)
	syscall.CloseOnExec(lifelineFile)
}

// holdLifeline cancels when the half in front ends without having said that the fleet stays. It notes in
// freed that it did say so.
func holdLifeline(cancel context.CancelCauseFunc, freed *atomic.Bool) (stop func()) {
	syscall.SetNonblock(lifelineFile, true) // so that Close ends a Read
	line := os.NewFile(lifelineFile, "lifeline")
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		n, _ := line.Read(make([]byte, 1))
		freed.Store(n > 0)
		select {
		case <-done:
		default:
			if n == 0 {
				cancel(&signalled{syscall.SIGHUP})
			}
		}
	})
	return func() { close(done); line.Close(); wg.Wait() }
}
