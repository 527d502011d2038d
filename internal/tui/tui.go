package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Options is how the dashboard is shown.
type Options struct {
	In      io.Reader
	Out     io.Writer
	Environ []string
	Since   time.Time // output before is not fetched

	// Asks makes leaving a question: whether the fleet stays. Without it q just leaves.
	Asks bool
	// EndWithFleet leaves when the fleet ends; else the last state stays to be looked at.
	EndWithFleet bool
	// Interrupt is told of each Ctrl-C where leaving asks; the dashboard stays to show the way down.
	Interrupt func()
	// Notice is said at the foot of the first screen, until a key is pressed; "" is nothing.
	Notice string
	// Browse opens a page; nil shows its address.
	Browse func(ctx context.Context, url string) error

	changed func(m *model) // tests: what is different before the first frame
}

// Outcome is how the user left.
type Outcome int

// The ways to leave.
const (
	Left        Outcome = iota // or the fleet ended, or ctx
	Detach                     // the fleet stays
	Down                       // the fleet goes down
	Interrupted                // it goes down: Ctrl-C
)

// Run shows the dashboard until the user leaves, ctx ends, or, where Options says so, the fleet does. All
// that it started has ended when it returns, and the terminal is as it was. A *Crash says that the
// dashboard broke.
func Run(ctx context.Context, s Source, o Options) (Outcome, error) {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return Left, err
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	f := newFeed(s, o.Since)
	m := newModel(inner, s, f, o)
	m.snap = snap
	if o.Notice != "" {
		m.say(o.Notice)
	}
	if o.changed != nil {
		o.changed(m)
	}
	p := tea.NewProgram(m, m.programOptions()...)
	m.halt = func() { go p.Quit() }
	defer context.AfterFunc(inner, p.Quit)() // in order, so that the terminal's reader ends too
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		f.run(inner, snap, func(msg any) { p.Send(msg) })
	}()
	err = runProgram(ctx, p)
	cancel()
	if errors.Is(err, errStuck) {
		return Left, context.Cause(ctx)
	}
	m.crew.dismiss()
	<-fed
	return m.outcome, m.verdict(ctx, err)
}

// errStuck says that the terminal takes no more output, so that the dashboard cannot end in order.
var errStuck = errors.New("the terminal is stuck")

// stuckAfter is how long a dashboard may take to end when it has to.
const stuckAfter = 3 * time.Second

// runProgram runs p until it ends, or, after ctx has, until it is clear that it never will.
func runProgram(ctx context.Context, p *tea.Program) error {
	ended := make(chan error, 1)
	go func() {
		_, err := p.Run()
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(stuckAfter):
		return errStuck
	}
}

// verdict is the error of a dashboard that did not end as the user wanted.
func (m *model) verdict(ctx context.Context, err error) error {
	switch {
	case m.crash != nil:
		return m.crash
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, tea.ErrProgramPanic):
		return &Crash{Value: err}
	case err != nil:
		return fmt.Errorf("show the dashboard: %w", err)
	}
	return nil
}

// framesPerSecond bounds how often the screen is written; a key is on it within two frames.
const framesPerSecond = 30

func (m *model) programOptions() []tea.ProgramOption {
	return []tea.ProgramOption{
		tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond),
		tea.WithInput(m.opts.In), tea.WithOutput(m.opts.Out), tea.WithEnvironment(m.opts.Environ),
	}
}
