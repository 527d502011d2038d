package tui

import (
	"bytes"
	"context"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// painter writes frames to the terminal: what differs from the frame before, when there is a new one, and
// at most [framesPerSecond] times a second. Where nothing changes it does nothing at all, unlike the
// renderer of bubbletea, which looks at each tick of its clock whether there is anything to do.
type painter struct {
	out    io.Writer
	frames chan frame  // the newest, where it is not painted yet
	words  chan string // sequences of their own, such as the clipboard's

	text  bytes.Buffer // what is written next
	scr   *uv.TerminalRenderer
	cells uv.ScreenBuffer
	shown frame
}

// frame is one picture of the whole screen.
type frame struct {
	text   string // rows
	w, h   int
	anew   int // how often the whole of it was asked for
	title  string
	cursor *tea.Cursor // nil hides it
}

// framesPerSecond bounds how often the screen is written; a key is on it within two frames.
const framesPerSecond = 60

// What is told to the terminal at the begin and at the end; most of it undoes itself in reverse.
const (
	enter = ansi.SetModeAltScreenSaveCursor + ansi.ResetModeTextCursorEnable + ansi.SetModeBracketedPaste +
		ansi.SetModeMouseButtonEvent + ansi.SetModeMouseExtSgr + ansi.RequestBackgroundColor
	leave = ansi.ResetModeMouseExtSgr + ansi.ResetModeMouseButtonEvent + ansi.ResetModeBracketedPaste +
		ansi.ResetModeAltScreenSaveCursor + ansi.SetModeTextCursorEnable
)

func newPainter(out io.Writer, environ []string) *painter {
	p := &painter{out: out, frames: make(chan frame, 1), words: make(chan string, 8)}
	p.scr = uv.NewTerminalRenderer(&p.text, environ)
	p.scr.SetColorProfile(colorprofile.Detect(out, environ))
	p.scr.SetFullscreen(true)
	p.scr.SetRelativeCursor(false)
	p.scr.SetTabStops(-1)
	p.scr.SetScrollOptim(true)
	return p
}

// show has a frame painted soon, in the place of one that still waits. Only the model's loop calls it.
func (p *painter) show(f frame) {
	select {
	case <-p.frames:
	default:
	}
	p.frames <- f
}

// tell has a sequence written between two frames; when there are too many of them it is lost.
func (p *painter) tell(sequence string) {
	select {
	case p.words <- sequence:
	default:
	}
}

// safely is run; a panic is an error.
func (p *painter) safely(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = crashed(r)
		}
	}()
	return p.run(ctx)
}

// run paints until ctx ends, and leaves the terminal as it was. The error is of a terminal that is gone.
func (p *painter) run(ctx context.Context) (err error) {
	if _, err = io.WriteString(p.out, enter); err != nil {
		return err
	}
	defer func() { io.WriteString(p.out, ansi.SetWindowTitle("")+leave) }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case text := <-p.words:
			_, err = io.WriteString(p.out, text)
		case f := <-p.frames:
			if err = p.paint(f); err == nil {
				rest(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}

// rest is the pause behind a frame.
func rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second / framesPerSecond):
	}
}

// paint writes what a frame has that the last one had not, as one piece, or nothing.
func (p *painter) paint(f frame) error {
	p.text.Reset()
	p.text.WriteString(begin)
	if f.title != p.shown.title {
		p.text.WriteString(ansi.SetWindowTitle(f.title))
	}
	if f.w != p.shown.w || f.h != p.shown.h || f.anew != p.shown.anew { // what the terminal made of the old frame nobody knows
		p.cells = uv.NewScreenBuffer(f.w, f.h)
		p.scr.Resize(f.w, f.h)
		p.scr.Erase()
	}
	p.cells.Clear()
	uv.NewStyledString(f.text).Draw(p.cells, p.cells.Bounds())
	p.scr.Render(p.cells.RenderBuffer)
	if f.cursor != nil {
		p.scr.MoveTo(f.cursor.X, f.cursor.Y)
	}
	if err := p.scr.Flush(); err != nil {
		return err
	}
	if p.text.Len() == len(begin) && (f.cursor != nil) == (p.shown.cursor != nil) {
		p.shown = f
		return nil
	}
	if f.cursor != nil {
		p.text.WriteString(ansi.SetModeTextCursorEnable)
	}
	p.text.WriteString(ansi.ResetModeSynchronizedOutput)
	p.shown = f
	_, err := p.out.Write(p.text.Bytes())
	return err
}

// begin stands before what is painted, so that nobody sees half of it. A terminal that does not know the
// first passes over it.
const begin = ansi.SetModeSynchronizedOutput + ansi.ResetModeTextCursorEnable
