package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"msctl.dev/msctl/internal/driver"
)

// keep watches the container to its end, or stops it when ctx ends.
func (r *run) keep(ctx context.Context) (driver.Exit, error) {
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	logged := r.follow(watching)
	ended := make(chan ending, 1)
	go func() { ended <- r.wait(watching) }()

	e, asked := r.hold(ctx, ended)
	if asked {
		if errors.Is(context.Cause(ctx), driver.ErrDetach) {
			cancel()
			<-ended
			logged(nil)
			return driver.Exit{}, driver.ErrDetach
		}
		e = r.stop(watching, context.Cause(ctx), ended)
	}
	logged(r.impatient(ctx))
	return r.finish(watching, e, asked)
}

// hold passes on what the log has to say until the container has ended or ctx asks for it.
func (r *run) hold(ctx context.Context, ended <-chan ending) (e ending, asked bool) {
	for {
		select {
		case e := <-ended:
			return e, false
		case <-ctx.Done():
			return e, true
		case text := <-r.log.news:
			r.log.tell(text)
		}
	}
}

// follow starts to store the container's output. The function that it returns is called when the container
// has ended: it waits until all was stored, or not for long once hurry is closed.
func (r *run) follow(ctx context.Context) (logged func(hurry <-chan struct{})) {
	reading, cancel := context.WithCancel(ctx)
	gone, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); r.log.follow(reading, r.l.cli, r.id, gone) }()
	return func(hurry <-chan struct{}) {
		defer cancel()
		close(gone)
		select {
		case <-done:
			return
		case <-hurry:
		}
		enough := time.NewTimer(lastWait)
		defer enough.Stop()
		select {
		case <-done:
		case <-enough.C:
			cancel()
			<-done
		}
	}
}

// impatient is closed when nobody wants to wait for the last lines of output.
func (r *run) impatient(ctx context.Context) <-chan struct{} {
	if errors.Is(context.Cause(ctx), driver.ErrKill) {
		now := make(chan struct{})
		close(now)
		return now
	}
	return r.h.Hurry
}

// finish removes the container and says how it ended. An engine that has just gone, and has taken the
// container with it, is waited for.
func (r *run) finish(ctx context.Context, e ending, asked bool) (driver.Exit, error) {
	if e.err == nil && !asked {
		e.err = r.d.await(ctx, r.l)
	}
	if e.err == nil || errors.Is(e.err, errGone) {
		if err := remove(ctx, r.l.cli, r.id); err != nil && e.err == nil {
			e.err = err
		}
		r.d.tellReaper("-" + r.id)
	}
	if e.err != nil {
		return driver.Exit{Asked: asked, At: time.Now()}, fmt.Errorf("run %s: %w", r.u.Name, e.err)
	}
	exit := exitOf(e.state)
	exit.Asked = asked
	return exit, nil
}

// ending is how a container ended, or why that is not known.
type ending struct {
	state *container.State
	err   error
}

// errGone says that somebody else removed the container.
var errGone = errors.New("its container was removed by another program")

// wait blocks until the container has ended. It outlives the engine: a lost connection is taken up again,
// and the container looked at anew, until ctx ends.
func (r *run) wait(ctx context.Context) ending {
	for {
		body, failed := r.l.cli.ContainerWait(ctx, r.id, container.WaitConditionNotRunning)
		select {
		case <-body:
		case err := <-failed:
			if ctx.Err() != nil {
				return ending{err: ctx.Err()}
			}
			if errdefs.IsNotFound(err) {
				return ending{err: errGone}
			}
		}
		state, err := r.look(ctx)
		switch {
		case err == nil && !state.Running:
			return ending{state: state}
		case errdefs.IsNotFound(err):
			return ending{err: errGone}
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return ending{err: err}
		}
	}
}

func (r *run) look(ctx context.Context) (*container.State, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := r.l.cli.ContainerInspect(ctx, r.id)
	if err != nil {
		return nil, err
	}
	return c.State, nil
}
