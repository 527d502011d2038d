package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// told notes what a wire said.
type told struct{ n int }

func (t *told) said(n int, err error) error { t.n += n; return err }

// pair returns the two ends of a connection over loopback.
func pair(t *testing.T) (near, far *net.TCPConn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near = dial(t, ln.Addr().String())
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); c.Close() })
	return near, c.(*net.TCPConn)
}

func TestSay(t *testing.T) {
	near, far := pair(t)
	go func() {
		b := make([]byte, 4)
		_, _ = io.ReadFull(far, b)
		_, _ = far.Write(bytes.ToUpper(b))
	}()
	var by told
	w := newWire(near, 0)
	if err := new(turn).say(w, []byte("ping"), true, &by); err != nil || string(w.bytes()) != "PING" || by.n != 4 {
		t.Errorf("said %d bytes, heard %q, error %v", by.n, w.bytes(), err)
	}
}

// What there is no room for is written when there is.
func TestSayMuch(t *testing.T) {
	near, far := pair(t)
	_ = near.SetWriteBuffer(16 << 10)
	_ = far.SetReadBuffer(16 << 10)
	much := bytes.Repeat([]byte("x"), 8<<20)
	go func() {
		n, _ := io.CopyN(io.Discard, far, int64(len(much)))
		if n == int64(len(much)) {
			_, _ = far.Write([]byte("all"))
		}
	}()
	var by told
	w := newWire(near, 0)
	if err := new(turn).say(w, much, false, &by); err != nil || string(w.bytes()) != "all" || by.n != len(much) {
		t.Errorf("said %d bytes, heard %q, error %v", by.n, w.bytes(), err)
	}
}

// Nothing is said on an idle connection that its peer has ended, or on which it said something unasked.
func TestSayStale(t *testing.T) {
	for name, end := range map[string]func(c *net.TCPConn){
		"ended": func(c *net.TCPConn) { c.CloseWrite() },
		"reset": func(c *net.TCPConn) { abort(c) },
		"spoke": func(c *net.TCPConn) { _, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			end(far)
			w, by := newWire(near, 0), told{}
			_ = w.spoken() // it has arrived
			if err := new(turn).say(w, []byte("ping"), true, &by); !errors.Is(err, errStale) || by.n != 0 {
				t.Errorf("said %d bytes, error %v", by.n, err)
			}
		})
	}
}

// On a new connection the callee may speak before it is asked.
func TestSayToEager(t *testing.T) {
	near, far := pair(t)
	_, _ = io.WriteString(far, "early")
	w, by := newWire(near, 0), told{}
	_ = w.spoken()
	if err := new(turn).say(w, []byte("ping"), false, &by); err != nil || string(w.bytes()) != "early" || by.n != 4 {
		t.Errorf("said %d bytes, heard %q, error %v", by.n, w.bytes(), err)
	}
}

// A request that may not be repeated is not lost on connections that its callee ends after each answer without a word.
func TestRudeCallee(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	ended := make(chan struct{}, 5)
	_, rec, addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		if req, err := http.ReadRequest(r); err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(c, answer)
			c.Close()
			ended <- struct{}{}
		}
	})
	c := client(t)
	for range 5 {
		res, err := c.Post("http://"+addr, "text/plain", strings.NewReader("hello"))
		if got := text(t, res, err); got != "ok" {
			t.Fatalf("got %q", got)
		}
		<-ended
	}
	for _, call := range rec.wait(t, 5) {
		if call.Err != "" {
			t.Errorf("%s failed: %s", call.Name, call.Err)
		}
	}
}
