package telemetry

import (
	"bytes"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// segment is one file of columns. Its chunks are blocks: columns are read when they are asked for.
type segment struct {
	*meta
	d     disk
	cache *cache
	path  string
	seq   uint64
	size  int64
	parts []*chunk
	bad   error       // it cannot be read: it only takes up room
	say   func(error) // tells once that it cannot be read

	mu   sync.Mutex
	f    file // open while it is used; guarded by mu
	refs int  // queries that use it, and one for the table; guarded by mu
	gone bool // remove the file when no one uses it; guarded by mu

	ahead []*piece // guarded by mu
}

// openSegment reads the end of a segment. A segment that cannot be read is returned with bad set.
func openSegment(d disk, c *cache, path string, seq uint64) *segment {
	s := &segment{d: d, cache: c, path: path, seq: seq, meta: &meta{}, refs: 1}
	f, err := d.Open(path, false)
	if err != nil {
		s.bad = err
		return s
	}
	defer f.Close()
	m, size, err := readMeta(f)
	if s.size = size; err != nil {
		s.bad = err
		return s
	}
	s.meta = m
	for _, l := range m.chunks {
		s.parts = append(s.parts, &chunk{l, s})
	}
	return s
}

// use keeps the file from being removed until the caller calls release.
func (s *segment) use() {
	s.mu.Lock()
	s.refs++
	s.mu.Unlock()
}

func (s *segment) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs--
	if s.refs <= 1 && s.f != nil {
		_ = s.f.Close()
		s.f = nil
	}
	if s.refs == 0 && s.gone {
		_ = s.d.Remove(s.path)
	}
}

// drop removes the segment: at once, or when the last query that uses it has ended.
func (s *segment) drop() {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	s.release()
	s.cache.forget(s)
}

// file returns the open file.
func (s *segment) file() (file, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f != nil {
		return s.f, nil
	}
	f, err := s.d.Open(s.path, false)
	if err == nil {
		s.f = f
	}
	return f, err
}

var unpackers = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(1<<30))
})

// load reads the bytes of one column.
func (s *segment) load(r *ref) ([]byte, error) {
	if r.size == 0 {
		return nil, nil
	}
	b, err := s.bytes(r)
	if err != nil {
		return nil, err
	}
	if crc32.Checksum(b, castagnoli) != r.sum {
		return nil, errDamaged
	}
	if !r.packed {
		return bytes.Clone(b), nil // b may be a part of many columns
	}
	dec, err := unpackers()
	if err != nil {
		return nil, err
	}
	if b, err = dec.DecodeAll(b, make([]byte, 0, r.raw)); err == nil && len(b) != int(r.raw) {
		err = errDamaged
	}
	return b, err
}
