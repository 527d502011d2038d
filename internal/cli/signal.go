package cli

import (
	"context"
	"os"
	"sync"
	"syscall"
)

// signalled is why a command ended: a signal asked for it.
type signalled struct{ sig os.Signal }

func (s *signalled) Error() string { return "ended by " + s.sig.String() }

// code is the exit code that shells expect.
func (s *signalled) code() int {
	switch s.sig {
	case syscall.SIGHUP:
		return exitHangup
	case syscall.SIGTERM:
		return exitTerminated
	case syscall.SIGQUIT:
		return exitQuit
	}
	return exitInterrupt
}

// interrupts turns signals into the end of a command: the first cancels it, the second says at once.
type interrupts struct {
	again  chan struct{} // closed by the second signal
	cancel context.CancelCauseFunc
	quit   chan struct{}
	wg     sync.WaitGroup
}

// watchSignals cancels the returned context with a [signalled] cause at the first signal.
func watchSignals(ctx context.Context, signals <-chan os.Signal) (context.Context, *interrupts) {
	ctx, cancel := context.WithCancelCause(ctx)
	in := &interrupts{again: make(chan struct{}), cancel: cancel, quit: make(chan struct{})}
	in.wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case sig := <-signals:
				if n == 0 {
					cancel(&signalled{sig})
				}
				if n == 1 {
					close(in.again)
				}
			case <-in.quit:
				return
			}
		}
	})
	return ctx, in
}

func (in *interrupts) stop() {
	close(in.quit)
	in.wg.Wait()
	in.cancel(nil)
}
