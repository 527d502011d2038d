package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

// latencies asks for a delay and takes the time of answers.
func latencies(r *rig) (rows []row, err error) {
	for _, asked := range []time.Duration{5 * time.Millisecond, 50 * time.Millisecond} {
		took, err := pings(r, asked, 100)
		if err != nil {
			return nil, err
		}
		p50, early := took[len(took)/2], took[0] < asked
		off := p50 - asked
		rows = append(rows, row{fmt.Sprintf("latency %v: p50, shortest", asked), milliseconds(p50) + ", " + milliseconds(took[0]),
			"p50 within 0.5 ms, never early", off <= 500*time.Microsecond && !early})
	}
	return rows, nil
}

func pings(r *rig, asked time.Duration, n int) ([]time.Duration, error) {
	c, err := r.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := r.put("latency=" + asked.String()); err != nil {
		return nil, err
	}
	var took []time.Duration
	for range n {
		start := time.Now()
		if err := ping(c); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took, nil
}

// bandwidths asks for a rate and takes the time of a transfer of about a second.
func bandwidths(r *rig) (rows []row, err error) {
	for _, asked := range []float64{1e6, 10e6, 100e6} {
		if err := r.put("bandwidth=" + strconv.FormatFloat(asked, 'f', 0, 64)); err != nil {
			return nil, err
		}
		got, err := rate(r, int64(asked))
		if err != nil {
			return nil, err
		}
		off := 100 * (got/asked - 1)
		rows = append(rows, row{fmt.Sprintf("bandwidth %.0f MB/s", asked/1e6), fmt.Sprintf("%.2f MB/s (%+.1f %%)", got/1e6, off), "within 5 %", math.Abs(off) <= 5})
	}
	return rows, nil
}

// rate sends and gets back so many bytes, and returns how many a second came.
func rate(r *rig, size int64) (float64, error) {
	c, err := r.dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var sending sync.WaitGroup
	defer sending.Wait()
	start := time.Now()
	sending.Go(func() {
		b := make([]byte, 64<<10)
		for left := size; left > 0; {
			n, err := c.Write(b[:min(left, int64(len(b)))])
			if left -= int64(n); err != nil {
				return
			}
		}
	})
	if _, err := io.CopyN(io.Discard, c, size); err != nil {
		return 0, err
	}
	return float64(size) / time.Since(start).Seconds(), nil
}

// coins sees that a seed gives the same coins, and about as many heads as asked for.
func coins(*rig) ([]row, error) {
	const n = 100_000
	same, heads := true, 0
	for i := range uint64(n) {
		c := proxy.Coin(7, "a:b", "latency-1", i)
		same = same && c == proxy.Coin(7, "a:b", "latency-1", i)
		if c < 0.3 {
			heads++
		}
	}
	share := float64(heads) / n
	return []row{{"coins of one seed, toxicity 0.3", fmt.Sprintf("the same, %.3f", share), "the same, 0.300 ± 0.005", same && math.Abs(share-0.3) < 0.005}}, nil
}

// toggles sends on four connections while faults come and go a thousand times.
func toggles(r *rig) ([]row, error) {
	const each = 16 << 20
	var lost, wrong int64
	var mu sync.Mutex
	var talking sync.WaitGroup
	for id := range uint64(4) {
		c, err := r.dial()
		if err != nil {
			return nil, err
		}
		talking.Go(func() {
			defer c.Close()
			go func() {
				rng := rand.New(rand.NewPCG(id, 0))
				b := make([]byte, 32<<10)
				for range each / len(b) {
					for i := 0; i < len(b); i += 8 {
						b[i] = byte(rng.Uint32())
					}
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			}()
			rng := rand.New(rand.NewPCG(id, 0))
			b := make([]byte, 32<<10)
			for k := range each / len(b) {
				n, err := io.ReadFull(c, b)
				bad := 0
				for i := 0; i < n; i += 8 {
					if b[i] != byte(rng.Uint32()) {
						bad++
					}
				}
				mu.Lock()
				wrong += int64(bad)
				if err != nil {
					lost += int64(each - k*len(b) - n)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	lines := []string{"latency=1ms", "bandwidth=200MB/s", "slicer=9KB", "stall"}
	for i := range 500 {
		if err := r.put(lines[i%len(lines)]); err != nil {
			return nil, err
		}
		r.edge.SetFaults(nil)
	}
	talking.Wait()
	return []row{{"1,000 toggles under load: bytes lost, wrong", fmt.Sprintf("%d, %d of %d MiB", lost, wrong, 4*each>>20), "0, 0", lost+wrong == 0}}, nil
}

// idle takes the time of one toggle with a thousand connections that wait.
func idle(r *rig) ([]row, error) {
	for range 1000 {
		c, err := r.dial()
		if err != nil {
			return nil, err
		}
		defer c.Close()
	}
	var rows []row
	for _, line := range []string{"latency=1s", "limit=1MB", "blackhole=1h"} {
		var took []time.Duration
		for range 50 {
			start := time.Now()
			if err := r.put(line); err != nil {
				return nil, err
			}
			r.edge.SetFaults(nil)
			took = append(took, time.Since(start)/2)
		}
		slices.Sort(took)
		p50 := took[len(took)/2]
		rows = append(rows, row{"one toggle of " + line + " with 1,000 idle connections", milliseconds(p50),
			"a tenth of Toxiproxy's 11 ms", p50 < 1100*time.Microsecond})
	}
	return rows, nil
}
