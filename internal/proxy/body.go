package proxy

import (
	"errors"
	"io"
	"math"
	"net/http"
)

// body finds the end of a message's body in its bytes. The bytes stay as they are.
type body struct {
	framing framing
	left    int64 // of the length, or of the chunk
	state   chunkState
	digits  int // of the chunk's size
	extra   int // bytes of the chunk's extensions, or of the trailers, so far
	done    bool
}

// framing is how a body says where it ends.
type framing uint8

const (
	byLength framing = iota
	byChunks
	byClose
)

// chunkState is what comes next in a chunked body.
type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerLine
	trailerLF
	lastLF
)

// requestBody is the body that follows a request's head.
func requestBody(h *head) body {
	if h.chunked {
		return body{framing: byChunks}
	}
	n := max(h.length, 0)
	return body{left: n, done: n == 0}
}

// answerBody is the body that follows an answer's head. To HEAD there is none.
func answerBody(h *head, bare bool) body {
	switch {
	case bare || h.status < 200 || h.status == http.StatusNoContent || h.status == http.StatusNotModified:
		return body{done: true}
	case h.chunked:
		return body{framing: byChunks}
	case h.coded || h.length < 0:
		return body{framing: byClose, left: math.MaxInt64}
	}
	return body{left: h.length, done: h.length == 0}
}

// take returns how many bytes of b are of the body: all of them, unless it is done then.
func (d *body) take(b []byte) (int, error) {
	switch d.framing {
	case byChunks:
		return d.takeChunks(b)
	case byClose:
		return len(b), nil
	}
	n := int(min(d.left, int64(len(b))))
	d.left -= int64(n)
	d.done = d.left == 0
	return n, nil
}

// ended says what the end of the connection means.
func (d *body) ended() error {
	if d.framing == byClose {
		d.done = true
		return nil
	}
	return io.ErrUnexpectedEOF
}

// bulk is how many bytes are known to come before there is anything to look at.
func (d *body) bulk() int64 {
	if d.framing == byClose || d.framing == byChunks && d.state != chunkData {
		return 0
	}
	return d.left
}

// skip takes n bytes that someone else moved, at most bulk.
func (d *body) skip(n int64) {
	d.left -= n
	if d.left > 0 {
		return
	}
	if d.framing == byChunks {
		d.state = chunkDataCR
		return
	}
	d.done = true
}

var errChunk = errors.New("a chunked body that is not well formed")

func (d *body) takeChunks(b []byte) (int, error) {
	for i := 0; i < len(b); {
		if d.state == chunkData {
			n := int(min(d.left, int64(len(b)-i)))
			i += n
			d.skip(int64(n))
			continue
		}
		if err := d.step(b[i]); err != nil {
			return 0, err
		}
		if i++; d.done {
			return i, nil
		}
	}
	return len(b), nil
}

// step takes one byte that is not of a chunk's data.
func (d *body) step(c byte) error {
	switch d.state {
	case chunkSize:
		return d.size(c)
	case chunkExtension:
		return d.through(c, chunkSizeLF)
	case chunkSizeLF:
		if d.state = chunkData; d.left == 0 {
			d.state = trailerStart
		}
		d.digits, d.extra = 0, 0
		return lineFeed(c)
	case chunkDataCR:
		if d.state = chunkDataLF; c != '\r' {
			return errChunk
		}
	case chunkDataLF:
		d.state = chunkSize
		return lineFeed(c)
	case trailerStart:
		if c == '\r' {
			d.state = lastLF
			return nil
		}
		d.state = trailerLine
		if blank(c) {
			return errChunk // folded
		}
		return d.through(c, trailerLF)
	case trailerLine:
		return d.through(c, trailerLF)
	case trailerLF:
		d.state = trailerStart
		return lineFeed(c)
	case lastLF:
		d.done = true
		return lineFeed(c)
	}
	return nil
}

func lineFeed(c byte) error {
	if c != '\n' {
		return errChunk
	}
	return nil
}

// size takes one byte of a chunk's size or what ends it.
func (d *body) size(c byte) error {
	v := int64(-1)
	switch {
	case c >= '0' && c <= '9':
		v = int64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		v = int64(c|0x20-'a') + 10
	}
	switch {
	case v >= 0:
		if d.digits++; d.digits > 15 {
			return errChunk
		}
		d.left = d.left<<4 | v
	case d.digits == 0:
		return errChunk
	case c == '\r':
		d.state = chunkSizeLF
	case c == ';' || blank(c):
		d.state = chunkExtension
	default:
		return errChunk
	}
	return nil
}

// through takes one byte of a line whose content does not matter.
func (d *body) through(c byte, atEnd chunkState) error {
	if c == '\r' {
		d.state = atEnd
		return nil
	}
	if d.extra++; d.extra > maxHead || classes[c]&isText == 0 {
		return errChunk
	}
	return nil
}
