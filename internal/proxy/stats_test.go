package proxy

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestHistogram compares quantiles with exact ones.
func TestHistogram(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s slot
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(math.Exp(r.Float64()*16+7)) * time.Nanosecond // 1 µs to 10 s
		all = append(all, d)
		s.calls++
		s.buckets[bucketOf(d)]++
	}
	slices.Sort(all)
	for _, share := range []float64{0.01, 0.5, 0.9, 0.95, 0.99, 1} {
		want := all[int(math.Ceil(share*float64(len(all))))-1]
		got := s.quantile(share)
		if off := math.Abs(float64(got-want)) / float64(want); off > 0.05 && math.Abs(float64(got-want)) > 256 {
			t.Errorf("p%v: got %v, want %v, %.1f %% off", share*100, got, want, off*100)
		}
	}
	for _, d := range []time.Duration{-1, 0, 1, time.Hour, math.MaxInt64} {
		if i := bucketOf(d); i < 0 || i >= bucketCount {
			t.Errorf("%v is in bucket %d", d, i)
		}
	}
	for i := range bucketCount {
		if got := bucketOf(bucketMiddle(i)); got != i {
			t.Errorf("the middle of bucket %d is in %d", i, got)
		}
	}
}

// TestWindow checks rates over the last ten seconds, as calls come and as they go.
func TestWindow(t *testing.T) {
	e := &Edge{}
	at := time.Unix(1_000_000, 0)
	for second := range 20 {
		for i := range 100 {
			e.recent.add(at.Add(time.Duration(second)*time.Second), time.Millisecond, i == 0)
		}
	}
	s := e.Stats(at.Add(20*time.Second - 1))
	if s.Rate < 99 || s.Rate > 101 || s.Failed < 0.99 || s.Failed > 1.01 || s.P95 < 950*time.Microsecond || s.P95 > 1050*time.Microsecond {
		t.Errorf("steady: %+v", s)
	}
	if s := e.Stats(at.Add(25*time.Second - 1)); s.Rate < 49 || s.Rate > 51 {
		t.Errorf("half gone: %+v", s)
	}
	if s := e.Stats(at.Add(40 * time.Second)); s.Rate != 0 || s.P99 != 0 {
		t.Errorf("all gone: %+v", s)
	}
	young := &Edge{}
	young.recent.add(at, time.Second, false)
	if s := young.Stats(at.Add(2 * time.Second)); s.Rate != 0.5 {
		t.Errorf("young: %+v", s)
	}
}

// TestFlights checks the registry of what a service serves.
func TestFlights(t *testing.T) {
	var f Flights
	a, b, c := &flight{span: [8]byte{1}}, &flight{span: [8]byte{2}}, &flight{span: [8]byte{3}}
	for _, one := range []*flight{a, b, c} {
		f.add(one)
	}
	b.remove()
	b.remove()
	if _, ok := f.only(); ok || f.Len() != 2 {
		t.Error("one of two")
	}
	c.remove()
	if o, ok := f.only(); !ok || o.parent != a.span || !o.inferred {
		t.Errorf("got %+v", o)
	}
	a.remove()
	if _, ok := f.only(); ok {
		t.Error("one of none")
	}
	var none *Flights
	none.add(a)
	a.remove()
	if _, ok := none.only(); ok || none.Len() != 0 {
		t.Error("one of no registry")
	}
}
