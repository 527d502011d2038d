package container

import (
	"net"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
)

// cutter is a unix socket in front of the engine's, which a test can cut as a restart of the engine does,
// and which calls on for each request. Where that returns a function, the answer is kept back and the
// function called instead.
type cutter struct {
	path, engine string
	on           func(request string) (answered func())

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// newCutter opens one. The real engine is the one that an ordinary driver finds.
func newCutter(t *testing.T, on func(request string) func()) *cutter {
	t.Helper()
	_, host, err := dial(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{path: filepath.Join(t.TempDir(), "s"), engine: host[len("unix://"):], on: on}
	c.mend(t)
	t.Cleanup(func() { c.cut(); c.wg.Wait() })
	return c
}

func (c *cutter) host() string { return "unix://" + c.path }

// mend listens (again).
func (c *cutter) mend(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("unix", c.path)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.ln, c.conns = ln, map[net.Conn]bool{}
	c.mu.Unlock()
	c.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.serve(conn) })
		}
	})
}

// cut ends every connection and lets nobody in.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ln.Close()
	for conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	engine, err := net.Dial("unix", c.engine)
	if err != nil {
		return
	}
	defer engine.Close()
	c.mu.Lock()
	if c.conns == nil {
		c.mu.Unlock()
		return
	}
	c.conns[client], c.conns[engine] = true, true
	c.mu.Unlock()
	var both sync.WaitGroup
	var answered atomic.Pointer[func()]
	both.Go(func() { c.requests(engine, client, &answered); engine.(*net.UnixConn).CloseWrite() })
	both.Go(func() { answers(client, engine, &answered); client.Close() })
	both.Wait()
}

// requests copies what the client sends. A request begins with a write of its own.
func (c *cutter) requests(engine, client net.Conn, answered *atomic.Pointer[func()]) {
	line := regexp.MustCompile(`^([A-Z]+ \S+) HTTP/1\.1\r\n`)
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if m := line.FindSubmatch(buf[:n]); m != nil && c.on != nil {
			if fn := c.on(string(m[1])); fn != nil {
				answered.Store(&fn)
			}
		}
		if _, werr := engine.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

// answers copies what the engine answers.
func answers(client, engine net.Conn, answered *atomic.Pointer[func()]) {
	buf := make([]byte, 64<<10)
	for {
		n, err := engine.Read(buf)
		if fn := answered.Load(); fn != nil {
			(*fn)()
			return
		}
		if _, werr := client.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}
