package output

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func open(t *testing.T, dir string, o Options) *Writer {
	t.Helper()
	w, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func write(t *testing.T, w *Writer, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if err := w.Append(t0, Stdout, []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
}

// all returns what dir holds as "1 text", and fails where sequence numbers are not in order.
func all(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := Read(t.Context(), dir, Query{}, func(l Line) error {
		out = append(out, fmt.Sprintf("%d %s", l.Seq, l.Text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestWriteRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "orders")
	w := open(t, dir, Options{})
	long := strings.Repeat("x", MaxLine+5)
	w.Append(t0, Stdout, []byte("one"))
	w.AppendCut(t0.Add(time.Second), Stderr, []byte(long), 7)
	w.Append(t0.Add(2*time.Second), Note, nil)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(t0, Stdout, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	lines, err := Tail(dir, 5)
	if err != nil || len(lines) != 3 {
		t.Fatalf("tail: %d lines, %v", len(lines), err)
	}
	l := lines[1]
	if l.Seq != 2 || l.Stream != Stderr || len(l.Text) != MaxLine || l.Cut != 12 || !l.At.Equal(t0.Add(time.Second)) {
		t.Errorf("got seq %d %v, %d bytes, cut %d, at %v", l.Seq, l.Stream, len(l.Text), l.Cut, l.At)
	}
	if got, _ := Tail(dir, 1); len(got) != 1 || got[0].Stream != Note {
		t.Errorf("tail of one: %v", got)
	}
	if got, err := Tail(filepath.Join(dir, "none"), 1); len(got) != 0 || err != nil {
		t.Errorf("tail of nothing: %v, %v", got, err)
	}
	st, _ := os.Stat(w.path)
	if st.Mode().Perm() != 0o600 { // K2
		t.Errorf("mode %v", st.Mode())
	}
}

// TestTorn is B3 and D5 for logs: cut at every byte, the log reopens, keeps every whole line, numbers the
// next one right and has no torn one.
func TestTorn(t *testing.T) {
	from := t.TempDir()
	w := open(t, from, Options{})
	write(t, w, "first", "", "third line")
	w.Close()
	whole, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	want := all(t, from)
	for n := range len(whole) + 1 {
		dir := t.TempDir()
		if err := os.WriteFile(segmentPath(dir, 1), whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		before := all(t, dir)
		w := open(t, dir, Options{})
		write(t, w, "new")
		w.Close()
		same(t, before, want[:len(before)])
		same(t, all(t, dir), append(slices.Clone(before), fmt.Sprintf("%d new", len(before)+1)))
		if t.Failed() {
			t.Fatalf("cut at byte %d", n)
		}
	}
}

// TestFlipped is B3: with any byte changed, nothing panics, at most the hit line and what cannot be told
// from it are lost, and the writer goes on.
func TestFlipped(t *testing.T) {
	from := t.TempDir()
	w := open(t, from, Options{})
	write(t, w, "first", "second", "third")
	w.Close()
	whole, _ := os.ReadFile(w.path)
	for n := range len(whole) {
		dir := t.TempDir()
		bad := slices.Clone(whole)
		bad[n] ^= 0x41
		os.WriteFile(segmentPath(dir, 1), bad, 0o600)
		w := open(t, dir, Options{})
		write(t, w, "new")
		w.Close()
		got := all(t, dir)
		if len(got) == 0 || !strings.HasSuffix(got[len(got)-1], " new") || len(got) > 4 {
			t.Fatalf("byte %d flipped: %q", n, got)
		}
	}
}

// TestRetention is D6: a log never outgrows its quota, and keeps the newest lines.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	o := Options{MaxBytes: 16 << 10, SegmentBytes: 2 << 10}
	w := open(t, dir, o)
	for i := range 2000 {
		write(t, w, fmt.Sprintf("line %d", i+1))
		if i%500 == 0 { // the quota holds over restarts
			w.Close()
			w = open(t, dir, o)
		}
		if size := folderSize(t, dir); size > o.MaxBytes {
			t.Fatalf("%d bytes after line %d", size, i)
		}
	}
	w.Close()
	got := all(t, dir)
	if len(got) < 200 || got[len(got)-1] != "2000 line 2000" {
		t.Errorf("kept %d lines, last %q", len(got), got[len(got)-1])
	}
}

func folderSize(t *testing.T, dir string) (n int64) {
	t.Helper()
	segs, err := segments(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range segs {
		if st, err := os.Stat(s.path); err == nil {
			n += st.Size()
		}
	}
	return n
}

// full is a file on a disk with room for some bytes.
type full struct {
	file
	room *int
}

func (f full) Write(b []byte) (int, error) {
	n := min(len(b), *f.room)
	n, err := f.file.Write(b[:n])
	*f.room -= n
	if err == nil && n < len(b) {
		err = errors.New("no space left on device")
	}
	return n, err
}

// TestFullDisk is D4 and B5: writing fails at every possible byte; nothing blocks, one notice a minute,
// and when there is room again the log goes on by itself, without a torn line, and says what is missing.
func TestFullDisk(t *testing.T) {
	for room := range 300 {
		dir := t.TempDir()
		var notices []string
		w := open(t, dir, Options{Notice: func(s string) { notices = append(notices, s) }})
		left := room
		w.create = func(path string, at int64) (file, error) {
			f, err := create(path, at)
			return full{f, &left}, err
		}
		at := t0
		for i := range 90 { // a line each second
			w.Append(at, Stdout, fmt.Appendf(nil, "line %d", i))
			w.Flush()
			at = at.Add(time.Second)
		}
		if len(notices) != 2 {
			t.Fatalf("room %d: %d notices in 90 s, want 2: %q", room, len(notices), notices)
		}
		left = 1 << 20
		w.Append(at, Stdout, []byte("again"))
		w.Close()
		got := all(t, dir)
		kept := len(got) - 2
		want := fmt.Sprintf("%d %d lines dropped since", kept+1, 90-kept)
		if !strings.HasPrefix(got[kept], want) || got[kept+1] != fmt.Sprintf("%d again", kept+2) {
			t.Fatalf("room %d: %q, want %q", room, got, want)
		}
	}
}

// TestRemoved is D10: removed or cut from outside, the log goes on in a new file.
func TestRemoved(t *testing.T) {
	for name, harm := range map[string]func(string) error{
		"removed": os.Remove,
		"cut":     func(p string) error { return os.Truncate(p, 0) },
		"folder":  func(p string) error { return os.RemoveAll(filepath.Dir(p)) },
	} {
		dir := filepath.Join(t.TempDir(), "a")
		w := open(t, dir, Options{})
		w.Append(t0, Stdout, []byte("one"))
		w.Flush()
		if err := harm(w.path); err != nil {
			t.Fatal(err)
		}
		w.Append(t0.Add(2*time.Second), Stdout, []byte("two"))
		w.Append(t0.Add(2*time.Second), Stdout, []byte("three"))
		w.Close()
		got := all(t, dir)
		if len(got) != 3 || got[0] != "2 two" || !strings.Contains(got[2], "changed from outside") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
