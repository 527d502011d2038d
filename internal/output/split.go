package output

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// Split reads r to its end and calls line for each line, without its newline or CRLF; what is beyond
// MaxLine is dropped and counted in cut. A last line without newline is a line. flush is called after the
// lines of each read: a good moment to write. The text is only valid during the call. Memory is bounded
// whatever comes in. Split returns r's error, nil at its end.
func Split(r io.Reader, line func(text []byte, cut int), flush func()) error {
	s := splitter{line: line}
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			s.feed(buf[:n])
			flush()
		}
		if err != nil {
			s.finish()
			flush()
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// splitter holds the start of the line that is not complete yet.
type splitter struct {
	line  func(text []byte, cut int)
	begun bool
	held  []byte // at most MaxLine
	cut   int
}

func (s *splitter) feed(b []byte) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.hold(b)
			return
		}
		if !s.begun && i <= MaxLine {
			s.line(trimCR(b[:i]), 0)
		} else {
			s.hold(b[:i])
			s.finish()
		}
		b = b[i+1:]
	}
}

// hold keeps b for the line to come, as far as there is room.
func (s *splitter) hold(b []byte) {
	s.begun = true
	n := min(len(b), MaxLine-len(s.held))
	s.held = append(s.held, b[:n]...)
	s.cut += len(b) - n
}

// finish hands out the held line, if one was begun.
func (s *splitter) finish() {
	if !s.begun {
		return
	}
	if s.cut == 0 {
		s.line(trimCR(s.held), 0)
	} else {
		whole := trimRune(s.held)
		s.line(whole, s.cut+len(s.held)-len(whole))
	}
	s.begun, s.held, s.cut = false, s.held[:0], 0
	if cap(s.held) > 4<<10 {
		s.held = nil // one long line must not cost memory for ever
	}
}

func trimCR(b []byte) []byte { return bytes.TrimSuffix(b, []byte("\r")) }

// trimRune drops an incomplete rune at the end of b, left there by the cut.
func trimRune(b []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax, len(b)); i++ {
		c := b[len(b)-i]
		if utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}
