package cli

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"msctl.dev/msctl/internal/state"
)

// screen is one of the two output streams with what it can show.
type screen struct {
	io.Writer
	terminal bool
	colour   bool
	width    int // columns; unlimited where it is not a terminal
	height   int // rows; 0 where it is not a terminal
}

// unlimited is the width of what is not a terminal: who reads a pipe wants the whole text.
const unlimited = 1 << 16

// screenOf looks at w: colour only on a terminal, without NO_COLOR and with a TERM that knows it. A
// terminal that does not tell its size has COLUMNS, or 80.
func (a *App) screenOf(w io.Writer) screen {
	s := screen{Writer: w, width: unlimited}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.terminal, s.width = true, 80
	if n, err := strconv.Atoi(a.Getenv("COLUMNS")); err == nil && n > 0 {
		s.width = n
	}
	s.colour = a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
	if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		s.width, s.height = w, h
	}
	return s
}

// Colours as SGR parameters.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint puts text into a colour where the screen shows colours.
func (s screen) paint(colour, text string) string {
	if !s.colour || colour == "" || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// phaseColour is the colour of a unit's phase.
func phaseColour(p state.Phase) string {
	switch p {
	case state.Ready, state.Done:
		return green
	case state.Failed, state.Looping:
		return red
	case state.Unready, state.Stopping, state.Starting, state.Building, state.Pending:
		return yellow
	}
	return dim
}

// prefixColours are given to units in turn, in their order.
var prefixColours = [...]string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}
