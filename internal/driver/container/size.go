//go:build unix

package container

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/term"

	"msctl.dev/msctl/internal/driver"
)

// keepSize gives a command's terminal the size of the one that it is shown on, now and whenever that
// changes, until the returned function is called. Output that is no terminal has no size.
func (l *link) keepSize(ctx context.Context, exec string, stdio driver.Stdio) (stop func()) {
	f, ok := stdio.Out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	resize := func() {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil {
			_ = l.cli.ContainerExecResize(ctx, exec, container.ResizeOptions{Width: uint(w), Height: uint(h)})
		}
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			resize()
			select {
			case <-changed:
			case <-quit:
				return
			}
		}
	}()
	return func() { signal.Stop(changed); close(quit); <-done }
}
