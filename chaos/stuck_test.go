package chaos

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

// TestStuckSink is H2: faults come and go a thousand times while who is sent to does not read. Nobody waits
// for it, and what was sent arrives when it reads again.
func TestStuckSink(t *testing.T) {
	const sent = 8 << 20
	read := make(chan bool)
	got := make(chan int64, 1)
	e, addr := edge(t, "tcp", func(c net.Conn) {
		<-read
		n, _ := io.Copy(io.Discard, c)
		got <- n
	})
	c := dial(t, addr)
	var sending sync.WaitGroup
	sending.Go(func() {
		if _, err := c.Write(make([]byte, sent)); err != nil {
			t.Error(err)
		}
		c.CloseWrite()
	})
	lines := []string{"latency=1h stream=up", "bandwidth=1KB/s stream=up", "stall stream=up", "slicer=10 stream=up", "slow-close=1h stream=up"}
	for i := range 1000 {
		put(t, e, lines[i%len(lines)])
		e.SetFaults(nil)
	}
	close(read)
	sending.Wait()
	select {
	case n := <-got:
		if n != sent {
			t.Errorf("%d bytes arrived", n)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not arrive")
	}
}

// TestTogglesLoseNothing sends both ways while faults of every sort that loses nothing come and go.
func TestTogglesLoseNothing(t *testing.T) {
	e, addr := edge(t, "tcp", echo)
	ctx, stop := context.WithCancel(t.Context())
	var toggling sync.WaitGroup
	toggling.Go(func() {
		lines := []string{"latency=1ms,jitter=1ms", "bandwidth=20MB/s stream=up", "slicer=5000,variation=900", "stall=100KB", "latency=2ms bandwidth=50MB/s,shared slicer=9KB", "hang", "stall stream=up"}
		for i := 0; ctx.Err() == nil; i++ {
			put(t, e, lines[i%len(lines)])
			if i%3 == 0 {
				e.SetFaults(nil)
			}
		}
		e.SetFaults(nil)
	})
	var talking sync.WaitGroup
	for id := range uint64(4) {
		talking.Go(func() {
			c := dial(t, addr)
			want := make([]byte, 1<<20)
			rng := rand.New(rand.NewPCG(id, 1))
			for i := range want {
				want[i] = byte(rng.Uint32())
			}
			go func() {
				for rest := want; len(rest) > 0; {
					n, err := c.Write(rest[:min(len(rest), 1+rng.IntN(90_000))])
					if err != nil {
						return
					}
					rest = rest[n:]
				}
				c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %d bytes of %d, %v", len(got), len(want), err)
			}
		})
	}
	talking.Wait()
	stop()
	toggling.Wait()
}

var _ proxy.Breaker = (*hole)(nil)
