package kittest

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Lossy puts a relay before a Redis and returns its URL: the server does what a command asks that has the
// word in it, whatever its case, and the connection ends in place of its answer. That happens to the first n
// of them.
func Lossy(t testing.TB, redisURL, word string, n int) string {
	t.Helper()
	return lossy(t, redisURL, "\r\n"+word+"\r\n", n)
}

// LossySQL is [Lossy] for a Postgres: the connection ends in the middle of the first n statements that have
// the text in them.
func LossySQL(t testing.TB, postgresURL, text string, n int) string {
	t.Helper()
	return lossy(t, postgresURL, text, n)
}

func lossy(t testing.TB, server, word string, n int) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{to: u.Host, word: bytes.ToLower([]byte(word))}
	r.left.Store(int64(n))
	r.all.Go(func() { r.accept(ln) })
	t.Cleanup(func() { ln.Close(); r.end(); r.all.Wait() })
	u.Host = ln.Addr().String()
	return u.String()
}

// relay is what is between.
type relay struct {
	to   string
	word []byte
	left atomic.Int64 // answers to lose
	all  sync.WaitGroup

	mu    sync.Mutex // guards conns and ended
	conns []net.Conn
	ended bool
}

func (r *relay) accept(ln net.Listener) {
	for {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.to)
		if err != nil {
			client.Close()
			continue
		}
		if !r.keep(client, server) {
			return
		}
		var lost atomic.Bool // the next answer
		r.all.Go(func() { r.pass(server, client, func(b []byte) bool { r.look(b, &lost); return true }) })
		r.all.Go(func() { r.pass(client, server, func([]byte) bool { return !lost.Load() }) })
	}
}

// look sees whether the answer to a command is to be lost. A client sends one in one piece, and waits.
func (r *relay) look(command []byte, lost *atomic.Bool) {
	if bytes.Contains(bytes.ToLower(command), r.word) && r.left.Add(-1) >= 0 {
		lost.Store(true)
	}
}

// pass copies until a side ends or ok says no, and ends both.
func (r *relay) pass(to io.WriteCloser, from io.ReadCloser, ok func([]byte) bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && !ok(b[:n]) {
			return
		}
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// keep remembers connections, to end them. It is false where all is over.
func (r *relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, conns...)
	if r.ended {
		for _, c := range conns {
			c.Close()
		}
	}
	return !r.ended
}

func (r *relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, c := range r.conns {
		c.Close()
	}
}
