package tui

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/term"
)

// raw has each key come as it is pressed, where in is a terminal. The returned function undoes it.
func raw(in io.Reader) (undo func(), err error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}, nil
	}
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	return func() { term.Restore(int(f.Fd()), before) }, nil
}

// sizeOf is the size of a terminal, or a usual one.
func sizeOf(out io.Writer) (w, h int) {
	if f, ok := out.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// followSize tells the program each new size of the terminal until ctx ends, and the old one when it goes on
// after it was stopped: a shell has written over the screen meanwhile.
func followSize(ctx context.Context, out io.Writer, p *tea.Program) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH, syscall.SIGCONT)
	defer signal.Stop(changed)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		w, h := sizeOf(out)
		p.Send(tea.WindowSizeMsg{Width: w, Height: h})
	}
}
