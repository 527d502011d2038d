package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// story adds twenty traces, of which the first ten end up in segments, and returns how many requests were
// accepted. Errors of the disk are what it is about.
func story(t *testing.T, d *memoryDisk) (s *Store, accepted int) {
	t.Helper()
	s, err := Open("store", Options{disk: d, Rows: 15, Chunk: 6, Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for n := range byte(20) {
		if err := s.AddSpans(call(n+1, noon.Add(time.Duration(n)*time.Second))); err == nil {
			accepted++
		} else if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		_ = s.spans.flush()
		for more := n%5 == 4; more; {
			if more, err = s.seal(&s.spans); err != nil {
				s.spans.shed()
				break
			}
		}
	}
	_ = s.spans.flush()
	return s, accepted
}

func foundIn(t *testing.T, s *Store) int {
	t.Helper()
	page, err := s.Search(context.Background(), Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range page.Traces {
		if l.Spans != 3 {
			t.Errorf("trace %v has %d spans, want 3", l.ID, l.Spans)
		}
		if spans, err := s.Spans(context.Background(), l.ID); err != nil || len(spans) != 3 {
			t.Errorf("trace %v: %d spans, %v", l.ID, len(spans), err)
		}
	}
	return len(page.Traces)
}

// TestCrashAtEveryWrite stops the world at the Nth operation of the disk, for every N: what was written
// before is there again (I5). A crash before a flush has ended loses that flush alone.
func TestCrashAtEveryWrite(t *testing.T) {
	whole := newMemoryDisk()
	_, accepted := story(t, whole)
	if accepted != 20 {
		t.Fatalf("%d accepted, want 20", accepted)
	}
	for n := range whole.ops {
		for _, half := range []bool{false, true} {
			d := newMemoryDisk()
			d.left, d.half, d.err = n, half, errors.New("crash")
			s, _ := story(t, d)
			inMemory := foundIn(t, s)
			after := reopen(t, d.copy())
			kept := foundIn(t, after)
			t.Logf("crash at %d: %d of %d in memory, %d after", n, inMemory, 20, kept)
			if c := s.Counts(); inMemory+int(c.Refused)+int(c.Dropped)/3 != 20 {
				t.Errorf("crash at %d: %d found, %d refused, %d dropped: not all are counted", n, inMemory, c.Refused, c.Dropped)
			}
			if kept == 0 && n > 4 {
				t.Errorf("crash at %d: nothing kept", n)
			}
		}
	}
}

// TestDiskFillsAndEmpties has a full disk for a while: nothing that was accepted gets lost once there is
// room again, and senders are answered all the time (D4, I5).
func TestDiskFillsAndEmpties(t *testing.T) {
	for from := range 12 {
		d := newMemoryDisk()
		d.left, d.half = from, true
		s, accepted := story(t, d)
		d.mu.Lock()
		d.left = -1
		d.mu.Unlock()
		settle(t, s, true)
		c := s.Counts()
		if got := foundIn(t, reopen(t, d)); got != accepted-int(c.Dropped)/3 || got < 5 {
			t.Errorf("full from %d: %d after a restart, want %d - %d", from, got, accepted, c.Dropped/3)
		}
	}
}

// TestCutAnywhere cuts every file of a store at every byte: the store opens, and the rest is there (I6).
func TestCutAnywhere(t *testing.T) {
	d := newMemoryDisk()
	story(t, d)
	for path, f := range d.files {
		for n := 0; n < len(f.b); n += stepOf(path) {
			c := d.copy()
			c.files[path].b = c.files[path].b[:n]
			if got := foundIn(t, reopen(t, c)); got < 10 {
				t.Fatalf("%s cut at %d: %d traces left of 20", path, n, got)
			}
		}
	}
}

// TestFlipAnywhere turns around a bit of every byte: what cannot be read is passed over and said (I6).
func TestFlipAnywhere(t *testing.T) {
	d := newMemoryDisk()
	story(t, d)
	for path, f := range d.files {
		for n := 0; n < len(f.b); n += stepOf(path) {
			c := d.copy()
			c.files[path].b[n] ^= 1 << (n % 8)
			var said bytes.Buffer
			s, err := Open("store", Options{disk: c, Rows: 16, Log: slog.New(slog.NewTextHandler(&said, nil))})
			if err != nil {
				t.Fatal(err)
			}
			if page, err := s.Search(t.Context(), Query{Limit: 100}); err != nil || len(page.Traces) < 10 {
				t.Fatalf("%s at %d: %d traces, %v", path, n, len(page.Traces), err)
			}
			for n := range byte(20) {
				if spans, err := s.Spans(t.Context(), TraceID{0xaa, 15: n + 1}); err == nil && len(spans) > 3 {
					t.Fatalf("%s at %d: trace %d has %d spans", path, n, n+1, len(spans))
				}
			}
			if _, err := s.Search(t.Context(), Query{Filter: "exception OR lost"}); err != nil {
				t.Fatal(err)
			}
			if said.Len() == 0 && strings.HasSuffix(path, ".seg") && n >= len(segmentMagic) && n < len(f.b)-trailerSize && !untouched(s) {
				t.Errorf("%s at %d: nothing said", path, n)
			}
		}
	}
}

// untouched says that all is there: the flip was in a column that no one asked for.
func untouched(s *Store) bool {
	page, err := s.Search(context.Background(), Query{Limit: 100})
	return err == nil && len(page.Traces) == 20
}

// TestForeignVersion has a segment of another version: it is left alone, and said.
func TestForeignVersion(t *testing.T) {
	d := newMemoryDisk()
	story(t, d)
	path := filepath.Join("store", "spans-00000001.seg")
	b := d.files[path].b
	b[len(b)-12]++
	var said bytes.Buffer
	s, err := Open("store", Options{disk: d, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil || !strings.Contains(said.String(), "another version") {
		t.Fatalf("%v, said %q", err, said.String())
	}
	s.retain(2 << 30)
	if d.files[path] == nil {
		t.Error("the segment of another version was removed")
	}
}

// TestReplayTwice has both a segment and its journal, as after a crash between the two: nothing comes twice.
func TestReplayTwice(t *testing.T) {
	d := newMemoryDisk()
	s := reopen(t, d)
	var logs []Log
	for i := range 10 {
		logs = append(logs, Log{Time: noon, Service: "a", Body: fmt.Sprint(i)})
	}
	if err := s.AddLogs(logs); err != nil {
		t.Fatal(err)
	}
	s.flush()
	d.left = 4 // create, write, sync and rename: not what removes the journal
	s.logs.mu.Lock()
	s.logs.retire()
	s.logs.mu.Unlock()
	_, _ = s.seal(&s.logs)
	if len(d.files) != 2 {
		t.Fatalf("files %v, want a segment and a journal", d.files)
	}
	page, err := reopen(t, d.copy()).Logs(t.Context(), Query{})
	if err != nil || len(page.Logs) != 10 {
		t.Errorf("%d records, %v, want 10", len(page.Logs), err)
	}
}

// stepOf goes through segments byte by byte, and through journals, whose records are all alike, faster.
func stepOf(path string) int {
	if strings.HasSuffix(path, ".wal") {
		return 7
	}
	return 2
}
