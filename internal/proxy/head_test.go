package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// corpus are requests that are refused because two readers might disagree where they end (H7), with the
// status that says so.
var corpus = []struct {
	name, text string
	status     int
}{
	{"CL and TE", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"TE and CL", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400},
	{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400},
	{"length list", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd", 400},
	{"signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd", 400},
	{"negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
	{"hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd", 400},
	{"empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
	{"huge length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
	{"spaced name", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nabcd", 400},
	{"tabbed name", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400},
	{"other coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
	{"two codings", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
	{"coding twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400},
	{"quoted coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501},
	{"vertical tab coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
	{"coding in 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"folded", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400},
	{"folded first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
	{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
	{"bare LF in head", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
	{"bare LF at end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
	{"bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
	{"NUL", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400},
	{"no name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400},
	{"no colon", "GET / HTTP/1.1\r\nHost: a\r\nxyz\r\n\r\n", 400},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
	{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
	{"no version", "GET /\r\n\r\n", 400},
	{"space in target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
	{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
	{"lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
	{"empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"bad chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400},
	{"chunk size 0x", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", 400},
	{"chunk with bare LF", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", 400},
	{"chunk too long", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab0\r\n\r\n", 400},
	{"chunk size too big", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
	{"bare LF in extension", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n", 400},
	{"long head", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431},
	{"long line", "GET /" + strings.Repeat("x", 1<<20), 431},
}

// TestRefused checks that what is ambiguous is answered by the edge, ends the connection, and that nothing
// of it or behind it reaches the callee (H7).
func TestRefused(t *testing.T) {
	reached := make(chan string, 100)
	_, _, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		reached <- r.URL.Path
	})
	for _, tc := range corpus {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, addr)
			go func() {
				io.WriteString(c, tc.text+"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
				c.CloseWrite()
			}()
			r := bufio.NewReader(c)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text(t, res, err); res.StatusCode != tc.status || res.Header.Get("Msctl-Edge") == "" || !res.Close {
				t.Errorf("got %+v, want %d", res, tc.status)
			}
			if _, err := r.ReadByte(); err == nil {
				t.Error("more follows")
			}
		})
	}
	select {
	case path := <-reached:
		t.Errorf("%s reached the callee", path)
	default:
	}
}

// TestLongHead checks a head that is larger than a buffer, and smaller than the limit.
func TestLongHead(t *testing.T) {
	_, _, addr := web(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X", r.Header.Get("X")+"y")
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	})
	c := client(t)
	for _, size := range []int{30 << 10, 32<<10 - 100, 40 << 10, 60 << 10, 10} {
		req, _ := http.NewRequest("POST", "http://"+addr, strings.NewReader(strings.Repeat("b", 50_000)))
		req.Header.Set("X", strings.Repeat("x", size))
		res, err := c.Do(req)
		if got := text(t, res, err); len(got) != 50_000 || len(res.Header.Get("X")) != size+1 {
			t.Errorf("%d: got %d bytes and a header of %d", size, len(got), len(res.Header.Get("X")))
		}
	}
}

// TestLongPath checks that a long path arrives whole, and that no call carries it whole, nor the edge's memory
// of operations.
func TestLongPath(t *testing.T) {
	e, calls, addr := web(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, len(r.URL.Path)) })
	res, err := client(t).Get("http://" + addr + "/" + strings.Repeat("x", 30<<10))
	if got, want := text(t, res, err), fmt.Sprint(30<<10+1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, a := range calls.wait(t, 1)[0].Attrs {
		if len(a.Value) > maxPath {
			t.Errorf("%s has %d bytes", a.Key, len(a.Value))
		}
	}
	if n := len(e.names.seen); n != 0 {
		t.Errorf("%d operations are remembered", n)
	}
}

// TestBadAnswer checks that an answer that cannot be framed is not passed on (H7).
func TestBadAnswer(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded\r\n\r\nab",
		"HTTP/1.1 200 OK\nContent-Length: 2\n\nab",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"garbage\r\n\r\n",
		"HTTP/1.1 200",
		"",
	} {
		_, _, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
			readHeadText(r)
			io.WriteString(c, text)
		})
		if got := say(t, addr, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 502 ") {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

// TestSurplus checks that bytes behind an answer are not taken for the next one (H7).
func TestSurplus(t *testing.T) {
	_, _, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		for readHeadText(r) != "" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
		}
	})
	c := client(t)
	for range 3 {
		res, err := c.Get("http://" + addr)
		if got := text(t, res, err); got != "ok" {
			t.Errorf("got %q", got)
		}
	}
}

// FuzzRequest compares with net/http: what is forwarded net/http reads in the same way, in every cut.
func FuzzRequest(f *testing.F) {
	for _, tc := range corpus {
		if len(tc.text) < 1000 {
			f.Add([]byte(tc.text))
		}
	}
	f.Add([]byte("POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\nrest"))
	f.Add([]byte("PUT /a HTTP/1.0\r\nConnection: keep-alive, x\r\nContent-Length: 3\r\n\r\nabcrest"))
	f.Fuzz(func(t *testing.T, in []byte) {
		w := &wire{conn: &fixed{Reader: bytes.NewReader(in)}}
		n, err := w.readHead()
		if err != nil {
			return
		}
		var h head
		if h.parseRequest(w.bytes()[:n]) != nil {
			return
		}
		r := bufio.NewReader(bytes.NewReader(in))
		req, err := http.ReadRequest(r)
		if err != nil {
			return // stricter than we are where it decides nothing: URLs, hosts
		}
		if m := string(h.method.of(in)); m != req.Method {
			t.Errorf("method %q, want %q", m, req.Method)
		}
		if got, want := string(h.target.of(in)), req.RequestURI; got != want {
			t.Errorf("target %q, want %q", got, want)
		}
		if got, want := h.chunked, len(req.TransferEncoding) > 0; got != want {
			t.Errorf("chunked %v, want %v", got, want)
		}
		if got, want := max(h.length, 0), req.ContentLength; !h.chunked && got != want {
			t.Errorf("length %d, want %d", got, want)
		}
		if got, want := !h.persists(), req.Close; got != want && !h.keepAlive {
			t.Errorf("close %v, want %v", got, want)
		}
		d := requestBody(&h)
		took, err := d.take(in[n:])
		whole, wantErr := io.ReadAll(req.Body)
		if err == nil && d.done && wantErr == nil {
			if left := r.Buffered(); left != len(in)-n-took {
				t.Errorf("%d bytes are left behind the request, want %d; body %q", len(in)-n-took, left, whole)
			}
		}
		if err == nil && d.done && wantErr != nil {
			t.Logf("net/http refuses the body %q: %v", in[n:], wantErr)
		}
	})
}

// FuzzChunks checks that a chunked body ends at the same byte however it is cut.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\nrest"), uint8(3))
	f.Add([]byte("10\r\n0123456789abcdef\r\n00\r\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		all := body{framing: byChunks}
		want, wantErr := all.take(in)
		parts := body{framing: byChunks}
		got := 0
		for got < len(in) && !parts.done {
			end := min(got+int(cut)+1, len(in))
			n, err := parts.take(in[got:end])
			if err != nil {
				if wantErr == nil {
					t.Fatalf("cut: %v", err)
				}
				return
			}
			got += n
		}
		if wantErr != nil || got != want || parts.done != all.done {
			t.Errorf("cut: %d bytes, done %v; whole: %d, %v, %v", got, parts.done, want, all.done, wantErr)
		}
	})
}

// fixed is a connection that says what a reader has.
type fixed struct {
	io.Reader
	net.Conn
}

func (f *fixed) Read(b []byte) (int, error) { return f.Reader.Read(b) }

// TestRoute checks which parts of a path are taken for ids.
func TestRoute(t *testing.T) {
	for in, want := range map[string]string{
		"/v1/orders":      "/v1/orders",
		"/v1/orders/42":   "/v1/orders/{id}",
		"/v1/orders/42/":  "/v1/orders/{id}/",
		"/v2/s3/oauth2/x": "/v2/s3/oauth2/x",
		"/u/3fa85f64-5717-4562-b3fc-2c963f66afa6/a": "/u/{id}/a",
		"/blob/deadbeef12":                          "/blob/{id}",
		"/facade/decade":                            "/facade/decade",
		"/o/ord_01HZX3J9K2M4N5P6Q7R8":               "/o/{id}",
		"/o/order-1234":                             "/o/{id}",
		"/u/ann@example.com":                        "/u/{id}",
		"/notification-preferences/all":             "/notification-preferences/all",
		"/":                                         "/",
		"*":                                         "*",
		"/" + strings.Repeat("ab/", 60):             "/" + strings.Repeat("ab/", 38) + "ab...",
	} {
		if got := template(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"/a?b=/c": "/a", "http://x/a?b": "/a", "http://x": "/", "http://x?y": "/", "*": "*", "x:443": "x:443"} {
		if got := pathOf(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
