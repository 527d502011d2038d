package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// few is how many files a process of TestRoom may have open at most; at its start it is fewer still.
const few = 512

// TestRoom is what H3 asks for where descriptors end: the limit is raised as far as it goes, callers beyond are
// refused in words instead of left waiting, those who are in are served, and msctl can still open files. It runs in
// a process of its own, whose limit is low.
func TestRoom(t *testing.T) {
	if os.Getenv("PROXY_TEST_ROOM") != "" {
		t.Run("callers", roomOfCallers)
		t.Run("targets", roomOfTargets)
		return
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -Sn 128 && ulimit -Hn 512 && exec "$0" -test.run='^TestRoom$'`, os.Args[0])
	cmd.Env = append(os.Environ(), "PROXY_TEST_ROOM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func roomOfCallers(t *testing.T) {
	all := files()
	if all < few-1 { // the runtime leaves out one, to know later that it was the one who raised the limit
		t.Fatalf("it may have %d files open, want the limit raised to %d", all, few)
	}
	notices := make(chan string, few)
	e := &Edge{From: "a", To: "b", Notice: func(text string) { notices <- text }}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, echo)))
	served := fill(t, addr)
	if len(served) < few/8 {
		t.Errorf("%d are served", len(served))
	}
	for range 3 {
		if _, refused := visit(addr); !errors.Is(refused, syscall.ECONNRESET) && !errors.Is(refused, syscall.EPIPE) {
			t.Errorf("one too many gets %v, want a reset", refused)
		}
	}
	for _, c := range served {
		ping(t, c)
	}
	for range few / spareShare / 2 { // the test's own ends are in the same process, and have taken some
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if said, want := <-notices, fmt.Sprintf("edge a:b refuses connections: %d of the %d files", all-2*(all/spareShare), all); !strings.HasPrefix(said, want) || len(notices) > 0 {
		t.Errorf("told %q and %d more, want once %q", said, len(notices), want)
	}
	if s := e.Stats(time.Now()); s.Errors == 0 || s.Targets[0].Ejected {
		t.Errorf("%+v", s)
	}
	for _, c := range served[:4] {
		c.Close()
	}
	until(t, "there is room again", func() bool {
		c, err := visit(addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// fill opens connections until one is not served, and returns those that are.
func fill(t *testing.T, addr string) (served []net.Conn) {
	for {
		c, err := visit(addr)
		if err != nil {
			return served
		}
		t.Cleanup(func() { c.Close() })
		served = append(served, c)
	}
}

// visit opens a connection and says a word, which comes back. A reset may come before the connection is there.
func visit(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(c, "x"); err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func roomOfTargets(t *testing.T) {
	e := &Edge{From: "a", To: "b", Protocol: "http"}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, named("b"))))
	c := dial(t, addr)
	until(t, "it is open", func() bool { return e.Stats(time.Now()).Open == 1 })
	for n := 0; n < few-few/spareShare; { // all numbers that a connection to a target may have
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		n = int(f.Fd())
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 503 "+http.StatusText(http.StatusServiceUnavailable)) ||
		!strings.Contains(string(b), "files that msctl may have open (ulimit -n) are in use: too many open files") {
		t.Errorf("answered %q, %v", b, err)
	}
	if e.Stats(time.Now()).Targets[0].Ejected {
		t.Error("it is held against the target")
	}
}
