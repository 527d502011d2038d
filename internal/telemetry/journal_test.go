package telemetry

import (
	"bytes"
	"testing"
)

// TestPagesAreWrittenOnce lets the disk take one page of three, and then the rest.
func TestPagesAreWrittenOnce(t *testing.T) {
	d := newMemoryDisk()
	j := &journal{d: d, path: "store/x.wal"}
	var spare [][]byte
	var want [][]byte
	for i := range 3 {
		body := bytes.Repeat([]byte{byte(i + 1)}, pageSize/2+i)
		want = append(want, body)
		j.pending.add(int64(i), body, &spare)
	}
	d.left = 2 // the file is made and one page written
	d.half = true
	n, err := j.flush(j.pending)
	if n != 1 || err == nil {
		t.Fatalf("%d pages were written, %v; want one and an error", n, err)
	}
	d.left = -1
	if n, err = j.flush(pages{list: j.pending.list[n:]}); n != 2 || err != nil {
		t.Fatalf("%d pages were written, %v; want two", n, err)
	}
	all, err := readWhole(j.f)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	end, lost := replay(all, func(at int64, body []byte) {
		if at != int64(i) || !bytes.Equal(body, want[i]) {
			t.Errorf("record %d: %d bytes of %d", i, len(body), at)
		}
		i++
	})
	if i != 3 || lost != 0 || end != int64(len(all)) {
		t.Errorf("%d records, %d bytes lost, %d of %d read", i, lost, end, len(all))
	}
}
