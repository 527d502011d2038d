package container

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
)

// TestLongLine is D1: a line without end costs 64 KiB, and the next one is whole.
func TestLongLine(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "head -c 300000 /dev/zero | tr '\\0' x; echo; echo next; printf unfinished")
	r := start(t, d, u)
	if e := r.end(t); !e.OK() {
		t.Errorf("exit %+v", e)
	}
	tail, err := output.Tail(u.LogDir, 10)
	if err != nil || len(tail) != 3 {
		t.Fatalf("%d lines, %v", len(tail), err)
	}
	if len(tail[0].Text) != output.MaxLine || tail[0].Cut != 300000-output.MaxLine {
		t.Errorf("long line has %d bytes and %d cut", len(tail[0].Text), tail[0].Cut)
	}
	if string(tail[1].Text) != "next" || string(tail[2].Text) != "unfinished" {
		t.Errorf("then %q, %q", tail[1].Text, tail[2].Text)
	}
}

// TestBurst is a program that prints much and ends at once: all of it is stored, in order.
func TestBurst(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "seq 1 200000")
	r := start(t, d, u)
	r.end(t)
	got := lines(t, u)
	if len(got) != 200000 {
		t.Errorf("%d lines of 200000", len(got))
	}
	checkCount(t, got)
}

// TestRecreate is D7: over ten runs of one unit, each killed while it prints, every line is there once.
func TestRecreate(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "")
	for i := range 4 {
		u.Argv[2] = fmt.Sprintf("for i in 1 2 3 4 5 6 7 8 9 10; do echo %d-$i; done; [ %d -lt 2 ] || sleep 1000", i, i)
		r := start(t, d, u)
		r.up(t)
		eventually(t, "10 lines more", func() bool { return len(lines(t, u)) == 10*(i+1) })
		r.cancel([]error{nil, driver.ErrKill, nil, driver.ErrDetach}[i])
		r.end(t)
	}
	for i, l := range lines(t, u) {
		if want := fmt.Sprintf("%d-%d", i/10, i%10+1); l != want {
			t.Fatalf("line %d is %q, want %q", i, l, want)
		}
	}
}

// script is an engine's answer: frames in its format.
func script(frames ...string) io.Reader {
	var b bytes.Buffer
	for _, f := range frames { // "1 5 text" is stdout at 5 ns
		var head [8]byte
		stream, rest, _ := strings.Cut(f, " ")
		ns, text, _ := strings.Cut(rest, " ")
		head[0] = stream[0] - '0'
		n, _ := strconv.Atoi(ns)
		body := time.Unix(0, int64(n)).UTC().Format("2006-01-02T15:04:05.000000000Z") + " " + text
		binary.BigEndian.PutUint32(head[4:], uint32(len(body)))
		b.Write(head[:])
		b.WriteString(body)
	}
	return &b
}

// TestResume reads outputs of which a part is stored: whatever the order of the two streams and however many
// lines share a time stamp, each is stored once.
func TestResume(t *testing.T) {
	half := strings.Repeat("h", pieceSize)
	all := []string{"1 5 a\n", "1 5 b\n", "2 4 x\n", "1 6 " + half, "2 7 y\n", "1 6 c2\n", "1 7 d\n", "1 7 d\n", "2 7 z\n", "1 3 after the clock was set back\n"}
	want := []string{"a", "b", "x", "y", half + "c2", "d", "d", "z", "after the clock was set back"}
	for stored := range len(want) {
		u := driver.Unit{LogDir: t.TempDir()}
		l, err := openLog(u, driver.Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.store(script(all...)); err != nil {
			t.Fatal(err)
		}
		l.close()
		full, err := output.Tail(u.LogDir, 100)
		if err != nil {
			t.Fatal(err)
		}
		u = driver.Unit{LogDir: t.TempDir()}
		if l, err = openLog(u, driver.Hooks{}); err != nil {
			t.Fatal(err)
		}
		for _, line := range full[:stored] {
			_ = l.to.Append(line.At, line.Stream, line.Text)
		}
		l.close() // the supervisor was killed here
		if l, err = openLog(u, driver.Hooks{}); err != nil {
			t.Fatal(err)
		}
		if err := l.store(script(all...)); err != nil {
			t.Fatal(err)
		}
		l.close()
		if got := lines(t, u); !slices.Equal(got, want) {
			t.Errorf("%d stored: got %q", stored, got)
		}
	}
}

// FuzzFrames reads whatever an engine may send.
func FuzzFrames(f *testing.F) {
	b, _ := io.ReadAll(script("1 5 a\n", "2 6 b"))
	f.Add(b)
	f.Add([]byte{1, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := frames{in: bufio.NewReader(bytes.NewReader(b))}
		for {
			if _, err := fs.next(); err != nil {
				return
			}
		}
	})
}
