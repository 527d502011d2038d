package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/state"
)

// pipes is a listener whose connections hold nothing: who writes waits for who reads.
type pipes struct {
	conns chan net.Conn
	done  context.CancelFunc
	ended context.Context
}

func newPipes() *pipes {
	ended, done := context.WithCancel(context.Background())
	return &pipes{conns: make(chan net.Conn), done: done, ended: ended}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.done(); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// ask sends a request and returns the client's end, at which nothing was read yet.
func (p *pipes) ask(t *testing.T, path string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	p.conns <- theirs
	if _, err := io.WriteString(ours, "GET "+path+" HTTP/1.1\r\nHost: msctl\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return ours
}

// TestCrowd is J7: of a thousand clients the stuck ones are dropped after a while, nobody else waits for
// them, and those that are dropped or die leave no goroutine.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const readers, stuck = 100, 900
		f, ln := newFake(), newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- (&Server{Fleet: f, Ended: f.ended}).Serve(ctx, ln) }()

		lines := make(chan string)
		var reading, silent []net.Conn
		for range readers {
			c := ln.ask(t, "/v1/events")
			reading = append(reading, c)
			go func() {
				for s := bufio.NewScanner(c); s.Scan(); {
					if text := s.Text(); len(text) > 0 && text[0] == '{' {
						lines <- text
					}
				}
			}()
		}
		synctest.Wait()
		base := inBubble()
		for i := range stuck {
			silent = append(silent, ln.ask(t, []string{"/v1/events", "/v1/snapshot", "/v1/nothing"}[i%3]))
		}
		begun := time.Now()
		publish(f, 10)
		for range 10 * readers {
			<-lines
		}
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("readers waited %v for those that are stuck", waited)
		}
		time.Sleep(2 * slow)
		synctest.Wait()
		if n := inBubble(); n != base {
			t.Errorf("%d goroutines, %d before the stuck ones came", n, base)
		}
		for _, c := range silent {
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Fatalf("a stuck one is not dropped: %v", err)
			}
		}
		for _, c := range reading[1:] { // they die
			c.Close()
		}
		publish(f, 1)
		<-lines
		time.Sleep(2 * slow)
		synctest.Wait()
		if n := inBubble(); n >= base-2*(readers-1) {
			t.Errorf("%d goroutines, %d before %d readers died", n, base, readers-1)
		}
		cancel()
		if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// inBubble counts the goroutines of the caller's bubble: what other tests leave behind ends when it likes.
func inBubble() int {
	own := make([]byte, 256)
	head, _, _ := strings.Cut(string(own[:runtime.Stack(own, false)]), "\n")
	_, bubble, _ := strings.Cut(head, ", synctest bubble ")
	all := make([]byte, 8<<20)
	return strings.Count(string(all[:runtime.Stack(all, true)]), ", synctest bubble "+bubble+"\n")
}

func publish(f *fake, n int) {
	for range n {
		f.Publish(state.Event{Kind: state.KindPhase, Text: "web is ready", Unit: &state.Unit{Name: "web", Phase: state.Ready}})
	}
}
