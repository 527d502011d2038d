package telemetry

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"sync/atomic"
)

// journal is the write-ahead log of one memory: every request that was read into it. It is replayed when
// a store is opened whose memory was not written as a segment yet. A record is
//
//	magic (4 bytes) | length (4) | CRC-32C of what follows (4) | time of arrival (8) | request
//
// in little endian. The magic lets replay go on behind bytes that are damaged.
type journal struct {
	d    disk
	path string

	// Guarded by the lock of the table.
	pending pages // not yet written
	full    bool  // the last write failed: what has no room is not logged

	size atomic.Int64 // of the file

	// Of the goroutine that flushes.
	f   file  // nil: not made yet
	off int64 // behind the last good record
}

const (
	journalMagic  = "\xf1mj1"
	journalHeader = 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendRecord(b []byte, at int64, body []byte) []byte {
	from := len(b)
	b = append(b, journalMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	b = append(b, body...)
	binary.LittleEndian.PutUint32(b[from+8:], crc32.Checksum(b[from+12:], castagnoli))
	return b
}

// bytes is the size of the file.
func (j *journal) bytes() int64 { return j.size.Load() }

// flush writes pages behind what was written, and returns how many of them it wrote. After an error the same
// place is written again.
func (j *journal) flush(p pages) (n int, err error) {
	if j.f == nil {
		if j.f, err = j.d.Create(j.path); err != nil {
			j.f = nil
			return 0, err
		}
	}
	for _, b := range p.list {
		if _, err := j.f.WriteAt(b, j.off); err != nil {
			return n, err
		}
		j.off += int64(len(b))
		j.size.Store(j.off)
		n++
	}
	return n, nil
}

// pages is records that wait, in pieces that do not move.
type pages struct {
	list [][]byte
	size int64
}

// pageSize holds a few requests. A larger one has a page of its own.
const pageSize = 1 << 20

// add appends a record. It takes a new page from the spare ones where there are some.
func (p *pages) add(at int64, body []byte, spare *[][]byte) {
	size := journalHeader + len(body)
	p.size += int64(size)
	n := len(p.list)
	if n == 0 || cap(p.list[n-1])-len(p.list[n-1]) < size {
		p.list = append(p.list, takePage(size, spare))
		n++
	}
	p.list[n-1] = appendRecord(p.list[n-1], at, body)
}

func takePage(size int, spare *[][]byte) []byte {
	n := len(*spare)
	if size > pageSize || n == 0 {
		return make([]byte, 0, max(size, pageSize))
	}
	page := (*spare)[n-1]
	*spare = (*spare)[:n-1]
	return page[:0]
}

// remove ends the journal when its records are safe elsewhere.
func (j *journal) remove() error {
	if j.f == nil {
		return nil
	}
	f := j.f
	j.f = nil
	_ = f.Close()
	return j.d.Remove(j.path)
}

// close leaves the file where it is.
func (j *journal) close() {
	if j.f != nil {
		_ = j.f.Close()
	}
	j.f = nil
}

// replay calls fn with every good record of a journal, and returns the end of the last one and how many
// bytes before it were damaged.
func replay(b []byte, fn func(at int64, body []byte)) (end, lost int64) {
	for off := 0; off < len(b); {
		next := bytes.Index(b[off:], []byte(journalMagic))
		if next < 0 {
			break
		}
		off += next
		at, body, ok := readRecord(b[off:])
		if !ok {
			off++
			continue
		}
		lost += int64(off) - end
		off += journalHeader + len(body)
		end = int64(off)
		fn(at, body)
	}
	return end, lost
}

func readRecord(b []byte) (at int64, body []byte, ok bool) {
	if len(b) < journalHeader {
		return 0, nil, false
	}
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	if n > int64(len(b)-journalHeader) {
		return 0, nil, false
	}
	rest := b[12 : journalHeader+n]
	if crc32.Checksum(rest, castagnoli) != binary.LittleEndian.Uint32(b[8:]) {
		return 0, nil, false
	}
	return int64(binary.LittleEndian.Uint64(rest)), rest[8:], true
}

// readWhole reads a file.
func readWhole(f file) ([]byte, error) {
	n, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if n > 0 {
		_, err = f.ReadAt(b, 0)
	}
	return b, err
}
