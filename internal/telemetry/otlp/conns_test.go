package otlp

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// TestEviction: whoever opens many connections and sends nothing does not keep others out (I3).
func TestEviction(t *testing.T) {
	store := &memory{}
	r := &Receiver{Store: store, Metrics: store, MaxConns: 64}
	httpAddr, grpcAddr := run(t, r)
	body := oneSpan(t, nil)
	steady := &http.Client{Timeout: 20 * time.Second}
	defer steady.CloseIdleConnections()
	conn := dial(t, grpcAddr)
	var slowest time.Duration
	for i := range 1000 {
		half(t, httpAddr, "POST /v1/traces HTTP/1.1\r\nX-A: ")
		half(t, grpcAddr, http2.ClientPreface)
		if i%20 != 0 {
			continue
		}
		began := time.Now()
		res, err := steady.Post("http://"+httpAddr+"/v1/traces", asProto, bytes.NewReader(body))
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("post beside %d others: %v %v", i, res, err)
		}
		res.Body.Close()
		if err := conn.Invoke(t.Context(), "/"+signals[traces].service+"/Export", &body, new(mem.Buffer), forceRaw(), grpc.WaitForReady(true)); err != nil {
			t.Fatalf("export beside %d others: %v", i, err)
		}
		slowest = max(slowest, time.Since(began))
	}
	evicted := r.Counts().Evicted
	t.Logf("%d connections closed to make room, slowest pair of exports %v", evicted, slowest)
	if evicted < 1500 {
		t.Errorf("%d connections closed to make room, want nearly 2000", evicted)
	}
}

// TestLeastUsed: the connection that was of use the longest ago goes first, and a closed one makes room.
func TestLeastUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Receiver{}
		l := &listener{max: 2, conns: map[*conn]struct{}{}, evicted: &r.counts.evicted}
		open := func() *conn {
			a, b := net.Pipe()
			t.Cleanup(func() { b.Close() })
			c := &conn{Conn: a, of: l}
			t.Cleanup(func() { c.Close() })
			c.touch()
			time.Sleep(time.Second)
			return c
		}
		a, b, c, d := open(), open(), open(), open()
		l.add(a)
		l.add(b)
		a.touch()
		if old := l.add(c); old != b {
			t.Error("the one that was just of use had to go")
		}
		a.Close()
		if old := l.add(d); old != nil {
			t.Error("a connection had to go although one was closed")
		}
	})
}

// TestSlowSenders: a sender that does not finish is cut off when its time is over (I3). The clock is real,
// since the network is.
func TestSlowSenders(t *testing.T) {
	httpAddr, grpcAddr := run(t, &Receiver{Store: &memory{}, Timeout: time.Second})
	for name, slow := range map[string]func(t *testing.T) net.Conn{
		"headers": func(t *testing.T) net.Conn {
			return half(t, httpAddr, "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nX-")
		},
		"body": func(t *testing.T) net.Conn {
			return half(t, httpAddr, "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\nab")
		},
		"nothing over gRPC": func(t *testing.T) net.Conn { return half(t, grpcAddr, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc := slow(t)
			nc.SetReadDeadline(time.Now().Add(30 * time.Second))
			if _, err := io.Copy(io.Discard, nc); err != nil && isTimeout(err) {
				t.Error("still open after 30s")
			}
		})
	}
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		nc, fr := http2Conn(t, grpcAddr)
		nc.SetDeadline(time.Now().Add(30 * time.Second))
		headers(t, fr)
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				t.Fatalf("read answer: %v", err)
			}
			switch f := f.(type) {
			case *http2.MetaHeadersFrame:
				if f.StreamEnded() {
					return
				}
			case *http2.RSTStreamFrame:
				return
			}
		}
	})
}

func half(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
	return nc
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error)
	return ok && t.Timeout()
}
