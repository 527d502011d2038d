package proxy

import (
	"bytes"
	"strconv"
)

// maxPatched is how long a body may be of which a fault wants all, in bytes. A longer one stays as it is.
const maxPatched = 1 << 20

// httpMessage is a message of HTTP/1 as it was read: its head and what of its body came.
type httpMessage struct {
	head, body []byte
	chunked    bool
	whole      bool // the body is
	bare       bool // there is none, whatever the head says
}

// edit returns the message after patches: the bytes to send in its place, and how many of them are its head.
func (m httpMessage) edit(patches []Patch) (b []byte, head int) {
	length := -1
	if body, ok := m.patched(patches); ok {
		if m.body = body; !m.chunked {
			length = len(body)
		}
	}
	b = m.head
	for _, p := range patches {
		b = editHead(b, p.Set, p.Remove)
	}
	if length >= 0 {
		b = editHead(b, []Header{{"Content-Length", strconv.Itoa(length)}}, nil)
	}
	return append(b[:len(b):len(b)], m.body...), len(b)
}

// patched returns the body that patches make, framed as the old one. It is false where there is nothing to
// patch, or nothing that could be read: a coded body stays as it is.
func (m httpMessage) patched(patches []Patch) ([]byte, bool) {
	coding, coded := headerOf(m.head, "content-encoding")
	if !m.whole || m.bare || !bodies(patches) || coded && coding != "identity" {
		return nil, false
	}
	plain, tail := m.body, []byte(nil)
	if m.chunked {
		plain, tail = unchunk(m.body)
	}
	if len(plain) == 0 {
		return nil, false
	}
	content, _ := headerOf(m.head, "content-type")
	body := patchBody(patches, content, plain[:len(plain):len(plain)])
	if bytes.Equal(body, plain) {
		return nil, false
	}
	if m.chunked {
		body = chunked(body, tail)
	}
	return body, true
}

// editHead returns a head without the lines of some names, and with others at its end.
func editHead(head []byte, set []Header, remove []string) []byte {
	out := make([]byte, 0, len(head)+64*len(set))
	for i, line := range bytes.SplitAfter(head[:len(head)-2], []byte("\n")) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		if i == 0 || !among(string(name), set, remove) {
			out = append(out, line...)
		}
	}
	for _, h := range set {
		out = append(append(append(append(out, h.Name...), ": "...), h.Value...), "\r\n"...)
	}
	return append(out, "\r\n"...)
}

// among reports whether a header is among those that are set or removed.
func among(name string, set []Header, remove []string) bool {
	for _, h := range set {
		if sameName(h.Name, name) {
			return true
		}
	}
	for _, one := range remove {
		if sameName(one, name) {
			return true
		}
	}
	return false
}

func sameName(a, b string) bool { return len(a) == len(b) && bytes.EqualFold([]byte(a), []byte(b)) }

// headerOf returns the first value of a header, whose name is in lower case.
func headerOf(head []byte, name string) (string, bool) {
	for i := bytes.IndexByte(head, '\n') + 1; i < len(head); {
		end := bytes.IndexByte(head[i:], '\n')
		if end < 0 {
			break
		}
		line := head[i : i+end]
		if colon := bytes.IndexByte(line, ':'); colon > 0 && is(line[:colon], name) {
			return string(bytes.TrimSpace(line[colon+1:])), true
		}
		i += end + 1
	}
	return "", false
}

// unchunk returns the data of a whole chunked body that is well formed, and what stands behind its last
// chunk: trailers and an empty line.
func unchunk(b []byte) (data, tail []byte) {
	for {
		line, rest, _ := bytes.Cut(b, []byte("\r\n"))
		digits, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(digits)), 16, 64)
		if err != nil || n == 0 || n+2 > int64(len(rest)) {
			return data, rest
		}
		data = append(data, rest[:n]...)
		b = rest[n+2:]
	}
}

// chunked frames data as one chunk, before what stood behind the last one.
func chunked(data, tail []byte) []byte {
	var b []byte
	if len(data) > 0 {
		b = strconv.AppendInt(b, int64(len(data)), 16)
		b = append(append(append(b, "\r\n"...), data...), "\r\n"...)
	}
	return append(append(b, "0\r\n"...), tail...)
}
