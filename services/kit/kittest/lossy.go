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

// Swallow puts a relay before a server and returns its URL: the first n pieces that a client sends with the
// text in them do not arrive, and nobody is told.
func Swallow(t testing.TB, server, text string, n int) string {
	t.Helper()
	return between(t, server, &relay{swallow: true, word: []byte(text)}, n)
}

// Still puts a relay before a server and returns its URL, and a function that makes it stand still, or go on: as
// long as it does, nothing that a client sends arrives, and no connection ends. What the server says comes through.
func Still(t testing.TB, server string) (at string, still func(bool)) {
	t.Helper()
	r := &relay{}
	at = between(t, server, r, 0)
	return at, r.still
}

func lossy(t testing.TB, server, word string, n int) string {
	t.Helper()
	return between(t, server, &relay{word: []byte(word)}, n)
}

func between(t testing.TB, server string, r *relay, n int) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.to, r.word = u.Host, bytes.ToLower(r.word)
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

	swallow bool // the command is lost, not its answer

	gate sync.RWMutex // held for writing while the relay stands still

	mu      sync.Mutex // guards what follows
	conns   []net.Conn
	ended   bool
	stopped bool // it stands still
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
		r.all.Go(func() { r.pass(server, client, func(b []byte) ([]byte, bool) { return r.look(b, &lost), true }) })
		r.all.Go(func() { r.pass(client, server, func(b []byte) ([]byte, bool) { return b, !lost.Load() }) })
	}
}

// still makes the relay stand still or go on. At its end it goes on for good.
func (r *relay) still(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case yes && !r.stopped && !r.ended:
		r.gate.Lock()
	case !yes && r.stopped:
		r.gate.Unlock()
	default:
		return
	}
	r.stopped = yes
}

// look sees whether a command or the answer to it is to be lost, and returns what goes on. A client sends one in
// one piece, and waits. Where the relay stands still, so does this.
func (r *relay) look(command []byte, lost *atomic.Bool) []byte {
	r.gate.RLock()
	defer r.gate.RUnlock()
	switch hit := bytes.Contains(bytes.ToLower(command), r.word) && r.left.Add(-1) >= 0; {
	case hit && r.swallow:
		return nil
	case hit:
		lost.Store(true)
	}
	return command
}

// pass copies what see returns until a side ends or see says no, and ends both.
func (r *relay) pass(to io.WriteCloser, from io.ReadCloser, see func([]byte) ([]byte, bool)) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		out, ok := see(b[:n])
		if n > 0 && !ok {
			return
		}
		if _, werr := to.Write(out); err != nil || werr != nil {
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
	r.still(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, c := range r.conns {
		c.Close()
	}
}
