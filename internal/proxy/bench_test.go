package proxy

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"
)

// benchmarks compare the way through an edge with the direct one.
func benchmarks(b *testing.B, protocol string, handle func(*net.TCPConn), run func(b *testing.B, addr string)) {
	direct := backend(b, handle)
	b.Run("direct", func(b *testing.B) { run(b, direct) })
	b.Run("edge", func(b *testing.B) {
		e := &Edge{To: "x", Protocol: protocol, Record: func(Call) {}, Callee: &Flights{}}
		addr := serve(b, e)
		e.SetTargets(to(direct))
		run(b, addr)
	})
}

// BenchmarkPing is 64 bytes there and back on one connection.
func BenchmarkPing(b *testing.B) {
	benchmarks(b, "tcp", echo, func(b *testing.B, addr string) {
		c := dial(b, addr)
		c.SetDeadline(time.Time{})
		buf := make([]byte, 64)
		for b.Loop() {
			c.Write(buf)
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRequest is one small HTTP request on one connection, traced and recorded.
func BenchmarkRequest(b *testing.B) {
	answer := func(c *net.TCPConn) {
		for r := bufio.NewReader(c); readHeadText(r) != ""; {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}")
		}
	}
	benchmarks(b, "http", answer, func(b *testing.B, addr string) {
		c := dial(b, addr)
		c.SetDeadline(time.Time{})
		req := []byte("GET /v1/orders/42 HTTP/1.1\r\nHost: payments\r\nUser-Agent: bench\r\nAccept-Encoding: gzip\r\n\r\n")
		r := bufio.NewReader(c)
		for b.Loop() {
			c.Write(req)
			if readHeadText(r) == "" {
				b.Fatal("no answer")
			}
			r.Discard(15)
		}
	})
}

// BenchmarkBulk is bytes one way.
func BenchmarkBulk(b *testing.B) {
	sink := func(c *net.TCPConn) { io.Copy(io.Discard, struct{ io.Reader }{c}) }
	benchmarks(b, "tcp", sink, func(b *testing.B, addr string) {
		c := dial(b, addr)
		c.SetDeadline(time.Time{})
		buf := make([]byte, 1<<20)
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			if _, err := c.Write(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkConnect is one connection that is opened, used and closed.
func BenchmarkConnect(b *testing.B) {
	benchmarks(b, "tcp", echo, func(b *testing.B, addr string) {
		for b.Loop() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			c.Write([]byte("x"))
			io.ReadFull(c, make([]byte, 1))
			c.Close()
		}
	})
}

// BenchmarkToggle sets and lifts a fault with a thousand connections open.
func BenchmarkToggle(b *testing.B) {
	e := &Edge{}
	addr := serve(b, e)
	e.SetTargets(to(backend(b, echo)))
	for range idleMany {
		ping(b, dial(b, addr))
	}
	for b.Loop() {
		e.SetFaults(latency(time.Second, 0))
		e.SetFaults(nil)
	}
}
