package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
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
	// Called is how msctl is called in a terminal beside, for this fleet; "" is msctl.
	Called string
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
	paint := newPainter(o.Out, o.Environ)
	m.show, m.tell = paint.show, paint.tell
	p := tea.NewProgram(m, m.programOptions()...)
	m.halt = func() { go p.Quit() }
	defer context.AfterFunc(inner, p.Quit)() // in order, so that the terminal's reader ends too
	err = m.onScreen(ctx, p, paint, func() error {
		var others sync.WaitGroup
		defer others.Wait()
		defer cancel()
		others.Go(func() { f.run(inner, snap, func(msg any) { p.Send(msg) }) })
		others.Go(func() { followSize(inner, o.Out, p) })
		_, err := p.Run()
		cancel()
		m.crew.dismiss()
		return err
	})
	if errors.Is(err, errStuck) {
		return Left, context.Cause(ctx)
	}
	return m.outcome, m.verdict(ctx, err)
}

// errStuck says that the terminal takes no more output, so that the dashboard cannot end in order.
var errStuck = errors.New("the terminal is stuck")

// stuckAfter is how long a dashboard may take to end when it has to.
const stuckAfter = 3 * time.Second

// onScreen runs a program with its painter on the terminal until it ends, or, after ctx has, until it is
// clear that the terminal never lets it.
func (m *model) onScreen(ctx context.Context, p *tea.Program, paint *painter, run func() error) error {
	undo, err := raw(m.opts.In)
	if err != nil {
		return err
	}
	painting, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended, painted := make(chan error, 1), make(chan error, 1)
	go func() {
		err := run()
		stop()
		err = errors.Join(err, <-painted)
		undo()
		ended <- err
	}()
	go func() {
		err := paint.safely(painting)
		painted <- err
		if err != nil {
			p.Quit() // nobody can see it any more
		}
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
		undo()
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

// programOptions leave the screen to the painter. The program's own clock, which writes what the painter
// does not, is as slow as it can be.
func (m *model) programOptions() []tea.ProgramOption {
	w, h := sizeOf(m.opts.Out)
	return []tea.ProgramOption{
		tea.WithoutSignalHandler(), tea.WithoutRenderer(), tea.WithFPS(1), tea.WithWindowSize(w, h),
		tea.WithInput(m.opts.In), tea.WithOutput(m.opts.Out), tea.WithEnvironment(m.opts.Environ),
	}
}
