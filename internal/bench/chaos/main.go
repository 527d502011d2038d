// Command chaos measures how exact faults are: what was asked for beside what a connection felt. Everything
// runs in this process, over the loopback, but for the last rows, which ask a whole msctl.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/proxy"
)

// measures are in the order of the table.
var measures = []func(*rig) ([]row, error){latencies, bandwidths, coins, toggles, idle}

// row is one line of the table.
type row struct {
	what, got, target string
	ok                bool
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "role" {
		role(os.Args[2])
		return
	}
	msctl := flag.String("msctl", "bin/msctl", "the `binary` for a whole fleet")
	flag.Parse()
	if abs, err := filepath.Abs(*msctl); err == nil {
		*msctl = abs
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *msctl); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, msctl string) error {
	fmt.Fprintln(w, "| what | msctl | to reach |\n| --- | --- | --- |")
	missed := false
	for _, measure := range measures {
		r, err := newRig(ctx)
		if err != nil {
			return err
		}
		rows, err := measure(r)
		r.stop()
		if err != nil {
			return err
		}
		missed = show(w, rows) || missed
	}
	for _, measure := range []func(context.Context, string) ([]row, error){stuck, searches} {
		rows, err := measure(ctx, msctl)
		if err != nil {
			return err
		}
		missed = show(w, rows) || missed
	}
	if missed {
		return errors.New("a target was missed")
	}
	return nil
}

// show prints rows, and reports whether one misses its target.
func show(w io.Writer, rows []row) (missed bool) {
	for _, one := range rows {
		mark := ""
		if !one.ok {
			mark, missed = " (missed)", true
		}
		fmt.Fprintf(w, "| %s | %s | %s%s |\n", one.what, one.got, one.target, mark)
	}
	return missed
}

// rig is an edge between this process and a server that does what it is asked.
type rig struct {
	edge *proxy.Edge
	addr string
	end  context.CancelFunc
	done chan error
	back net.Listener
}

func newRig(ctx context.Context) (*rig, error) {
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		back.Close()
		return nil, err
	}
	r := &rig{edge: &proxy.Edge{From: "a", To: "b"}, addr: front.Addr().String(), back: back, done: make(chan error, 1)}
	r.edge.SetTargets([]proxy.Target{{Addr: back.Addr().String()}})
	ctx, r.end = context.WithCancel(ctx)
	go r.serve()
	go func() { r.done <- r.edge.Serve(ctx, front) }()
	return r, nil
}

// serve answers with what it gets.
func (r *rig) serve() {
	for {
		c, err := r.back.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}

func (r *rig) stop() {
	r.edge.SetFaults(nil)
	r.end()
	<-r.done
	r.back.Close()
}

// put places what a line of words says.
func (r *rig) put(words ...string) error {
	faults, err := chaos.Parse(append([]string{"a:b"}, words...))
	if err != nil {
		return err
	}
	var list []proxy.Fault
	for _, f := range faults {
		one, err := chaos.Compile(f)
		if err != nil {
			return err
		}
		list = append(list, one)
	}
	r.edge.SetFaults(&proxy.Faults{List: list})
	return nil
}

// dial opens a connection and sees that it works.
func (r *rig) dial() (net.Conn, error) {
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		return nil, err
	}
	if err := ping(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func ping(c net.Conn) error {
	var b [1]byte
	if _, err := c.Write(b[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b[:])
	return err
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}
