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

// maxFrame is far more than the 16 KiB in which engines pass output on.
const maxFrame = 1 << 20

// streams maps the engine's numbers, less one, to ours.
var streams = [2]output.Stream{output.Stdout, output.Stderr}

// frame is one message of the engine's log: a line, or a piece of a long one.
type frame struct {
	stream int // index into streams
	at     time.Time
	text   []byte
	last   bool // ends with a line feed, which text does not hold
}

// readFrame reads one frame: a header with stream and size, then a time stamp, a space and the text.
func readFrame(in *bufio.Reader) (frame, error) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return frame{}, err
	}
	size := binary.BigEndian.Uint32(head[4:])
	if head[0] < 1 || head[0] > 2 || size > maxFrame {
		return frame{}, fmt.Errorf("read container output: not a frame: % x", head)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(in, body); err != nil {
		return frame{}, io.ErrUnexpectedEOF
	}
	stamp, text, _ := bytes.Cut(body, []byte(" "))
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return frame{}, fmt.Errorf("read container output: time stamp %q: %v", stamp, err)
	}
	text, last := bytes.CutSuffix(text, []byte("\n"))
	return frame{stream: int(head[0]) - 1, at: at, text: text, last: last}, nil
}

// part collects the pieces of one line. All pieces of a line have the time stamp of its first.
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
