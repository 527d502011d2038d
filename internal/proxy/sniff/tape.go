package sniff

import "bytes"

// tape is one direction of a connection, cut into the pieces that a parser asks for. A piece that lies
// whole in a chunk is not copied.
//
// Its methods take from the front of *b. They report false when the piece goes on in a later chunk: ask
// again, for the same piece, when that is there.
type tape struct {
	held []byte // the beginning of a piece
	used int    // how much of held was handed out; it is wiped before anything else is done
	skip int64  // bytes that nobody wants
	off  int64  // bytes taken so far, held ones not among them
}

// smallBuffer is what a tape keeps to hold pieces in; a larger one is given back after use.
const smallBuffer = 512

// between reports that the next byte begins a piece.
func (t *tape) between() bool { return len(t.held) == t.used && t.skip == 0 }

// pass takes what is to be skipped.
func (t *tape) pass(b *[]byte) bool {
	if t.used > 0 {
		clear(t.held[:t.used]) // it may be secret
		t.held, t.used = t.held[:0], 0
		if cap(t.held) > smallBuffer {
			t.held = nil
		}
	}
	if t.skip == 0 {
		return true
	}
	n := min(t.skip, int64(len(*b)))
	*b = (*b)[n:]
	t.skip -= n
	t.off += n
	return t.skip == 0
}

// cut takes n bytes. The piece is good until the next call.
func (t *tape) cut(b *[]byte, n int) ([]byte, bool) {
	if !t.pass(b) {
		return nil, false
	}
	if len(t.held) == 0 && len(*b) >= n {
		piece := (*b)[:n]
		*b = (*b)[n:]
		t.off += int64(n)
		return piece, true
	}
	m := min(n-len(t.held), len(*b))
	t.held = append(t.held, (*b)[:m]...)
	*b = (*b)[m:]
	if len(t.held) < n {
		return nil, false
	}
	t.off += int64(n)
	t.used = n
	return t.held, true
}

// line takes a line, and returns at most limit bytes of it, without its end. The line is good until the next
// call.
func (t *tape) line(b *[]byte, limit int) ([]byte, bool) {
	if !t.pass(b) {
		return nil, false
	}
	i := bytes.IndexByte(*b, '\n')
	if i >= 0 && len(t.held) == 0 {
		line := (*b)[:i]
		*b = (*b)[i+1:]
		t.off += int64(i) + 1
		return trim(line, limit), true
	}
	n := i + 1
	if i < 0 {
		n = len(*b)
	}
	// A byte more than the limit is kept for the carriage return; what is over is counted, not kept.
	room := max(0, min(n, limit+2-len(t.held)))
	t.held = append(t.held, (*b)[:room]...)
	t.off += int64(n - room)
	*b = (*b)[n:]
	if i < 0 {
		return nil, false
	}
	t.off += int64(len(t.held))
	t.used = len(t.held)
	return trim(bytes.TrimSuffix(t.held, []byte("\n")), limit), true
}

func trim(line []byte, limit int) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line[:min(len(line), limit)]
}

// number reads a decimal number, or reports false.
func number(b []byte) (int64, bool) {
	neg := len(b) > 1 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}
