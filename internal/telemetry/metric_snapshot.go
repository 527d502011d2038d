package telemetry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// snapshotHead starts a snapshot. It ends in the number of the format: a foreign one is passed over.
const snapshotHead = "msctl metrics 1\n"

// save writes the snapshot when something changed since that version, and returns the version written.
func (m *MetricStore) save(since uint64) (uint64, error) {
	m.mu.Lock()
	version := m.version
	m.mu.Unlock()
	if m.path == "" || version == since {
		return version, nil
	}
	b := []byte(snapshotHead)
	for _, s := range m.sorted() {
		m.mu.Lock()
		block := s.encode()
		m.mu.Unlock()
		b = append(binary.AppendUvarint(b, uint64(len(block))), block...)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	if err := replace(m.path, b); err != nil {
		return since, fmt.Errorf("write metrics: %w", err)
	}
	return version, nil
}

// replace writes a file so that a crash leaves the old or the new one.
func replace(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// load reads the snapshot. On an error nothing of it is kept.
func (m *MetricStore) load() error {
	if m.path == "" {
		return nil
	}
	b, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	body, err := unseal(b)
	if err != nil {
		return fmt.Errorf("read %s: %w", m.path, err)
	}
	r := metricReader(body)
	drop := m.o.Now().Add(-m.o.Keep).UnixNano()
	for len(r) > 0 && len(m.series) < m.o.Series {
		block := metricReader(r.bytes())
		s := block.series()
		s.cut(s.before(drop))
		if len(s.points) > 0 {
			m.series[s.id] = s
			m.counts.Bytes += s.size()
		}
	}
	return nil
}

// unseal checks head and sum, so that what follows can be read without doubt.
func unseal(b []byte) ([]byte, error) {
	body, ok := bytes.CutPrefix(b, []byte(snapshotHead))
	if !ok || len(body) < 4 {
		return nil, errors.New("it is not a snapshot of this version")
	}
	sum := binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b[:len(b)-4], crc32.MakeTable(crc32.Castagnoli)) != sum {
		return nil, errors.New("its checksum does not match")
	}
	return body[:len(body)-4], nil
}

func (s *series) before(ns int64) int {
	i, _ := slices.BinarySearchFunc(s.points, ns, func(p sample, ns int64) int { return int(min(1, max(-1, p.at-ns))) })
	return i
}

func (s *series) encode() []byte {
	h := &s.head
	var b []byte
	for _, text := range []string{h.Service, h.Name, h.Unit, h.Doc, h.Type, h.Scope} {
		b = appendBytes(b, []byte(text))
	}
	b = appendBytes(b, putPairs(nil, 1, h.Attrs))
	b = binary.AppendUvarint(b, flag(h.Monoton))
	b = binary.AppendUvarint(b, uint64(len(s.exemplars)))
	for _, e := range s.exemplars {
		b = appendFloat(binary.AppendVarint(b, e.Time.UnixNano()), e.Value)
		b = append(append(b, e.Trace[:]...), e.Span[:]...)
		b = appendBytes(b, putPairs(nil, 1, e.Attrs))
	}
	b = binary.AppendUvarint(b, uint64(s.thinned))
	var last sample
	for _, p := range s.points {
		b = p.encode(b, last)
		last = p
	}
	return b
}

// encode writes a sample after the last one: bounds only where they changed.
func (p sample) encode(b []byte, last sample) []byte {
	b = appendFloat(binary.AppendVarint(b, p.at-last.at), p.value)
	if p.dist == nil {
		return append(b, 0)
	}
	if last.dist != nil && slices.Equal(last.dist.bounds, p.dist.bounds) {
		b = append(b, 1)
	} else {
		b = appendFloats(append(b, 2), p.dist.bounds)
	}
	b = binary.AppendUvarint(b, p.dist.count)
	b = binary.AppendUvarint(b, uint64(len(p.dist.counts)))
	for _, n := range p.dist.counts {
		b = binary.AppendUvarint(b, n)
	}
	return appendFloats(b, p.dist.values)
}

func flag(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

func appendBytes(b, p []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(p))), p...) }

func appendFloat(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

func appendFloats(b []byte, vs []float64) []byte {
	b = binary.AppendUvarint(b, uint64(len(vs)))
	for _, v := range vs {
		b = appendFloat(b, v)
	}
	return b
}

// metricReader reads what encode wrote. At a wrong end it reads zeros.
type metricReader []byte

func (r *metricReader) uvarint() uint64 {
	v, n := binary.Uvarint(*r)
	*r = (*r)[max(n, 0):]
	if n <= 0 {
		*r = nil
	}
	return v
}

func (r *metricReader) varint() int64 {
	v, n := binary.Varint(*r)
	*r = (*r)[max(n, 0):]
	if n <= 0 {
		*r = nil
	}
	return v
}

func (r *metricReader) take(n uint64) []byte {
	n = min(n, uint64(len(*r)))
	p := (*r)[:n]
	*r = (*r)[n:]
	return p
}

func (r *metricReader) bytes() []byte { return r.take(r.uvarint()) }

func (r *metricReader) float() float64 {
	p := r.take(8)
	if len(p) < 8 {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(p))
}

func (r *metricReader) floats() []float64 {
	n := min(r.uvarint(), uint64(len(*r)/8))
	if n == 0 {
		return nil
	}
	vs := make([]float64, n)
	for i := range vs {
		vs[i] = r.float()
	}
	return vs
}

func (r *metricReader) series() *series {
	s := &series{}
	h := &s.head
	for _, text := range []*string{&h.Service, &h.Name, &h.Unit, &h.Doc, &h.Type, &h.Scope} {
		*text = string(r.bytes())
	}
	h.Attrs = decodePairs(r.bytes(), 1)
	h.Monoton = r.uvarint() == 1
	for range min(r.uvarint(), maxExemplars) {
		s.exemplars = append(s.exemplars, r.exemplar())
	}
	thinned := r.uvarint()
	var last sample
	for len(*r) > 0 {
		last = r.sample(last)
		s.points = append(s.points, last)
	}
	s.thinned = int(min(thinned, uint64(len(s.points))))
	s.id = identity(*h)
	return s
}

func (r *metricReader) exemplar() (e Exemplar) {
	e.Time, e.Value = time.Unix(0, r.varint()).UTC(), r.float()
	copy(e.Trace[:], r.take(16))
	copy(e.Span[:], r.take(8))
	e.Attrs = decodePairs(r.bytes(), 1)
	return e
}

func (r *metricReader) sample(last sample) sample {
	p := sample{at: last.at + r.varint(), value: r.float()}
	kind := r.take(1)
	if len(kind) == 0 || kind[0] == 0 {
		return p
	}
	p.dist = &dist{}
	if kind[0] == 2 {
		p.dist.bounds = r.floats()
	} else if last.dist != nil {
		p.dist.bounds = last.dist.bounds
	}
	p.dist.count = r.uvarint()
	p.dist.counts = make([]uint64, min(r.uvarint(), uint64(len(*r))))
	for i := range p.dist.counts {
		p.dist.counts[i] = r.uvarint()
	}
	p.dist.values = r.floats()
	return p
}
