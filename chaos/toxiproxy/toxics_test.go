package toxiproxy_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	client "github.com/Shopify/toxiproxy/v2/client"

	"msctl.dev/msctl/chaos"
)

// sent is how many bytes the server of a test sends before it closes.
const sent = 5000

// seen is what a caller saw of one connection.
type seen struct {
	bytes int
	reset bool
	took  time.Duration
}

// effects are what each toxic does to a caller, here and with Toxiproxy alike. Times are least ones.
var effects = []struct {
	toxic, stream string
	attributes    attributes
	toxicity      float32
	want          seen
}{
	{"noop", "", nil, 1, seen{bytes: sent}},
	{"latency", "", attributes{"latency": 100}, 1, seen{bytes: sent, took: 100 * time.Millisecond}},
	{"latency", "upstream", attributes{"latency": 100}, 1, seen{bytes: sent, took: 100 * time.Millisecond}},
	{"latency", "", attributes{"latency": 1 << 20}, 0, seen{bytes: sent}}, // a toxicity of 0 is nobody
	{"bandwidth", "", attributes{"rate": 25}, 1, seen{bytes: sent, took: 150 * time.Millisecond}},
	{"slow_close", "", attributes{"delay": 100}, 1, seen{bytes: sent, took: 100 * time.Millisecond}},
	{"timeout", "", attributes{"timeout": 100}, 1, seen{took: 100 * time.Millisecond}},
	{"reset_peer", "", attributes{"timeout": 0}, 1, seen{reset: true}},
	{"slicer", "", attributes{"average_size": 500, "size_variation": 10, "delay": 10000}, 1, seen{bytes: sent, took: 50 * time.Millisecond}},
	{"limit_data", "", attributes{"bytes": 1234}, 1, seen{bytes: 1234}},
	{"limit_data", "", attributes{"bytes": 0}, 1, seen{}},
}

// TestToxics drives every toxic by Toxiproxy's own Go client, and a caller goes through the proxy.
func TestToxics(t *testing.T) { showEffects(t, serve(t, chaos.Compile, nil)) }

func showEffects(t *testing.T, addr string) {
	c := client.NewClient(addr)
	p, err := c.CreateProxy("server", "127.0.0.1:0", listen(t))
	check(t, err)
	for _, e := range effects {
		t.Run(e.toxic+" "+e.stream, func(t *testing.T) {
			_, err := p.AddToxic("", e.toxic, e.stream, e.toxicity, e.attributes)
			check(t, err)
			first := "x"
			if e.toxic == "timeout" {
				first = stay // the end of a connection goes through at once
			}
			got := call(t, p.Listen, first)
			if got.bytes != e.want.bytes || got.reset != e.want.reset || got.took < e.want.took {
				t.Errorf("the caller saw %+v, want %+v", got, e.want)
			}
			check(t, c.ResetState())
			if got := call(t, p.Listen, "x"); got.bytes != sent || got.reset {
				t.Errorf("after a reset the caller saw %+v", got)
			}
		})
	}
	check(t, p.Disable())
	if conn, err := net.Dial("tcp", p.Listen); err == nil {
		conn.Close()
		t.Error("a disabled proxy is still there")
	}
	check(t, p.Enable())
	if got := call(t, p.Listen, "x"); got.bytes != sent {
		t.Errorf("after it was enabled again the caller saw %+v", got)
	}
}

// TestStallsAreLifted shows a rate of 0 and a timeout that never closes, and that an open connection obeys at
// once when they are removed.
func TestStallsAreLifted(t *testing.T) {
	c := client.NewClient(serve(t, chaos.Compile, nil))
	p, err := c.CreateProxy("server", "127.0.0.1:0", listen(t))
	check(t, err)
	_, err = p.AddToxic("none", "bandwidth", "", 1, attributes{"rate": 0})
	check(t, err)
	done := make(chan seen, 1)
	go func() { done <- call(t, p.Listen, "x") }()
	select {
	case got := <-done:
		done <- got
		t.Errorf("with a rate of 0 the caller saw %+v", got)
	case <-time.After(100 * time.Millisecond):
	}
	check(t, p.RemoveToxic("none"))
	if got := <-done; got.bytes != sent {
		t.Errorf("when it was removed the caller saw %+v", got)
	}
	_, err = p.AddToxic("never", "timeout", "", 1, attributes{"timeout": 0})
	check(t, err)
	go func() { done <- call(t, p.Listen, stay) }()
	select {
	case got := <-done:
		done <- got
		t.Errorf("with a timeout of 0 the caller saw %+v", got)
	case <-time.After(100 * time.Millisecond):
	}
	check(t, p.RemoveToxic("never"))
	if got := <-done; got.bytes == sent {
		t.Error("what a timeout swallowed came back")
	}
}

// stay is the first byte of who does not want the server to close.
const stay = "s"

// listen runs a server that answers the first byte with sent bytes and closes.
func listen(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				first := make([]byte, 1)
				if _, err := io.ReadFull(c, first); err == nil {
					c.Write(make([]byte, sent))
				}
				if string(first) == stay {
					io.Copy(io.Discard, c)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// call makes one connection and reads it to its end.
func call(t *testing.T, addr, first string) (s seen) {
	begun := time.Now()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return s
	}
	defer conn.Close()
	conn.SetDeadline(begun.Add(20 * time.Second))
	conn.Write([]byte(first))
	n, err := io.Copy(io.Discard, conn)
	if errors.Is(err, syscall.ECONNRESET) {
		return seen{int(n), true, time.Since(begun)}
	}
	if err != nil {
		t.Errorf("read: %v", err)
	}
	return seen{int(n), false, time.Since(begun)}
}
