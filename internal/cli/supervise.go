package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/fleet"
	"msctl.dev/msctl/internal/stack"
)

// supervisor is the fleet of one place in this process, with its socket and its log.
type supervisor struct {
	app    *App
	place  place
	opts   *upOptions
	fleet  *fleet.Fleet
	parts  parts
	log    *slog.Logger
	ended  chan struct{} // closed when the fleet has ended
	result control.Ended // set before ended is closed

	recorder *recorder
	receiver *receiving // nil: telemetry is off

	freed   atomic.Bool                 // the half in front has left it running
	masking atomic.Pointer[fleet.Fleet] // set once it is made
}

// mask hides the secrets of the fleet. Before it is made, nothing that is logged knows any.
func (s *supervisor) mask(text string) string {
	if f := s.masking.Load(); f != nil {
		return f.Mask(text)
	}
	return text
}

// tell shows something about msctl itself, once there is a fleet that somebody may look at.
func (s *supervisor) tell(text string) {
	if f := s.masking.Load(); f != nil {
		f.Notice(text)
	}
}

// supervise runs the fleet until a signal, `down` or an error ends it, with the lock held.
func (a *App) supervise(ctx context.Context, p place, st *stack.Stack, l *lock, o *upOptions) error {
	file, err := openLog(p.log())
	if err != nil {
		return err
	}
	defer file.Close()
	s := &supervisor{app: a, place: p, opts: o, ended: make(chan struct{})}
	masked := &maskedWriter{w: &anxious{w: file, tell: s.tell}, mask: s.mask}
	s.log = slog.New(slog.NewTextHandler(masked, nil))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer onQuit(masked, cancel)()
	if o.lifeline {
		defer holdLifeline(cancel, &s.freed)()
	}
	if s.parts, err = a.parts(ctx, p, st, o, s.log); err != nil {
		return err
	}
	s.recorder = newRecorder(s.mask)
	if s.parts.options.Telemetry {
		s.parts.options.Record = s.recorder.record
	}
	if s.parts.options.Container != nil {
		if err := os.WriteFile(containersMark(p), nil, 0o600); err != nil {
			return fmt.Errorf("note the use of containers: %w", err)
		}
	}
	if s.fleet, err = fleet.New(s.parts.options); err != nil {
		return err
	}
	s.masking.Store(s.fleet)
	ln, err := control.Listen(p.newSocket())
	if err != nil {
		return err
	}
	if err := l.sign(holder{PID: os.Getpid(), Socket: p.newSocket()}); err != nil {
		ln.Close()
		return err
	}
	if s.receiver, err = s.receive(); err != nil {
		ln.Close()
		return err
	}
	return s.run(ctx, cancel, &control.Server{
		Fleet: s.fleet,
		Info:  control.Info{Version: version(), PID: os.Getpid(), Started: time.Now(), Detached: o.daemon && !o.lifeline, Watch: o.watch},
		Freed: s.freed.Load,
		Ended: s.awaitEnd,
		Log:   s.log,
		Mask:  s.mask,
	}, func(ctx context.Context, srv *control.Server) error { return srv.Serve(ctx, ln) })
}

// run runs fleet, server and screen together; the fleet's end ends the others.
func (s *supervisor) run(ctx context.Context, cancel context.CancelCauseFunc, srv *control.Server, serve func(context.Context, *control.Server) error) error {
	var others sync.WaitGroup
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	live, dead := context.WithCancel(context.WithoutCancel(ctx))
	defer dead()
	if s.receiver != nil {
		srv.Ask = s.receiver.ask
		s.receiver.run(serving, s)
	}
	others.Go(func() {
		if err := serve(serving, srv); err != nil {
			s.log.Error("control ended", "err", err)
		}
	})
	others.Go(func() {
		select {
		case <-s.app.interval.again:
			s.fleet.Kill()
		case <-s.ended:
		}
	})
	others.Go(func() { s.slim(serving) })
	shown := make(chan error, 1)
	go func() { shown <- s.show(ctx, live, cancel) }()
	err := s.fleet.Run(ctx)
	s.receiver.stop()
	s.finish(err)
	dead()
	err = errors.Join(err, <-shown)
	stopServing()
	others.Wait()
	return s.verdict(ctx, err)
}

// finish counts what is left, after which `down` is answered.
func (s *supervisor) finish(err error) {
	left, swept := s.parts.sweep(context.Background(), false)
	s.result.Left = left
	if err = errors.Join(err, swept); err != nil {
		s.result.Error = err.Error()
	} else if left == 0 {
		os.Remove(containersMark(s.place))
	}
	close(s.ended)
}

func (s *supervisor) awaitEnd(ctx context.Context) (control.Ended, error) {
	select {
	case <-s.ended:
		return s.result, nil
	case <-ctx.Done():
		return control.Ended{}, ctx.Err()
	}
}

// verdict says how the supervisor ended, and what the process exits with.
func (s *supervisor) verdict(ctx context.Context, err error) error {
	if s.result.Left > 0 {
		return failed("`msctl down` tries again", "take %s down: %d processes or containers are left", s.place.dir, s.result.Left)
	}
	if !s.opts.daemon {
		fmt.Fprintln(s.app.Err, "down: nothing is left running")
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// show is what the user sees of the fleet; a daemon has nobody who looks.
func (s *supervisor) show(ctx, live context.Context, cancel context.CancelCauseFunc) error {
	if s.opts.daemon {
		return nil
	}
	v := &foreground{app: s.app, place: s.place, opts: s.opts, source: here{s.fleet},
		mask: func(b []byte) []byte { return []byte(s.fleet.Mask(string(b))) }, keys: s.app.keys(foregroundKeys), begun: time.Now()}
	defer context.AfterFunc(ctx, v.stopping)()
	err := v.run(live)
	if err != nil {
		cancel(err) // nobody can see it any more, or it did not come up in time
	}
	return nil
}

// onQuit makes SIGQUIT write every goroutine to the log and stop the fleet.
func onQuit(log io.Writer, cancel context.CancelCauseFunc) (stop func()) {
	quit, restore := quits()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case sig := <-quit:
			buf := make([]byte, 4<<20)
			log.Write(buf[:runtime.Stack(buf, true)])
			cancel(&signalled{sig})
		case <-done:
		}
	})
	return func() { restore(); close(done); wg.Wait() }
}

// maxLog is the size at which msctl.log is begun anew, with the old one kept beside it.
const maxLog = 8 << 20

// openLog opens msctl.log for appending; only this user can read it.
func openLog(path string) (*os.File, error) {
	if fi, err := os.Lstat(path); err == nil && fi.Size() > maxLog {
		os.Rename(path, path+".old")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of msctl: %w", err)
	}
	return f, nil
}
