package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/state"
)

// tty is a real terminal device with the dashboard on one end and the test on the other.
type tty struct {
	t    testing.TB
	ours *os.File
	its  *os.File
	mu   sync.Mutex
	text []byte
	more chan struct{}
	done chan struct{} // closed when the reader ended
}

func newTTY(t testing.TB, w, h uint16) *tty {
	ours, its, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(its, &pty.Winsize{Rows: h, Cols: w}); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(ours.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	ours.Close()
	syscall.SetNonblock(fd, true) // so that Close ends a Read
	x := &tty{t: t, ours: os.NewFile(uintptr(fd), "terminal"), its: its, more: make(chan struct{}, 1), done: make(chan struct{})}
	go x.read()
	t.Cleanup(func() {
		its.Close()
		x.ours.Close()
		<-x.done
	})
	return x
}

func (x *tty) read() {
	defer close(x.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := x.ours.Read(buf)
		x.mu.Lock()
		x.text = append(x.text, buf[:n]...)
		x.mu.Unlock()
		select {
		case x.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (x *tty) seen() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return string(x.text)
}

// await waits until want was drawn after the first n bytes, and returns how many there are now.
func (x *tty) await(n int, want string) int {
	x.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		if text := x.seen(); strings.Contains(text[n:], want) {
			return len(text)
		}
		select {
		case <-x.more:
		case <-deadline:
			x.t.Fatalf("%q was never drawn; this was:\n%q", want, x.seen())
		}
	}
}

func (x *tty) options() Options {
	return Options{In: x.its, Out: x.its, Environ: []string{"TERM=xterm-256color"}, Since: noon}
}

// start runs the dashboard; what it ends with comes over the channel.
func (x *tty) start(ctx context.Context, s Source, o Options) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := Run(ctx, s, o)
		ended <- err
	}()
	return ended
}

func (x *tty) ends(ended <-chan error) error {
	x.t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(20 * time.Second):
		x.t.Fatal("the dashboard does not end")
		return nil
	}
}

// leaves checks that the terminal is as it was: no other screen, a cursor, no mouse.
func (x *tty) leaves() {
	x.t.Helper()
	for _, want := range []string{"\x1b[?1049l", "\x1b[?25h", "\x1b[?1002l"} {
		x.await(0, want)
	}
}

// TestRun is a dashboard on a terminal device from its first frame to q; nothing of it is left.
func TestRun(t *testing.T) {
	x := newTTY(t, 100, 30)
	f := shop()
	ended := x.start(t.Context(), f, x.options())
	n := x.await(0, "gateway")
	u := f.snap.Units[3]
	u.Phase = state.Failed
	f.events <- state.Event{Seq: 41, Time: noon, Kind: state.KindPhase, Text: "gateway failed", Unit: &u}
	n = x.await(n, "failed")
	x.ours.WriteString("2")
	x.await(n, "panic: no key")
	x.ours.WriteString("q")
	if err := x.ends(ended); err != nil {
		t.Errorf("ended with %v", err)
	}
	x.leaves()
}

// TestRunCancelled ends with the context, as a signal does (A8, A9).
func TestRunCancelled(t *testing.T) {
	x := newTTY(t, 80, 24)
	f := shop()
	f.block = make(chan struct{}) // traces are being searched when the end comes
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := x.start(ctx, f, x.options())
	n := x.await(0, "gateway")
	x.ours.WriteString("3")
	x.await(n, "searching")
	why := errors.New("a signal")
	cancel(why)
	if err := x.ends(ended); !errors.Is(err, why) {
		t.Errorf("ended with %v, want the cause", err)
	}
	x.leaves()
}

// TestRunFleetEnds leaves with the fleet where it is told to.
func TestRunFleetEnds(t *testing.T) {
	x := newTTY(t, 80, 24)
	f := shop()
	o := x.options()
	o.EndWithFleet = true
	ended := x.start(t.Context(), f, o)
	x.await(0, "gateway")
	close(f.events)
	if err := x.ends(ended); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// TestNoColor draws without a single colour where the user wants none: what is chosen, and what is wrong,
// can be told by signs.
func TestNoColor(t *testing.T) {
	for _, environ := range [][]string{{"TERM=xterm-256color", "NO_COLOR=1"}, {"TERM=xterm-256color"}} {
		x := newTTY(t, 100, 30)
		o := x.options()
		o.Environ = environ
		ended := x.start(t.Context(), shop(), o)
		n := x.await(0, "gateway")
		for _, step := range [][2]string{{"2", "panic: no key"}, {"3", "GET /orders"}, {"4", "EDGE"}} {
			x.ours.WriteString(step[0])
			n = x.await(n, step[1])
		}
		x.ours.WriteString("q")
		if err := x.ends(ended); err != nil {
			t.Errorf("ended with %v", err)
		}
		x.leaves()
		if got, want := coloured.FindString(x.seen()) != "", len(environ) == 1; got != want {
			t.Errorf("%v: colours are drawn: %v, want %v: %q", environ, got, want, coloured.FindString(x.seen()))
		}
		for _, sign := range []string{"▌", "●", "✗"} {
			if !strings.Contains(x.seen(), sign) {
				t.Errorf("%v: no %s is drawn", environ, sign)
			}
		}
	}
}

// coloured is SGR with a colour of text or ground.
var coloured = regexp.MustCompile(`\x1b\[(?:\d*;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m`)

// broken is a source that panics in one place.
type broken struct {
	*fake
	where string
}

func (b broken) Edges(ctx context.Context) ([]state.Edge, error) {
	if b.where == "question" {
		panic("edges are broken")
	}
	return b.fake.Edges(ctx)
}

func (b broken) Lines(ctx context.Context, unit string, since time.Time, fn func([]output.Line) error) error {
	if b.where == "reader" && unit == "orders" {
		panic("lines are broken")
	}
	return b.fake.Lines(ctx, unit, since, fn)
}

// bomb is a screen that cannot be drawn.
type bomb struct{ *list }

func (bomb) title(*model) string              { return "" }
func (bomb) keys(*model) []binding            { return nil }
func (bomb) draw(m *model, w, h int) []string { panic("drawing is broken") }

// TestCrash is promise N7: a panic anywhere restores the terminal and is told with its stack.
func TestCrash(t *testing.T) {
	for _, where := range []string{"question", "reader", "drawing"} {
		t.Run(where, func(t *testing.T) {
			x := newTTY(t, 80, 24)
			f := shop()
			o := x.options()
			o.changed = func(m *model) { m.tabs[3] = bomb{&m.tabs[3].(*graph).list} }
			ended := x.start(t.Context(), broken{f, where}, o)
			if where == "drawing" {
				x.await(0, "gateway")
				x.ours.WriteString("4")
			}
			var crash *Crash
			if err := x.ends(ended); !errors.As(err, &crash) || !strings.Contains(fmt.Sprint(crash.Value), "broken") || len(crash.Stack) == 0 {
				t.Errorf("ended with %v", err)
			}
			x.leaves()
		})
	}
}

// TestRunResizes is promise D8 on a terminal device: a storm of sizes under a flood of lines.
func TestRunResizes(t *testing.T) {
	x := newTTY(t, 80, 24)
	f := shop()
	f.print = make(chan func(func([]output.Line) error) error)
	ended := x.start(t.Context(), f, x.options())
	n := x.await(0, "gateway")
	x.ours.WriteString("2")
	n = x.await(n, "panic: no key")
	count := 0
	for i := range 100 {
		pty.Setsize(x.its, &pty.Winsize{Rows: uint16(1 + i*7%60), Cols: uint16(1 + i*13%200)})
		f.print <- func(fn func([]output.Line) error) error {
			for _, lines := range flood(&count, noon.Add(time.Minute)) {
				if err := fn(lines); err != nil {
					return err
				}
			}
			return nil
		}
	}
	pty.Setsize(x.its, &pty.Winsize{Rows: 24, Cols: 80})
	x.ours.WriteString("5")
	x.await(n, "nothing happened")
	x.ours.WriteString("q")
	if err := x.ends(ended); err != nil {
		t.Errorf("ended with %v", err)
	}
	x.leaves()
}

// TestIdleBytes is a dashboard in front of a fleet in which nothing happens: not a byte to the terminal.
func TestIdleBytes(t *testing.T) {
	x := newTTY(t, 100, 30)
	f := shop()
	for i := range f.edges {
		f.edges[i].Rate, f.edges[i].Failed = 0, 0
	}
	asked := make(chan struct{}, 64)
	ended := x.start(t.Context(), counting{f, asked}, x.options())
	x.await(0, "gateway")
	for range 2 {
		<-asked
	}
	before := len(x.seen())
	for range 3 { // three more seconds of asking for the edges
		<-asked
	}
	if got := len(x.seen()) - before; got != 0 {
		t.Errorf("%d bytes were drawn in 3 s without need: %q", got, x.seen()[before:])
	}
	x.ours.WriteString("q")
	x.ends(ended)
}

// counting says when it is asked for the edges.
type counting struct {
	*fake
	asked chan struct{}
}

func (c counting) Edges(ctx context.Context) ([]state.Edge, error) {
	c.asked <- struct{}{}
	return c.fake.Edges(ctx)
}
