package telemetry

import (
	"encoding/binary"
	"math"
	"slices"
)

// Limits of one record.
const (
	maxAttrs  = 1024    // attributes of one span or log record
	maxExtras = 4096    // events or links of one span
	maxRecord = 1 << 20 // bytes
	maxKey    = 4 << 10 // bytes of the key of an attribute
)

// memory collects records as columns until they are written as a segment. Columns only grow: a copy of
// the struct is a snapshot of the rows that it had.
type memory struct {
	dict

	ids    []TraceID // each trace once
	trace  []uint32  // per row, as all below: number of the trace
	span   []uint64
	parent []uint64
	start  []int64 // ns since 1970
	dur    []int64 // ns
	tag    []byte  // kind and status of a span, severity and origin of a log record
	entEnd []uint32
	ent    []uint32 // entries of the dict: attributes, name, resource, …
	extEnd []uint32
	ext    []byte // events and links as they came

	zone zone
	dead []uint64 // bit set of the rows that were replaced; nil: none

	traces map[TraceID]uint32
	rows   rowIndex // spans by id
	keep   bool     // rows of one id are kept all: log records
}

// zone bounds what is in a set of rows.
type zone struct {
	minTime, maxTime int64 // of starts
	maxEnd           int64
	maxDur           int64
	failed           int // rows with status error; of logs: with severity error and above
}

// noZone bounds no rows.
var noZone = zone{minTime: math.MaxInt64, maxTime: math.MinInt64, maxEnd: math.MinInt64}

func newMemory(logs bool) *memory {
	return &memory{traces: map[TraceID]uint32{}, keep: logs, zone: noZone}
}

// like makes room for as much as another memory has, which ends most of the growing.
func (m *memory) like(o *memory) *memory {
	n := o.len()
	m.trace, m.span, m.parent = make([]uint32, 0, n), make([]uint64, 0, n), make([]uint64, 0, n)
	m.start, m.dur, m.tag = make([]int64, 0, n), make([]int64, 0, n), make([]byte, 0, n)
	m.entEnd, m.extEnd = make([]uint32, 0, n), make([]uint32, 0, n)
	m.ent, m.ids = make([]uint32, 0, len(o.ent)), make([]TraceID, 0, len(o.ids))
	m.traces = make(map[TraceID]uint32, len(o.ids))
	m.rows.slots = make([]uint32, len(o.rows.slots))
	m.dict.like(&o.dict)
	return m
}

func (m *memory) len() int { return len(m.trace) }

// bytes is about how much memory the columns take.
func (m *memory) bytes() int64 {
	return int64(cap(m.data)+cap(m.ext)) + int64(cap(m.trace))*60 + int64(cap(m.ent))*4 +
		int64(cap(m.end))*32 + int64(len(m.table)+len(m.rows.slots))*8 + int64(len(m.ids))*64
}

// mark is a place that memory can be brought back to.
type mark struct{ rows, ent, ext int }

func (m *memory) mark() mark { return mark{m.len(), len(m.ent), len(m.ext)} }

// undo takes back the rows that were added since the mark, and what an unfinished row left.
func (m *memory) undo(to mark) {
	n := to.rows
	m.trace, m.span, m.parent = m.trace[:n], m.span[:n], m.parent[:n]
	m.start, m.dur, m.tag = m.start[:n], m.dur[:n], m.tag[:n]
	m.entEnd, m.extEnd = m.entEnd[:n], m.extEnd[:n]
	m.ent, m.ext = m.ent[:to.ent], m.ext[:to.ext]
}

// record is one row before it is added; its entries and extras are in place already.
type record struct {
	trace        TraceID
	span, parent uint64
	start, dur   int64
	tag          byte
}

func (m *memory) add(r *record) {
	m.trace = append(m.trace, m.traceOf(r.trace))
	m.span, m.parent = append(m.span, r.span), append(m.parent, r.parent)
	m.start, m.dur = append(m.start, r.start), append(m.dur, r.dur)
	m.tag = append(m.tag, r.tag)
	m.entEnd, m.extEnd = append(m.entEnd, uint32(len(m.ent))), append(m.extEnd, uint32(len(m.ext)))
}

// traceOf is the number of a trace. Spans of one trace often come together.
func (m *memory) traceOf(id TraceID) uint32 {
	if n := len(m.trace); n > 0 && m.ids[m.trace[n-1]] == id {
		return m.trace[n-1]
	}
	t, ok := m.traces[id]
	if !ok {
		t = uint32(len(m.ids))
		m.ids = append(m.ids, id)
		m.traces[id] = t
	}
	return t
}

// commit makes the rows from first on count: zone, and what they replace.
func (m *memory) commit(first int) {
	for i := first; i < m.len(); i++ {
		m.widen(&m.zone, i)
		if m.keep {
			continue
		}
		if old, twice := m.rows.put(m, uint32(i)); twice {
			m.kill(int(old))
		}
	}
}

// widen makes a zone hold one more row.
func (m *memory) widen(z *zone, row int) {
	start, dur := m.start[row], m.dur[row]
	z.minTime, z.maxTime = min(z.minTime, start), max(z.maxTime, start)
	z.maxDur, z.maxEnd = max(z.maxDur, dur), max(z.maxEnd, start+dur)
	if failed(m.tag[row], m.keep) {
		z.failed++
	}
}

func (m *memory) kill(row int) {
	m.dead = slices.Grow(m.dead, max(0, row/64+1-len(m.dead)))
	for len(m.dead) <= row/64 {
		m.dead = append(m.dead, 0)
	}
	m.dead[row/64] |= 1 << (row % 64)
}

// entries returns the entries of one row.
func (m *memory) entries(row int) []uint32 {
	from := uint32(0)
	if row > 0 {
		from = m.entEnd[row-1]
	}
	return m.ent[from:m.entEnd[row]]
}

// extras returns the encoded events and links of one row.
func (m *memory) extras(row int) []byte {
	from := uint32(0)
	if row > 0 {
		from = m.extEnd[row-1]
	}
	return m.ext[from:m.extEnd[row]]
}

// Tags of spans: kind in the low four bits, status above. Tags of log records: severity, and the highest
// bit for what was printed.
func spanTag(k Kind, s Status) byte { return byte(k) | byte(s)<<4 }

const printedTag = 0x80

func tagKind(t byte) Kind         { return Kind(t & 15) }
func tagStatus(t byte) Status     { return Status(t >> 4) }
func tagSeverity(t byte) Severity { return Severity(t &^ printedTag) }

func failed(tag byte, log bool) bool {
	if log {
		return tagSeverity(tag) >= Error
	}
	return tagStatus(tag) == Failed
}

func spanID(n uint64) (id SpanID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}
