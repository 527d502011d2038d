package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// origin is what a call is made for.
type origin struct {
	trace    [16]byte
	parent   [8]byte
	sampled  bool
	inferred bool
}

// traceparentSize is the length of a W3C traceparent of version 00.
const traceparentSize = 55

// origin finds out what a call is made for: what the caller said, else the only request that the caller
// serves, else nothing: it is a root.
func (e *Edge) origin(traceparent []byte) origin {
	if o, ok := parseTraceparent(traceparent); ok {
		return o
	}
	if o, ok := e.Caller.only(); ok {
		return o
	}
	return origin{trace: newTrace(), sampled: true}
}

// parseTraceparent reads "00-<trace>-<span>-<flags>" by W3C Trace Context level 1. What later versions
// append is left out.
func parseTraceparent(b []byte) (o origin, ok bool) {
	if len(b) < traceparentSize || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return o, false
	}
	var version, flags [1]byte
	if !unhex(version[:], b[:2]) || !unhex(o.trace[:], b[3:35]) || !unhex(o.parent[:], b[36:52]) || !unhex(flags[:], b[53:55]) {
		return o, false
	}
	exact := len(b) == traceparentSize
	if version[0] == 0xff || version[0] == 0 && !exact || !exact && b[traceparentSize] != '-' {
		return o, false
	}
	if o.trace == [16]byte{} || o.parent == [8]byte{} {
		return o, false
	}
	o.sampled = flags[0]&1 != 0
	return o, true
}

// unhex decodes lower-case hexadecimal digits only, as the standard has it.
func unhex(to, from []byte) bool {
	for _, c := range from {
		if c >= 'A' && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(to, from)
	return err == nil
}

// appendTraceparent appends the value that a callee is told.
func appendTraceparent(b []byte, trace [16]byte, span [8]byte, sampled bool) []byte {
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, trace[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, span[:])
	if sampled {
		return append(b, "-01"...)
	}
	return append(b, "-00"...)
}

func newTrace() (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1) // never all zero
	return id
}

func newSpan() (id [8]byte) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}
