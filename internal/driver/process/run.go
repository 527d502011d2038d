package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
)

// overtime is what a keeper gets beyond the grace before it counts as hung.
const overtime = 3 * time.Second

// run is one run of a unit, seen from its supervisor.
type run struct {
	d       *Driver
	spec    keeper.Spec
	rec     keeper.Record
	id      keeper.Identity // the keeper
	adopted bool
	child   bool // the keeper is a child of this process and must be reaped
	end     *ending

	conn     net.Conn            // nil where it is adopted
	messages chan keeper.Message // closed at the end of the conversation; nil where it is adopted
	leave    chan struct{}       // closed by close
	left     sync.Once
	tasks    sync.WaitGroup
}

// close ends the conversation. The keeper goes on, unless its unit is ephemeral.
func (r *run) close() {
	r.left.Do(func() {
		close(r.leave)
		if r.conn != nil {
			r.conn.Close()
		}
		r.end.close()
		r.tasks.Wait()
	})
}

// follow waits for the end of the run, and brings it about when ctx is cancelled.
func (r *run) follow(ctx context.Context, h driver.Hooks) (driver.Exit, error) {
	done := make(chan error, 1)
	r.tasks.Go(func() { done <- r.end.wait() })
	var (
		cancelled = ctx.Done()
		hurry     <-chan struct{}
		late      <-chan time.Time
		messages  = r.messages
	)
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				messages = nil
				continue
			}
			r.hear(m, h)
		case <-cancelled:
			cause := context.Cause(ctx)
			if errors.Is(cause, driver.ErrDetach) {
				return driver.Exit{}, cause
			}
			cancelled, hurry = nil, h.Hurry
			late = time.After(r.ask(cause, h))
		case <-hurry:
			hurry = nil
			r.id.Send(unix.SIGUSR1)
			late = time.After(overtime)
		case <-late:
			r.id.Send(unix.SIGKILL) // hung or stopped: settle sweeps after it
		case err := <-done:
			if err != nil {
				return driver.Exit{}, fmt.Errorf("follow %s: %w", r.spec.Unit, err)
			}
			return r.settle(ctx, h)
		}
	}
}

// ask tells the keeper to end the unit and returns how long that may take.
func (r *run) ask(cause error, h driver.Hooks) time.Duration {
	if errors.Is(cause, driver.ErrKill) {
		r.id.Send(unix.SIGUSR1)
		return overtime
	}
	r.d.cease(func(_, unit string) bool { return unit == r.spec.Unit }) // what is stopped cannot answer
	r.id.Send(unix.SIGTERM)
	if h.Stopping != nil {
		h.Stopping()
	}
	return r.spec.Grace + overtime
}

// hear takes in what the keeper said.
func (r *run) hear(m keeper.Message, h driver.Hooks) {
	switch {
	case m.Ended != nil:
		r.rec = *m.Ended
	case m.Notice != "" && h.Notice != nil:
		h.Notice(m.Notice)
	case m.Killed > 0 && h.Killed != nil:
		h.Killed(m.Killed)
	}
}

// settle finds out how the run ended, after its keeper did. The record stays until the next run or a
// sweep: another supervisor may be waiting for it.
func (r *run) settle(ctx context.Context, h driver.Hooks) (driver.Exit, error) {
	r.reap()
	if r.messages != nil {
		for m := range r.messages { // what it said before its end
			r.hear(m, h)
		}
	}
	if r.rec.Exit == nil {
		rec, err := keeper.ReadRecord(keeper.RecordPath(r.d.RunDir, r.spec.Unit))
		if err != nil || rec.Keeper != r.rec.Keeper || rec.Exit == nil {
			return r.lost(ctx, h)
		}
		r.rec = rec
		if rec.Exit.Killed > 0 && h.Killed != nil {
			h.Killed(rec.Exit.Killed)
		}
	}
	return exit(*r.rec.Exit), nil
}

func exit(e keeper.Exit) driver.Exit {
	return driver.Exit{Code: e.Code, Signal: e.Signal, OOM: e.OOM, Asked: e.Asked, At: e.At}
}

// lost ends what a keeper left that was killed itself. For the supervisor the unit was killed.
func (r *run) lost(ctx context.Context, h driver.Hooks) (driver.Exit, error) {
	asked := ctx.Err() != nil
	n, err := r.d.sweepUnit(context.WithoutCancel(ctx), r.spec.Unit, r.rec)
	if err != nil {
		return driver.Exit{}, fmt.Errorf("sweep %s: %w", r.spec.Unit, err)
	}
	if h.Notice != nil {
		h.Notice(fmt.Sprintf("the keeper of %s was killed; %d processes that it left were ended", r.spec.Unit, n))
	}
	return driver.Exit{Signal: "KILL", Asked: asked, At: time.Now()}, nil
}
