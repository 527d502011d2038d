package telemetry

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestRestart runs a store on a real folder twice, and reads it meanwhile as another process would.
func TestRestart(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := filepath.Join(t.TempDir(), "telemetry")
	if _, err := OpenRead(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read what is not there: %v", err)
	}
	for round := range 2 {
		s, err := Open(dir, Options{Rows: 10})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var g sync.WaitGroup
		g.Go(func() { _ = s.Run(ctx) })
		for n := range byte(20) {
			if err := s.AddSpans(call(byte(round)*20+n+1, noon.Add(time.Duration(n)*time.Second))); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.AddLogs([]Log{{Time: noon, Service: "a", Body: "hello"}}); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool {
			r, err := OpenRead(dir)
			return err == nil && foundIn(t, r) == 20*(round+1) && r.Counts().Logs == int64(round+1)
		})
		if r, err := OpenRead(dir); err != nil || !errors.Is(r.AddSpans(call(1, noon)), errReadOnly) {
			t.Errorf("a store that is open for reading takes spans: %v", err)
		}
		cancel()
		g.Wait()
	}
}

// TestReadWhileWritten opens a store over and over while another writes and removes segments.
func TestReadWhileWritten(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{Rows: 30, Disk: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { _ = s.Run(ctx) })
	g.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			_ = s.AddSpans(call(byte(n), noon.Add(time.Duration(n)*time.Second)))
		}
	})
	waitFor(t, func() bool { return s.Counts().Expired > 0 })
	for range 30 {
		r, err := OpenRead(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Search(t.Context(), Query{Filter: "status=error", Limit: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	g.Wait()
}

// TestIdle wants nothing of a store into which nothing comes.
func TestIdle(t *testing.T) {
	s := open(t, Options{})
	if c := s.Counts(); c != (Counts{}) {
		t.Errorf("an empty store has %+v", c)
	}
	if s.spans.active != nil || s.cache.byKey != nil {
		t.Error("memory was taken before the first span")
	}
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !what(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to pass")
		}
	}
}
