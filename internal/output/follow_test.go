package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errEnough = errors.New("enough")

// follow collects lines until there are n, or fails after a minute.
func follow(t *testing.T, h *Hub, dir string, q Query, n int) (got []Line) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := h.Follow(ctx, dir, q, func(lines []Line) error {
		if got = append(got, lines...); len(got) >= n {
			return errEnough
		}
		return nil
	})
	if err != errEnough {
		t.Errorf("follow ended after %d of %d lines: %v", len(got), n, err)
	}
	return got
}

// TestFollow is D7: over 50 restarts of the writer and many segments, two followers, one of them there
// before the folder is, see each line once and in order.
func TestFollow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs", "orders")
	const runs, each = 50, 200
	var hub Hub
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i, l := range follow(t, &hub, dir, Query{}, runs*each) {
				if want := fmt.Sprintf("line %d", i+1); string(l.Text) != want || l.Seq != uint64(i+1) {
					t.Errorf("got %d %q, want %q", l.Seq, l.Text, want)
					return
				}
			}
		})
	}
	n := 0
	for range runs {
		w := open(t, dir, Options{SegmentBytes: 4 << 10})
		for range each {
			n++
			w.Append(t0, Stdout, fmt.Appendf(nil, "line %d", n))
			if n%7 == 0 {
				w.Flush()
			}
		}
		w.Close()
	}
	wg.Wait()
}

// TestFollowAnew goes on when the whole log is removed and begins again at one.
func TestFollowAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	w := open(t, dir, Options{})
	write(t, w, "one", "two")
	w.Close()
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := Follow(ctx, dir, Query{}, func(lines []Line) error {
		for _, l := range lines {
			got = append(got, string(l.Text))
		}
		switch len(got) {
		case 2:
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			w := open(t, dir, Options{})
			defer w.Close()
			write(t, w, "three")
		case 3:
			return errEnough
		}
		return nil
	})
	if err != errEnough {
		t.Fatal(err)
	}
	same(t, got, []string{"one", "two", "three"})
}

// TestFollowGap tells a follower that is slower than retention what it missed.
func TestFollowGap(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, Options{MaxBytes: 2 << 10, SegmentBytes: 512})
	write(t, w, "line 1")
	var got []Line
	err := Follow(t.Context(), dir, Query{}, func(lines []Line) error {
		if len(got) == 0 {
			for i := range 200 {
				write(t, w, fmt.Sprintf("line %d", i+2))
			}
		}
		if got = append(got, lines...); got[len(got)-1].Seq >= 201 {
			return errEnough
		}
		return nil
	})
	w.Close()
	if err != errEnough {
		t.Fatal(err)
	}
	next, notes := uint64(1), 0
	for _, l := range got {
		if l.Stream == Note {
			notes++
		} else if l.Seq != next {
			t.Fatalf("line %d came without a note, want %d", l.Seq, next)
		}
		next = l.Seq + 1
	}
	if notes == 0 {
		t.Error("no note about the gap")
	}
}

func TestQuery(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, Options{SegmentBytes: 256})
	for i := range 40 {
		w.Append(t0.Add(time.Duration(i)*time.Second), Stdout, fmt.Appendf(nil, "\x1b[3%dmline\x1b[0m %d", i%8, i+1))
		w.Flush()
	}
	w.Close()
	cases := []struct {
		name        string
		q           Query
		n           int
		first, last uint64
	}{
		{"all", Query{}, 40, 1, 40},
		{"from", Query{FromSeq: 33}, 8, 33, 40},
		{"since", Query{Since: t0.Add(30 * time.Second)}, 10, 31, 40},
		{"grep past the colours", Query{Grep: regexp.MustCompile(`^line .5$`)}, 3, 15, 35},
		{"beyond the end", Query{FromSeq: 99}, 0, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []Line
			Read(t.Context(), dir, c.q, func(l Line) error { got = append(got, l); return nil })
			if len(got) != c.n {
				t.Fatalf("%d lines, want %d", len(got), c.n)
			}
			if c.n > 0 && (got[0].Seq != c.first || got[c.n-1].Seq != c.last) {
				t.Errorf("lines %d to %d, want %d to %d", got[0].Seq, got[c.n-1].Seq, c.first, c.last)
			}
		})
	}
	tail, err := Tail(dir, 30) // over several segments
	if err != nil || len(tail) != 30 || tail[0].Seq != 11 || tail[29].Seq != 40 {
		t.Errorf("tail of 30: %d lines, %v", len(tail), err)
	}
}

// BenchmarkFollow measures writing and following at once.
func BenchmarkFollow(b *testing.B) {
	dir := b.TempDir()
	w, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	text := []byte("2026-01-02T03:04:05Z INFO order placed id=4711 customer=42 total=12.50 EUR")
	go func() {
		for i := range b.N {
			w.Append(t0, Stdout, text)
			if i%700 == 0 {
				w.Flush()
			}
		}
		w.Close()
	}()
	n := 0
	Follow(b.Context(), dir, Query{}, func(lines []Line) error {
		if n += len(lines); n >= b.N || lines[len(lines)-1].Seq >= uint64(b.N) {
			return errEnough
		}
		return nil
	})
}

// TestGapAtTheStart is D3: who goes on reading where lines were dropped meanwhile is told how many.
func TestGapAtTheStart(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, Options{MaxBytes: 4000, SegmentBytes: 1000})
	for i := range 500 {
		w.Append(t0, Stdout, fmt.Appendf(nil, "line %d", i+1))
		w.Flush()
	}
	w.Close()
	var first []string
	err := Read(t.Context(), dir, Query{FromSeq: 2}, func(l Line) error {
		first = append(first, fmt.Sprintf("%d %s", l.Seq, l.Text))
		return nil
	})
	var missing, next int
	if _, scanned := fmt.Sscanf(first[0]+" "+first[1], "%d %d lines are missing here: they were dropped to bound the log %d", new(int), &missing, &next); err != nil || scanned != nil {
		t.Fatalf("%v, %v: %q", err, scanned, first[:2])
	}
	if missing == 0 || missing+2 != next {
		t.Errorf("%d lines are said to be missing between 1 and %d", missing, next)
	}
}
