package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/tui"
)

// onScreen reports that `up` shows the dashboard: at a terminal, unless lines are asked for.
func (a *App) onScreen(o *upOptions) bool {
	return !o.plain && !o.json && !o.daemon && !o.detach && o.timeout == 0 && a.canDraw()
}

// upScreen brings the stack up under the dashboard. The fleet runs in a process of its own, so that it can
// stay when the user leaves, and so that nothing that happens to the screen happens to it. It ends with
// this process unless the user says that it stays.
func (a *App) upScreen(ctx context.Context, p place, o *upOptions) error {
	c, err := control.Dial(ctx, p.socket())
	if err == nil {
		defer c.Close()
		return a.joinScreen(ctx, p, c, o)
	}
	if !errors.Is(err, control.ErrNotRunning) {
		_, err = p.connect(ctx)
		return err
	}
	child, words, line, err := a.spawnBehind(p, o)
	if err != nil {
		return err
	}
	defer line.Close()
	c, ours, err := a.awaitSocket(ctx, p, child, words)
	if err != nil {
		return err
	}
	defer c.Close()
	if !ours {
		return a.joinScreen(ctx, p, c, o)
	}
	d, err := a.dashboard(ctx, p, c)
	if err != nil {
		return err
	}
	b := &backHalf{app: a, place: p, child: child, words: words, line: line}
	d.Asks, d.EndWithFleet, d.Interrupt = true, true, b.interrupt
	outcome, err := tui.Run(ctx, d.source, d.Options)
	return b.end(ctx, outcome, err)
}

// spawnBehind starts the background half with a lifeline to this process.
func (a *App) spawnBehind(p place, o *upOptions) (*exec.Cmd, <-chan error, *os.File, error) {
	held, line, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("make lifeline: %w", err)
	}
	defer held.Close()
	o.lifeline = true
	child, words, err := a.spawn(p, o, held)
	if err != nil {
		line.Close()
		return nil, nil, nil, err
	}
	return child, words, line, nil
}

// joinScreen shows a fleet that another `up` runs, and starts what this one names.
func (a *App) joinScreen(ctx context.Context, p place, c *control.Client, o *upOptions) error {
	lacks, err := a.lacks(ctx, c, o)
	if err != nil {
		return err
	}
	if err := a.join(ctx, c, o); err != nil {
		return err
	}
	if err := a.look(ctx, p, c, a.aimed(strings.Join(lacks, "; "))); err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "left; the fleet that was up already (pid %d) stays as it is\n", c.Info().PID)
	return nil
}

// backHalf is the half of `up` that runs the fleet, as the half in front sees it.
type backHalf struct {
	app   *App
	place place
	child *exec.Cmd
	words <-chan error
	line  *os.File
}

// interrupt asks for the end; the second time it kills.
func (b *backHalf) interrupt() { b.child.Process.Signal(os.Interrupt) }

// end does with the fleet what the user said when the dashboard was left.
func (b *backHalf) end(ctx context.Context, outcome tui.Outcome, err error) error {
	var crash *tui.Crash
	switch {
	case errors.As(err, &crash), outcome == tui.Detach && err == nil:
		return b.detach(err)
	case ctx.Err() != nil:
		return b.down(signalOf(context.Cause(ctx)), context.Cause(ctx))
	case err != nil: // the terminal is gone
		return b.down(syscall.SIGHUP, &signalled{syscall.SIGHUP})
	case outcome == tui.Interrupted:
		return b.down(nil, &signalled{os.Interrupt})
	}
	return b.down(nil, nil)
}

// detach lets the fleet run on without this process.
func (b *backHalf) detach(err error) error {
	if _, err := b.line.Write([]byte{'d'}); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	if err != nil {
		return b.app.dashEnd(b.place, err)
	}
	fmt.Fprintln(b.app.Err, b.app.aimed("detached: it runs on; `msctl dash` shows it, `msctl down` ends it"))
	return nil
}

// down waits until the fleet has ended, after a signal where that did not begin its end. A second signal
// to this process hurries it.
func (b *backHalf) down(sig os.Signal, verdict error) error {
	if sig != nil {
		b.child.Process.Signal(sig)
	}
	again := b.app.interval.again
	for {
		select {
		case said := <-b.words:
			var coded *codedError
			if errors.As(said, &coded) && coded.code < exitHangup {
				return said
			}
			fmt.Fprintln(b.app.Err, "down: nothing is left running")
			return verdict
		case <-again:
			again = nil
			b.child.Process.Signal(syscall.SIGTERM)
		}
	}
}

// signalOf is the signal that a cause is about.
func signalOf(cause error) os.Signal {
	var s *signalled
	if errors.As(cause, &s) {
		return s.sig
	}
	return syscall.SIGTERM
}
