package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"msctl.dev/msctl/internal/bench/proc"
)

// A measure takes one figure, or several at once, of one way; none where it has no such thing.
type measure struct {
	name string
	at   func(w *way) string // the address that it goes to
	rows []row
	run  func(o options, w *way) ([]float64, error)
}

// row is one figure of a measure.
type row struct {
	name, format string
	scale        float64
	goal         string // beside Toxiproxy
}

// measures are in the order in which they are taken. Memory comes first: later it would be what the others
// left behind.
var measures = []measure{
	{name: "idle", at: echoAt, run: idle, rows: []row{
		{"memory per idle connection (PSS), KiB", "%.1f", 1.0 / 1024, "0.5x"},
		{"latency set or lifted over HTTP with them open, p50, ms", "%.2f", 1e3, "0.1x"}}},
	{name: "requests", at: httpAt, run: requests, rows: []row{
		{"HTTP requests/s, keep-alive (msctl: traced)", "%.0f", 1, ""}, {"CPU per request, µs", "%.1f", 1e6, "0.75x"}}},
	{name: "calls", at: grpcAt, run: calls, rows: []row{
		{"unary gRPC calls/s (msctl: traced)", "%.0f", 1, ""}, {"CPU per call, µs", "%.1f", 1e6, ""}}},
	{name: "bulk", at: sourceAt, run: bulk, rows: []row{{"bulk, GB/s", "%.2f", 1e-9, "2.5x"}, {"CPU per GB, s", "%.2f", 1e9, "0.15x"}}},
	{name: "connections", at: echoAt, run: connections, rows: []row{
		{"new connections/s", "%.0f", 1, "1.5x"}, {"CPU per connection, µs", "%.0f", 1e6, ""}}},
	{name: "pings", at: echoAt, run: pings, rows: []row{{"64 bytes there and back, p50, µs", "%.1f", 1e6, ""}}},
	{name: "half-close", at: echoAt, run: halfClose, rows: []row{{"half-close: KB lost of 15,000", "%.0f", 1e-3, "none lost"}}},
}

func httpAt(w *way) string   { return w.http }
func grpcAt(w *way) string   { return w.grpc }
func echoAt(w *way) string   { return w.echo }
func sourceAt(w *way) string { return w.source }

func names() string {
	var all []string
	for _, m := range measures {
		all = append(all, m.name)
	}
	return strings.Join(all, ",")
}

var request = []byte("GET /v1/orders/42 HTTP/1.1\r\nHost: payments\r\nUser-Agent: bench\r\nAccept: application/json\r\n\r\n")

func requests(o options, w *way) ([]float64, error) {
	return rate(o, w, o.load, func(stop *atomic.Bool) (n float64, err error) {
		c, err := net.Dial("tcp", w.http)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		for r := bufio.NewReader(c); !stop.Load(); n++ {
			if _, err := c.Write(request); err != nil {
				return n, err
			}
			if err := answer(r); err != nil {
				return n, err
			}
		}
		return n, nil
	})
}

// answer reads one answer of the backend.
func answer(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err := r.Discard(len(`{"status":"ok"}`))
			return err
		}
	}
}

// callConns is how many connections the gRPC calls share.
const callConns = 4

func calls(o options, w *way) ([]float64, error) {
	var next atomic.Int64
	var conns [callConns]*grpc.ClientConn
	for i := range conns {
		c, err := grpc.NewClient("passthrough:///"+w.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		defer c.Close()
		conns[i] = c
	}
	return rate(o, w, o.load, func(stop *atomic.Bool) (n float64, err error) {
		c := grpc_health_v1.NewHealthClient(conns[next.Add(1)%callConns])
		for ; !stop.Load(); n++ {
			if _, err := c.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
				return n, err
			}
		}
		return n, nil
	})
}

func bulk(o options, w *way) ([]float64, error) {
	return rate(o, w, 1, func(stop *atomic.Bool) (n float64, err error) {
		c, err := net.Dial("tcp", w.source)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		for b := make([]byte, 1<<20); !stop.Load(); {
			m, err := c.Read(b)
			if err != nil {
				return n, err
			}
			n += float64(m)
		}
		return n, nil
	})
}

func connections(o options, w *way) ([]float64, error) {
	return rate(o, w, 4, func(stop *atomic.Bool) (n float64, err error) {
		for b := make([]byte, 1); !stop.Load(); n++ {
			c, err := net.Dial("tcp", w.echo)
			if err != nil {
				return n, err
			}
			_, _ = c.Write(b)
			_, err = io.ReadFull(c, b)
			_ = c.(*net.TCPConn).SetLinger(0) // leaves no port behind
			c.Close()
			if err != nil {
				return n, err
			}
		}
		return n, nil
	})
}

// rate runs do in n goroutines for a while, and returns what they did in a second, and the CPU of the
// proxy for each.
func rate(o options, w *way, n int, do func(stop *atomic.Bool) (float64, error)) ([]float64, error) {
	var stop atomic.Bool
	var mu sync.Mutex
	var all sync.WaitGroup
	var total float64
	var failed error
	used, began := w.cpu(w.pid), time.Now()
	for range n {
		all.Go(func() {
			m, err := do(&stop)
			mu.Lock()
			defer mu.Unlock()
			total += m
			if err != nil {
				failed = err
			}
		})
	}
	time.AfterFunc(o.each, func() { stop.Store(true) })
	all.Wait()
	took := time.Since(began).Seconds()
	if failed != nil {
		return nil, failed
	}
	each := none
	if w.pid != 0 {
		each = (w.cpu(w.pid) - used) / total
	}
	return []float64{total / took, each}, nil
}

func pings(_ options, w *way) ([]float64, error) {
	c, err := net.Dial("tcp", w.echo)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var took []float64
	for b := make([]byte, 64); len(took) < 3000; {
		began := time.Now()
		if _, err := c.Write(b); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	return []float64{proc.Median(took)}, nil
}

// idle opens many connections, uses each once, and then sets and lifts a fault.
func idle(o options, w *way) ([]float64, error) {
	for range o.idle {
		c, err := net.Dial("tcp", w.echo)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return nil, err
		}
	}
	if w.pid == 0 {
		return []float64{none, none}, nil
	}
	each := (proc.Memory(w.pid) - w.atRest) / float64(o.idle)
	if w.toggle == nil {
		return []float64{each, none}, nil
	}
	var took []float64
	for i := range 20 {
		began := time.Now()
		if err := w.toggle(i%2 == 0); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	return []float64{each, proc.Median(took)}, nil
}

// Half-close.
const (
	halfCloses = 50
	halfBytes  = 300_000
)

// halfClose says all, ends its side, reads the answer to its end, and returns how much of it never came.
func halfClose(_ options, w *way) ([]float64, error) {
	lost := halfCloses * halfBytes
	for range halfCloses {
		c, err := net.Dial("tcp", w.echo)
		if err != nil {
			return nil, err
		}
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		var said sync.WaitGroup
		said.Go(func() {
			_, _ = c.Write(make([]byte, halfBytes))
			_ = c.(*net.TCPConn).CloseWrite()
		})
		b, _ := io.ReadAll(c) // a reset is what is measured
		lost -= len(b)
		c.Close()
		said.Wait()
	}
	return []float64{float64(lost)}, nil
}
