package tui

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// TestPainter writes what differs and nothing else, the whole of it after a new size, and leaves the
// terminal as it was.
func TestPainter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newPainter(&out, []string{"TERM=xterm-256color"})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.safely(ctx) }()
		paint := func(f frame) string {
			t.Helper()
			synctest.Wait()
			before := out.Len()
			p.show(f)
			time.Sleep(time.Second)
			synctest.Wait()
			return out.String()[before:]
		}
		first := frame{text: "alpha\nbeta", w: 20, h: 2, title: "msctl shop"}
		if got := paint(first); !strings.Contains(ansi.Strip(got), "alpha") || !strings.Contains(got, "msctl shop") {
			t.Errorf("the first frame: %q", got)
		}
		if got := paint(first); got != "" {
			t.Errorf("the same frame: %q", got)
		}
		second := first
		second.text = "alpha\ngamma"
		if got := paint(second); strings.Contains(got, "alpha") || !strings.Contains(got, "gamm") {
			t.Errorf("another row: %q", got)
		}
		second.w = 30
		if got := paint(second); !strings.Contains(got, "alpha") || !strings.Contains(got, "gamma") {
			t.Errorf("another size: %q", got)
		}
		second.anew++
		if got := paint(second); !strings.Contains(got, "alpha") || !strings.Contains(got, "gamma") {
			t.Errorf("the same one anew: %q", got)
		}
		p.tell(ansi.SetSystemClipboard("a trace"))
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if text := out.String(); !strings.HasPrefix(text, enter) || !strings.HasSuffix(text, leave) || !strings.Contains(text, "\x1b]52;c;") {
			t.Errorf("begins or ends otherwise: %q", text)
		}
	})
}

// TestPainterSkips paints the newest of the frames that come faster than they can be shown.
func TestPainterSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newPainter(&out, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go p.run(ctx)
		begun := time.Now()
		for i := range 100 {
			p.show(frame{text: strings.Repeat("x", i%7+1), w: 20, h: 1})
			time.Sleep(time.Millisecond)
		}
		p.show(frame{text: "the last", w: 20, h: 1})
		time.Sleep(time.Second)
		synctest.Wait()
		took := time.Since(begun) - time.Second
		if n := strings.Count(out.String(), begin); n > int(took*framesPerSecond/time.Second)+2 {
			t.Errorf("painted %d frames in %v", n, took)
		}
		if p.shown.text != "the last" {
			t.Errorf("shows %q", p.shown.text)
		}
	})
}

// deaf is a terminal that is gone.
type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, errors.New("input/output error") }

// TestPainterWithoutTerminal ends when nobody can see it.
func TestPainterWithoutTerminal(t *testing.T) {
	if err := newPainter(deaf{}, nil).run(t.Context()); err == nil {
		t.Error("it goes on")
	}
}

// TestDrawnAnew has the whole screen written where the terminal may have lost it.
func TestDrawnAnew(t *testing.T) {
	s := newStage(t, shop(), 80, 24)
	var shown frame
	s.m.show = func(f frame) { shown = f }
	lost := func(what string, do func()) {
		t.Helper()
		before := shown.anew
		do()
		if s.screen(); shown.anew == before {
			t.Errorf("%s: only what differs is written", what)
		}
	}
	lost("a first look", func() { s.press("ctrl+l") })
	lost("Ctrl-L", func() { s.press("ctrl+l") })
	lost("larger and back before it was painted", func() {
		s.send(tea.WindowSizeMsg{Width: 90, Height: 24})
		s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	})
}

// TestRunGoesOn draws everything when it goes on after it was stopped.
func TestRunGoesOn(t *testing.T) {
	x := newTTY(t, 80, 24)
	ended := x.start(t.Context(), shop(), x.options())
	n := x.await(0, "help")
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	x.await(n, "gateway")
	x.ours.WriteString("q")
	if err := x.ends(ended); err != nil {
		t.Errorf("ended with %v", err)
	}
}
