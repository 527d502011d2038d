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
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// piped serves one connection over a pipe, in a bubble of synctest, and returns the caller's end.
func piped(t *testing.T) (*Edge, *record, net.Conn, <-chan struct{}) {
	var r record
	e := &Edge{From: "orders", To: "payments", Protocol: "http", Record: r.add}
	c, server := net.Pipe()
	t.Cleanup(func() { c.Close() })
	ended := make(chan struct{})
	go func() { defer close(ended); e.carry(t.Context(), &serving{}, server) }()
	return e, &r, c, ended
}

// TestSlowHead sends a byte of a head each second and never its end: the edge answers for the callee, and says so.
func TestSlowHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, calls, c, ended := piped(t)
		began := time.Now()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "); err == nil; _, err = c.Write([]byte("x")) {
				time.Sleep(time.Second)
			}
		}()
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if got := text(t, res, err); res == nil || res.StatusCode != http.StatusRequestTimeout || !res.Close || !strings.Contains(got, "within 10s") {
			t.Fatalf("got %v, %q", res, got)
		}
		if took := time.Since(began); took != headTime {
			t.Errorf("answered after %v", took)
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("the connection goes on: %v", err)
		}
		<-ended
		<-gone
		if len(calls.calls) != 1 {
			t.Fatalf("recorded %+v", calls.calls)
		}
		if one := calls.calls[0]; one.Code != 408 || one.Duration != headTime || one.Name != "refused" || one.Err != errSlowHead.why {
			t.Errorf("recorded %+v", one)
		}
		if s := e.Stats(time.Now()); s.Requests != 1 || s.Errors != 1 || s.InFlight != 0 || s.Open != 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

// TestSilentCaller checks how long a connection may say nothing: not for ever when it is new, and as before when it
// has been served. What is slow but whole in time is served.
func TestSilentCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, calls, c, ended := piped(t)
		began := time.Now()
		if b, err := io.ReadAll(c); err != nil || len(b) > 0 || time.Since(began) != silentTime {
			t.Errorf("got %q, %v after %v", b, err, time.Since(began))
		}
		<-ended
		if len(calls.calls) > 0 {
			t.Errorf("recorded %+v", calls.calls)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, _, c, ended := piped(t)
		r := bufio.NewReader(c)
		for range 3 {
			time.Sleep(silentTime - headTime)
			for _, part := range []string{"GET / HT", "TP/1.1\r\nHost:", " a\r\n\r\n"} {
				time.Sleep(headTime / 3)
				if _, err := io.WriteString(c, part); err != nil {
					t.Fatal(err)
				}
			}
			res, err := http.ReadResponse(r, nil)
			if text(t, res, err); res == nil || res.StatusCode != http.StatusBadGateway || res.Close { // there is no target
				t.Fatalf("got %v", res)
			}
			time.Sleep(time.Hour)
		}
		c.Close()
		<-ended
	})
}

// TestSlowHeadH2 does the same in HTTP/2: the preface, and a head in frames that never end.
func TestSlowHeadH2(t *testing.T) {
	for name, tc := range map[string]struct {
		send  func(c io.Writer, f *http2.Framer)
		calls int
	}{
		"preface":  {func(c io.Writer, f *http2.Framer) { io.WriteString(c, http2.ClientPreface[:20]) }, 0},
		"settings": {func(c io.Writer, f *http2.Framer) { io.WriteString(c, http2.ClientPreface) }, 0},
		"payload": {func(c io.Writer, f *http2.Framer) {
			io.WriteString(c, http2.ClientPreface)
			f.WriteSettings()
			c.Write([]byte{0, 0, 9, byte(http2.FrameHeaders), byte(http2.FlagHeadersEndHeaders), 0, 0, 0, 1, 0x82})
		}, 1},
		"continuation": {func(c io.Writer, f *http2.Framer) {
			io.WriteString(c, http2.ClientPreface)
			f.WriteSettings()
			time.Sleep(time.Hour) // an open connection may be idle
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, calls, c, ended := piped(t)
				go io.Copy(io.Discard, c)
				tc.send(c, http2.NewFramer(c, nil))
				began := time.Now()
				<-ended
				if took := time.Since(began); took > headTime || took < headTime-time.Second {
					t.Errorf("it ended after %v", took)
				}
				if n := e.Stats(time.Now()).Errors; int(n) != tc.calls || len(calls.calls) != tc.calls {
					t.Errorf("counted %d, recorded %+v", n, calls.calls)
				}
			})
		})
	}
}

// TestUploadAfterAnswer checks that a caller that is slow to send its request sees what it would see of a callee that
// answers and hangs up, without a word in the answer about that.
func TestUploadAfterAnswer(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for name, end := range map[string]func(c *net.TCPConn){
		"closed":      func(c *net.TCPConn) { c.Close() },
		"half closed": func(c *net.TCPConn) { c.CloseWrite(); io.Copy(io.Discard, c) },
		"reset":       func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"said more":   func(c *net.TCPConn) { io.WriteString(c, "HTTP/1.1 408 Slow\r\n\r\n"); io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			passed := make(chan struct{})
			e, calls, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
				readHeadText(r)
				r.ReadByte()
				io.WriteString(c, answer)
				<-passed
				end(c)
			}, func(e *Edge) { e.hasty = time.Millisecond })
			c := dial(t, addr)
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
			r := bufio.NewReader(c)
			res, err := http.ReadResponse(r, nil)
			if text(t, res, err); res == nil || res.StatusCode != 200 || res.Close {
				t.Fatalf("got %v", res)
			}
			close(passed)
			if b, err := r.ReadByte(); err != io.EOF {
				t.Errorf("the connection goes on: %q, %v", b, err)
			}
			c.Close()
			if one := calls.wait(t, 1)[0]; one.Code != 200 || one.Err != "" {
				t.Errorf("recorded %+v", one)
			}
			until(t, "the connection is gone", func() bool { return e.Stats(time.Now()).Open == 0 })
		})
	}
}

// TestUploadGoesOn checks that a slow upload goes on for as long as the callee keeps its connection, whole answer or
// not, and for what is on its way when the callee says that it will not answer more.
func TestUploadGoesOn(t *testing.T) {
	got := make(chan int, 1)
	_, _, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		for head := readHeadText(r); head != ""; head = readHeadText(r) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			if strings.Contains(head, "/last") {
				c.CloseWrite()
			}
			b := make([]byte, 300)
			n, _ := io.ReadFull(r, b)
			got <- n
		}
	})
	c := dial(t, addr)
	r := bufio.NewReader(c)
	for _, path := range []string{"/first", "/last"} {
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n", path)
		res, err := http.ReadResponse(r, nil)
		text(t, res, err)
		if path == "/last" {
			if _, err := r.ReadByte(); err != io.EOF {
				t.Fatalf("the callee's end is not passed on: %v", err)
			}
		}
		for range 3 {
			c.Write(bytes.Repeat([]byte("x"), 100))
		}
		if n := <-got; n != 300 {
			t.Errorf("%s: the callee got %d bytes", path, n)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("the connection goes on: %v", err)
	}
}
