package container

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"msctl.dev/msctl/internal/output"
)

const (
	// pieceSize is where engines cut long lines.
	pieceSize = 16 << 10
	maxFrame  = 1 << 20 // a longer frame is none
)

// streams maps the engine's numbers, less one, to ours.
var streams = [2]output.Stream{output.Stdout, output.Stderr}

// frame is one message of the engine's log: a line, or a piece of a long one.
type frame struct {
	stream int // index into streams
	at     time.Time
	text   []byte
	last   bool // ends its line
}

// frames reads the frames of one answer.
type frames struct {
	in  *bufio.Reader
	buf []byte
}

// next reads one frame: a header with stream and size, then a time stamp, a space and the text, which is
// valid until the next call.
func (fs *frames) next() (frame, error) {
	var head [8]byte
	if _, err := io.ReadFull(fs.in, head[:]); err != nil {
		return frame{}, err
	}
	size := int(binary.BigEndian.Uint32(head[4:]))
	if head[0] < 1 || head[0] > 2 || size > maxFrame {
		return frame{}, fmt.Errorf("read container output: not a frame: % x", head)
	}
	if cap(fs.buf) < size {
		fs.buf = make([]byte, size)
	}
	body := fs.buf[:size]
	if _, err := io.ReadFull(fs.in, body); err != nil {
		return frame{}, io.ErrUnexpectedEOF
	}
	stamp, text, _ := bytes.Cut(body, []byte(" "))
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return frame{}, fmt.Errorf("read container output: time stamp %q: %v", stamp, err)
	}
	text, ended := bytes.CutSuffix(text, []byte("\n"))
	// of a long line, the format "local" does not give the line feed back
	return frame{stream: int(head[0]) - 1, at: at, text: text, last: ended || len(text) < pieceSize}, nil
}

// part collects the pieces of one line. All of them have the time stamp of the first.
type part struct {
	at   time.Time
	text []byte // at most output.MaxLine
	cut  int    // bytes beyond that
	open bool
}

func (p *part) add(f frame) {
	if !p.open {
		p.at, p.open = f.at, true
	}
	n := min(len(f.text), output.MaxLine-len(p.text))
	p.text = append(p.text, f.text[:n]...)
	p.cut += len(f.text) - n
}

func (p *part) reset() { p.text, p.cut, p.open = p.text[:0], 0, false }
