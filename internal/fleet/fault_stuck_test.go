package fleet

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/driver/drivertest"
)

// TestStuckRemovalsReturn holds of H2, through the control socket, that no removal hangs and each lifts its fault, a
// thousand times while who is sent to does not read. How long they take is no matter here: `make bench PART=chaos`
// takes their times.
func TestStuckRemovalsReturn(t *testing.T) {
	st := canary(t.TempDir(), 0, 0)
	st.Services[0].Calls[0].Protocol, st.Edges[0].Protocol, st.Services[1].Listen[0].Name = "tcp", "tcp", "tcp"
	fake := &drivertest.Fake{}
	o := options(t, st, fake)
	o.Fault = chaos.Compile
	r := run(t, o, fake)
	if err := r.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	sink, err := net.Listen("tcp", r.get("b").Ports[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close() // nothing was accepted: nobody reads
	defer stuff(t, edgeNamed(t, r.Fleet, "a:b").Addr).Close()
	client, closed := controlled(t, r.Fleet)
	defer closed()
	lines := []string{"latency=1h", "bandwidth=1KB/s", "stall", "slicer=10", "slow-close=1h", "limit,time=1h"}
	for i := range 1000 {
		faults, err := chaos.Parse([]string{"a:b", lines[i%len(lines)], "stream=up"})
		if err != nil {
			t.Fatal(err)
		}
		put, err := client.AddFaults(t.Context(), faults)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := client.RemoveFaults(t.Context(), []string{put[0].ID}); n != 1 || err != nil {
			t.Fatalf("removal %d: lifted %d, %v", i, n, err)
		}
	}
	r.end(nil)
}

// stuff sends over a new connection until it takes no more.
func stuff(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	for err == nil {
		if err = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err == nil {
			_, err = c.Write(make([]byte, 1<<20))
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return c
}

// controlled answers for a fleet on a control socket, until closed is called.
func controlled(t *testing.T, f *Fleet) (_ *control.Client, closed func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.sock")
	ln, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- (&control.Server{Fleet: f}).Serve(ctx, ln) }()
	client, err := control.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return client, func() {
		client.Close()
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	}
}
