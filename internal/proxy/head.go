package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

// maxHead is the longest head of a message, in bytes.
const maxHead = 64 << 10

// refusal is why a message is not forwarded: what two readers might read in two ways is read by none.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

var errHeadTooLarge = &refusal{http.StatusRequestHeaderFieldsTooLarge, "the head is longer than 64 KiB"}

// head is what of a message's head decides where the message ends and what becomes of its connection.
// Offsets count from the first byte of the head.
type head struct {
	size  int // with the empty line
	line  int // size of the first line, with its end
	minor int // of HTTP/1

	method, target span // of a request
	status         int  // of an answer

	length     int64 // of the body; -1 not said
	chunked    bool
	coded      bool // a transfer coding that is not, or not only, chunked
	hosts      int
	close      bool // Connection: close
	keepAlive  bool
	upgrade    bool
	expects    bool // Expect: 100-continue
	idempotent bool // Idempotency-Key
	parents    []span
	parent     span // value of the last traceparent
	room       [1]span
}

// span is bytes from a to b.
type span struct{ a, b int }

func (s span) of(b []byte) []byte { return b[s.a:s.b] }

// readHead waits for a whole head and returns its size. The head stays in the wire.
func (w *wire) readHead() (int, error) {
	at, start := 0, 0 // where to look on, and where the line began
	hurried := false
	for {
		b := w.bytes()
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			if at = len(b); at >= maxHead {
				return 0, errHeadTooLarge
			}
			if len(b) > 0 && w.most > 0 && !hurried {
				hurried = true
				_ = w.conn.SetReadDeadline(time.Now().Add(w.most))
				defer w.conn.SetReadDeadline(time.Time{})
			}
			if err := w.more(); hurried && timedOut(err) {
				return 0, errSlowHead
			} else if err != nil {
				return 0, err
			}
			continue
		}
		end := at + i
		if end == 0 || b[end-1] != '\r' {
			return 0, refuse(http.StatusBadRequest, "a line ends without CR")
		}
		if end > maxHead {
			return 0, errHeadTooLarge
		}
		if start == end-1 {
			if start == 0 {
				return 0, refuse(http.StatusBadRequest, "the message begins with an empty line")
			}
			return end + 1, nil
		}
		at, start = end+1, end+1
	}
}

// more waits for more bytes behind those that wait, and makes place for them.
func (w *wire) more() error {
	if w.buf != nil && w.w == len(w.buf) {
		w.grow()
	}
	return w.fill()
}

// grow moves what waits to the front, or to a larger buffer where it is there already.
func (w *wire) grow() {
	waits := w.bytes()
	to := w.buf
	if w.r <= w.room {
		to = make([]byte, w.room+2*maxHead)
	}
	n := copy(to[w.room:], waits)
	if w.r <= w.room {
		buffers.Put(w.box)
		w.box, w.buf = nil, to
	}
	w.r, w.w = w.room, w.room+n
}

// parseRequest reads the head of a request.
func (h *head) parseRequest(b []byte) error {
	*h = head{size: len(b), length: -1}
	h.line = bytes.IndexByte(b, '\n') + 1
	line := b[:h.line-2]
	sp := bytes.IndexByte(line, ' ')
	last := bytes.LastIndexByte(line, ' ')
	if sp <= 0 || last <= sp+1 {
		return refuse(http.StatusBadRequest, "the request line is not a method, a target and a version")
	}
	h.method, h.target = span{0, sp}, span{sp + 1, last}
	if !all(h.method.of(line), isToken) || !all(h.target.of(line), isVisible) {
		return refuse(http.StatusBadRequest, "the request line has characters that it may not have")
	}
	if err := h.version(line[last+1:]); err != nil {
		return err
	}
	if err := h.fields(b); err != nil {
		return err
	}
	switch {
	case h.chunked && h.length >= 0:
		return refuse(http.StatusBadRequest, "both Content-Length and Transfer-Encoding")
	case h.coded:
		return refuse(http.StatusNotImplemented, "a transfer coding other than chunked")
	case h.chunked && h.minor == 0:
		return refuse(http.StatusBadRequest, "Transfer-Encoding in HTTP/1.0")
	case h.hosts > 1 || h.hosts == 0 && h.minor == 1:
		return refuse(http.StatusBadRequest, "%d Host headers", h.hosts)
	}
	return nil
}

// parseAnswer reads the head of an answer.
func (h *head) parseAnswer(b []byte) error {
	*h = head{size: len(b), length: -1}
	h.line = bytes.IndexByte(b, '\n') + 1
	line := b[:h.line-2]
	if len(line) < 12 || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return refuse(http.StatusBadGateway, "the status line is not a version and a status")
	}
	if err := h.version(line[:8]); err != nil {
		return err
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return refuse(http.StatusBadGateway, "the status is not a number")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 || !all(line[12:], isText) {
		return refuse(http.StatusBadGateway, "the status line has characters that it may not have")
	}
	if err := h.fields(b); err != nil {
		return err
	}
	if h.chunked && h.length >= 0 {
		return refuse(http.StatusBadGateway, "both Content-Length and Transfer-Encoding")
	}
	return nil
}

func (h *head) version(b []byte) error {
	switch string(b) {
	case "HTTP/1.1":
		h.minor = 1
	case "HTTP/1.0":
	default:
		if bytes.HasPrefix(b, []byte("HTTP/")) {
			return refuse(http.StatusHTTPVersionNotSupported, "version %q", b)
		}
		return refuse(http.StatusBadRequest, "no HTTP version")
	}
	return nil
}

// fields reads the header lines.
func (h *head) fields(b []byte) error {
	for at := h.line; at < len(b)-2; {
		end := at + bytes.IndexByte(b[at:], '\n') - 1 // of the line, before CR LF
		if err := h.field(b, at, end); err != nil {
			return err
		}
		at = end + 2
	}
	return nil
}

// field reads one header line, bytes at to end of the head.
func (h *head) field(b []byte, at, end int) error {
	if b[at] == ' ' || b[at] == '\t' {
		return refuse(http.StatusBadRequest, "a header line that is folded")
	}
	colon := bytes.IndexByte(b[at:end], ':')
	if colon <= 0 || !all(b[at:at+colon], isToken) {
		return refuse(http.StatusBadRequest, "a header line without a proper name")
	}
	v := span{at + colon + 1, end}
	for v.a < v.b && blank(b[v.a]) {
		v.a++
	}
	for v.a < v.b && blank(b[v.b-1]) {
		v.b--
	}
	if !all(v.of(b), isText) {
		return refuse(http.StatusBadRequest, "a header value with control characters")
	}
	return h.known(b, span{at, at + colon}, v, span{at, end + 2})
}

// known takes what matters of one header.
func (h *head) known(b []byte, name, value, line span) error {
	n, v := name.of(b), value.of(b)
	switch len(n) {
	case len("host"):
		if is(n, "host") {
			h.hosts++
		}
	case len("expect"):
		h.expects = h.expects || is(n, "expect") && is(v, "100-continue")
	case len("upgrade"):
		h.upgrade = h.upgrade || is(n, "upgrade")
	case len("connection"):
		if is(n, "connection") {
			h.close = h.close || lists(v, "close")
			h.keepAlive = h.keepAlive || lists(v, "keep-alive")
		}
	case len("traceparent"):
		if is(n, "traceparent") {
			if h.parents == nil {
				h.parents = h.room[:0]
			}
			h.parents, h.parent = append(h.parents, line), value
		}
	case len("content-length"):
		if is(n, "content-length") {
			return h.contentLength(v)
		}
	case len("idempotency-key"):
		h.idempotent = h.idempotent || is(n, "idempotency-key")
	case len("transfer-encoding"):
		if is(n, "transfer-encoding") {
			return h.coding(v)
		}
	}
	return nil
}

// coding reads Transfer-Encoding. Only the last coding says where the body ends.
func (h *head) coding(v []byte) error {
	if h.chunked || h.coded {
		return refuse(http.StatusBadRequest, "two Transfer-Encoding headers")
	}
	h.coded = !is(v, "chunked")
	comma := bytes.LastIndexByte(v, ',')
	h.chunked = is(bytes.TrimLeft(v[comma+1:], " \t"), "chunked")
	return nil
}

// contentLength reads Content-Length. The same length said twice is one.
func (h *head) contentLength(v []byte) error {
	if len(v) == 0 || len(v) > 18 {
		return refuse(http.StatusBadRequest, "Content-Length %.30q", v)
	}
	n := int64(0)
	for _, c := range v {
		if c < '0' || c > '9' {
			return refuse(http.StatusBadRequest, "Content-Length %q", v)
		}
		n = n*10 + int64(c-'0')
	}
	if h.length >= 0 && h.length != n {
		return refuse(http.StatusBadRequest, "two lengths, %d and %d", h.length, n)
	}
	h.length = n
	return nil
}

// persists reports that this side wants to keep the connection.
func (h *head) persists() bool {
	return !h.close && (h.minor == 1 || h.keepAlive)
}
