package output

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func split(r io.Reader) (got []string, err error) {
	err = Split(r, func(text []byte, cut int) {
		if len(text) > 20 {
			got = append(got, fmt.Sprintf("%d bytes cut %d", len(text), cut))
			return
		}
		got = append(got, string(text))
	}, func() {})
	return got, err
}

func TestSplit(t *testing.T) {
	big := strings.Repeat("x", MaxLine)
	cases := []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"a\nb\r\n\nc", []string{"a", "b", "", "c"}},
		{"\n", []string{""}},
		{big + "\nz", []string{"65536 bytes cut 0", "z"}},
		{big + "yy\nz\n", []string{"65536 bytes cut 2", "z"}},
		{big[1:] + "\u20ac\n", []string{"65535 bytes cut 3"}},
		{big + big + big, []string{"65536 bytes cut 131072"}},
	}
	for _, c := range cases {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in)),
		} {
			got, err := split(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(name, func(t *testing.T) { same(t, got, c.want) })
		}
	}
}

func TestSplitError(t *testing.T) {
	boom := errors.New("boom")
	got, err := split(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(boom)))
	same(t, got, []string{"half"})
	if err != boom {
		t.Errorf("got %v, want boom", err)
	}
}

// TestSplitEndless is D1: a line without end costs no memory.
func TestSplitEndless(t *testing.T) {
	const size = 1 << 30
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := split(io.LimitReader(zeros{}, size))
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, []string{fmt.Sprintf("65536 bytes cut %d", size-MaxLine)})
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("allocated %d bytes", used)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
