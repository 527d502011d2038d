package chaos

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

// through lets a piece of so many bytes through a shape, and returns how long it took and in how many pieces.
func through(s proxy.Shape, size int) (took time.Duration, pieces int) {
	began := time.Now()
	for size > 0 {
		v := s.Next(time.Now(), proxy.Piece{Size: size, Came: began})
		if wait := time.Until(v.Wait); wait > 0 {
			time.Sleep(wait)
			continue
		}
		n := size
		if v.Most > 0 {
			n = min(n, v.Most)
		}
		s.Take(time.Now(), make([]byte, n))
		size -= n
		pieces++
	}
	return time.Since(began), pieces
}

// TestBandwidth takes as long as the rate says at any rate, also where timers are late, and two connections
// that share it as long as both together.
func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []int64{1000, 1e6, 10e6, 100e6} {
			took, _ := through((&Bandwidth{Rate: rate}).Shape(proxy.Conn{}), int(rate*2))
			if off := math.Abs(took.Seconds() - 2); off > 0.01 {
				t.Errorf("%d bytes per second: two seconds' worth took %v", rate, took)
			}
		}
		shared := &Bandwidth{Rate: 1e6, Shared: true}
		took, _ := through(shared.Shape(proxy.Conn{Edge: "a:b"}), 500_000)
		more, _ := through(shared.Shape(proxy.Conn{Edge: "a:b"}), 500_000)
		if off := math.Abs((took + more).Seconds() - 1); off > 0.01 {
			t.Errorf("shared: a second's worth took %v and %v", took, more)
		}
		idle := (&Bandwidth{Rate: 1e6}).Shape(proxy.Conn{})
		through(idle, 1000)
		time.Sleep(time.Hour) // it saves up nothing
		if took, _ := through(idle, 1_000_000); took < 740*time.Millisecond {
			t.Errorf("after an hour of silence a second's worth took %v", took)
		}
	})
}

// TestSlicer cuts into pieces of the size, with the delay between them.
func TestSlicer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Slicer{Size: 100, Delay: time.Millisecond}
		if took, n := through(s.Shape(proxy.Conn{}), 1000); n != 10 || took != 9*time.Millisecond {
			t.Errorf("%d pieces in %v", n, took)
		}
		s = Slicer{Size: 100, Variation: 50}
		if _, n := through(s.Shape(proxy.Conn{Seed: 1}), 100_000); n < 900 || n > 1100 {
			t.Errorf("%d pieces", n)
		}
	})
}

// TestDistributions draws delays around the right middle, never below zero.
func TestDistributions(t *testing.T) {
	for _, tc := range []struct {
		name        string
		from, to    time.Duration // of the median
		least, most time.Duration
	}{
		{"uniform", 97, 103, 80, 120},
		{"normal", 97, 103, 0, 220},
		{"pareto", 107, 116, 100, time.Duration(longest / time.Millisecond)},
	} {
		l := Latency{100 * time.Millisecond, 20 * time.Millisecond, tc.name}
		all := make([]time.Duration, 20_001)
		for i := range all {
			all[i] = l.Hold()
		}
		slices.Sort(all)
		median := all[len(all)/2]
		if median < tc.from*time.Millisecond || median > tc.to*time.Millisecond || all[0] < tc.least*time.Millisecond || all[len(all)-1] > tc.most*time.Millisecond {
			t.Errorf("%s: from %v by %v to %v", tc.name, all[0], median, all[len(all)-1])
		}
	}
}

// TestCorrupt turns over the share of bytes that it says, the same ones with the same seed.
func TestCorrupt(t *testing.T) {
	turned := func(seed uint64, chunk int) (at []int) {
		s := Corrupt{Share: 0.01}.Shape(proxy.Conn{Seed: seed})
		all := make([]byte, 100_000)
		for from := 0; from < len(all); from += chunk {
			s.Take(time.Time{}, all[from:min(from+chunk, len(all))])
		}
		for i, b := range all {
			if b != 0 {
				at = append(at, i)
			}
		}
		return at
	}
	one := turned(7, 100_000)
	if len(one) < 900 || len(one) > 1100 {
		t.Errorf("%d of 100000 bytes are wrong", len(one))
	}
	if !slices.Equal(one, turned(7, 777)) || slices.Equal(one, turned(8, 777)) {
		t.Error("the seed does not decide which")
	}
}
