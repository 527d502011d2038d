package proxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Latency is a Delayer.
type Latency struct{ Delay, Jitter time.Duration }

func (l Latency) String() string { return "latency " + l.Delay.String() }

func (l Latency) Hold() time.Duration {
	return max(0, l.Delay-l.Jitter+rand.N(2*l.Jitter+1))
}

// Refuse is an Opener.
type Refuse struct{}

func (Refuse) String() string { return "refuse" }
func (Refuse) Open() bool     { return false }

func latency(d, jitter time.Duration) *Faults {
	return &Faults{List: []Fault{Latency{Delay: d, Jitter: jitter}}}
}

// TestLatency checks that an open connection obeys a fault from the next chunk on, and its end as well.
func TestLatency(t *testing.T) {
	const delay = 50 * time.Millisecond
	e := &Edge{}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, echo)))
	c := dial(t, addr)
	timed := func() time.Duration {
		start := time.Now()
		ping(t, c)
		return time.Since(start)
	}
	timed()
	e.SetFaults(latency(delay, 0))
	if got := e.Stats(time.Now()).Faults; !slices.Equal(got, []string{"latency 50ms"}) {
		t.Errorf("acting: %q", got)
	}
	for range 2 {
		if took := timed(); took < delay {
			t.Errorf("delayed: %v", took)
		}
	}
	e.SetFaults(latency(time.Hour, 0))
	c.Write([]byte("ping"))
	until(t, "the chunk is held back", func() bool { return e.Stats(time.Now()).Sent == 16 })
	e.SetFaults(nil) // what is held back goes out at once
	io.ReadFull(c, make([]byte, 4))
	timed()
}

// TestToggle checks that nothing is lost or changed while faults come and go, on the fast path, in the
// kernel's and on the delay line.
func TestToggle(t *testing.T) {
	e := &Edge{}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, echo)))
	stop := make(chan bool)
	var toggler sync.WaitGroup
	toggler.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Microsecond):
			}
			e.SetFaults([]*Faults{nil, latency(100*time.Microsecond, 100*time.Microsecond), latency(0, 0)}[i%3])
		}
	})
	var clients sync.WaitGroup
	for id := range byte(3) {
		clients.Go(func() {
			c := dial(t, addr)
			want := make([]byte, 10<<20)
			r := rand.NewChaCha8([32]byte{id})
			r.Read(want)
			go func() {
				for rest := want; len(rest) > 0; {
					n := min(1+int(r.Uint64()%(256<<10)), len(rest))
					c.Write(rest[:n])
					rest = rest[n:]
				}
				c.CloseWrite()
			}()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, %v, want the same %d", len(got), err, len(want))
			}
		})
	}
	clients.Wait()
	close(stop)
	toggler.Wait()
	if e.SetFaults(nil); len(e.kick) != 0 {
		t.Errorf("%d reads are still registered", len(e.kick))
	}
}

// TestRefuse checks that new connections are reset and open ones stay; over HTTP new requests are reset.
func TestRefuse(t *testing.T) {
	var calls record
	e := &Edge{Record: calls.add}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, echo)))
	open := dial(t, addr)
	ping(t, open)
	e.SetFaults(&Faults{List: []Fault{Refuse{}}})
	ping(t, open)
	if c, err := net.Dial("tcp", addr); err == nil {
		defer c.Close()
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a reset", err)
		}
	}
	if got := calls.wait(t, 1)[0]; got.Err == "" || !slices.Equal(got.Faults, []string{"refuse"}) {
		t.Errorf("recorded %+v", got)
	}

	e, webCalls, addr := web(t, func(w http.ResponseWriter, r *http.Request) {})
	c := client(t)
	sent := 0
	post := func() error {
		res, err := c.Post("http://"+addr, "", strings.NewReader("x"))
		if err == nil {
			res.Body.Close()
		}
		sent++
		webCalls.wait(t, sent)
		return err
	}
	if err := post(); err != nil {
		t.Error(err)
	}
	e.SetFaults(&Faults{List: []Fault{Refuse{}}})
	if err := post(); err == nil {
		t.Error("a request was answered")
	}
	e.SetFaults(nil)
	if err := post(); err != nil {
		t.Error(err)
	}
	if got := webCalls.wait(t, 3)[1]; got.Err == "" || !slices.Equal(got.Faults, []string{"refuse"}) {
		t.Errorf("recorded %+v", got)
	}
}

// TestRequestLatency checks that a request is delayed once, that lifting the fault ends the delay, and
// that a caller who leaves does.
func TestRequestLatency(t *testing.T) {
	reached := make(chan bool, 10)
	e, calls, addr := web(t, func(w http.ResponseWriter, r *http.Request) { reached <- true })
	c := client(t)
	get := func() {
		res, err := c.Get("http://" + addr)
		text(t, res, err)
	}
	get()
	<-reached
	e.SetFaults(latency(30*time.Millisecond, 0))
	start := time.Now()
	get()
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("took %v", took)
	}
	<-reached
	calls.wait(t, 2)
	e.SetFaults(latency(time.Hour, 0))
	done := make(chan bool)
	go func() { get(); close(done) }()
	until(t, "the request is held back", func() bool { return e.Stats(time.Now()).InFlight == 1 })
	e.SetFaults(latency(time.Hour, time.Minute))
	<-done // it was held back under the faults that were lifted
	<-reached
	calls.wait(t, 3)
	gone := dial(t, addr)
	io.WriteString(gone, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
	until(t, "the request is held back", func() bool { return e.Stats(time.Now()).InFlight == 1 })
	gone.SetLinger(0)
	gone.Close()
	got := calls.wait(t, 4)
	if !slices.Equal(got[1].Faults, []string{"latency 30ms"}) || len(got[0].Faults) != 0 || got[3].Err == "" {
		t.Errorf("recorded %+v", got)
	}
	select {
	case <-reached:
		t.Error("a request without a caller was sent")
	default:
	}
}

// TestJitter checks the bounds of a delay.
func TestJitter(t *testing.T) {
	l := Latency{Delay: 10, Jitter: 3}
	seen := map[time.Duration]bool{}
	for range 1000 {
		seen[l.Hold()] = true
	}
	for d := range seen {
		if d < 7 || d > 13 {
			t.Errorf("drew %d", d)
		}
	}
	if len(seen) != 7 {
		t.Errorf("drew %d different ones", len(seen))
	}
	if got := (Latency{Delay: 1, Jitter: 1000}).Hold(); got < 0 {
		t.Errorf("drew %d", got)
	}
}
