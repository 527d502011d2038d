package sniff

import "encoding/binary"

// fields reads the arguments of a message one after the other. Past the end all of them are zero.
type fields struct{ b []byte }

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.b) {
		f.b = nil
		return nil
	}
	v := f.b[:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) u8() byte {
	if v := f.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (f *fields) u16() uint16 {
	if v := f.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (f *fields) u32() uint32 {
	if v := f.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (f *fields) u64() uint64 {
	if v := f.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// short reads a string with its length in one byte.
func (f *fields) short() []byte { return f.take(int(f.u8())) }

// long reads a string with its length in four bytes.
func (f *fields) long() []byte { return f.take(int(min(f.u32(), 1<<30))) }

// amqpTraceParent looks for a trace context in the headers of a message, of which f holds the properties.
func amqpTraceParent(f *fields) string {
	const contentType, contentEncoding, headers = 1 << 15, 1 << 14, 1 << 13
	flags := f.u16()
	if flags&contentType != 0 {
		f.short()
	}
	if flags&contentEncoding != 0 {
		f.short()
	}
	if flags&headers == 0 {
		return ""
	}
	if n := f.u32(); int64(n) < int64(len(f.b)) {
		f.b = f.b[:n]
	}
	for len(f.b) > 0 {
		key, kind := f.short(), f.u8()
		if kind == 'S' || kind == 'x' {
			if v := f.long(); string(key) == "traceparent" && traceParent(v) {
				return string(v)
			}
			continue
		}
		f.skip(kind)
	}
	return ""
}

// skip passes over a value of a table.
func (f *fields) skip(kind byte) {
	switch kind {
	case 'V':
	case 't', 'b', 'B':
		f.take(1)
	case 's', 'u', 'U':
		f.take(2)
	case 'I', 'i', 'f':
		f.take(4)
	case 'D':
		f.take(5)
	case 'l', 'L', 'd', 'T':
		f.take(8)
	case 'A', 'F':
		f.long()
	default:
		f.b = nil
	}
}
