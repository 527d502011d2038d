package cli

import (
	"fmt"
	"io"
	"sync"
)

// liner writes lines for people on stderr, with one status line below them on a terminal. It is safe for
// concurrent use.
type liner struct {
	mu     sync.Mutex
	screen screen
	status string
}

// line prints one line above the status.
func (l *liner) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	fmt.Fprintln(l.screen, text)
	l.draw()
}

// show replaces the status; elsewhere than on a terminal it is not shown.
func (l *liner) show(status string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	l.status = status
	l.draw()
}

// to lets others write to out on the same terminal without mixing with the status.
func (l *liner) to(out io.Writer) io.Writer { return aside{l, out} }

type aside struct {
	l   *liner
	out io.Writer
}

func (a aside) Write(b []byte) (int, error) {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.l.erase()
	n, err := a.out.Write(b)
	a.l.draw()
	return n, err
}

func (l *liner) erase() {
	if l.screen.terminal && l.status != "" {
		io.WriteString(l.screen, "\r\x1b[K")
	}
}

func (l *liner) draw() {
	if l.screen.terminal && l.status != "" {
		io.WriteString(l.screen, shorten(l.status, l.screen.width-1))
	}
}
