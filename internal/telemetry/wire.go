package telemetry

import (
	"encoding/binary"
	"errors"
)

// The wire types of protobuf.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wireGroup  = 3
	wireEnd    = 4
	wire32     = 5
)

// maxGroups is how deep groups may nest. OTLP has none, they only occur in unknown fields.
const maxGroups = 32

var errWire = errors.New("malformed protobuf")

// field is one field of a protobuf message: its number, its wire type and its value.
type field struct {
	num  uint64
	wire byte
	v    uint64 // varint, 64 and 32 bit
	p    []byte // length-delimited; shares the message's memory
}

// isBytes reports whether f is length-delimited field num.
func (f *field) isBytes(num uint64) bool { return f.num == num && f.wire == wireBytes }

// uvarint reads a varint; n is 0 when b holds none.
func uvarint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	v, n = binary.Uvarint(b)
	return v, max(n, 0)
}

// next takes the first field of b and returns what follows it.
func (f *field) next(b []byte) ([]byte, error) {
	tag, n := uvarint(b)
	f.num, f.wire = tag>>3, byte(tag&7)
	if n == 0 || f.num == 0 || f.num > 1<<29-1 {
		return nil, errWire
	}
	return f.value(b[n:], 0)
}

func (f *field) value(b []byte, depth int) ([]byte, error) {
	switch f.wire {
	case wireVarint:
		v, n := uvarint(b)
		if n == 0 {
			return nil, errWire
		}
		f.v = v
		return b[n:], nil
	case wire64:
		if len(b) < 8 {
			return nil, errWire
		}
		f.v = binary.LittleEndian.Uint64(b)
		return b[8:], nil
	case wireBytes:
		v, n := uvarint(b)
		if n == 0 || v > uint64(len(b)-n) {
			return nil, errWire
		}
		end := n + int(v)
		f.p = b[n:end:end]
		return b[end:], nil
	case wire32:
		if len(b) < 4 {
			return nil, errWire
		}
		f.v = uint64(binary.LittleEndian.Uint32(b))
		return b[4:], nil
	case wireGroup:
		return skipGroup(b, f.num, depth+1)
	}
	return nil, errWire
}

// skipGroup passes over the rest of a group, its end included.
func skipGroup(b []byte, num uint64, depth int) ([]byte, error) {
	if depth > maxGroups {
		return nil, errWire
	}
	for len(b) > 0 {
		tag, n := uvarint(b)
		in := field{num: tag >> 3, wire: byte(tag & 7)}
		if n == 0 || in.num == 0 || in.num > 1<<29-1 {
			return nil, errWire
		}
		if b = b[n:]; in.wire == wireEnd {
			if in.num != num {
				return nil, errWire
			}
			return b, nil
		}
		var err error
		if b, err = in.value(b, depth); err != nil {
			return nil, err
		}
	}
	return nil, errWire
}

// putTag appends the tag of a field.
func putTag(b []byte, num int, wire byte) []byte {
	return binary.AppendUvarint(b, uint64(num)<<3|uint64(wire))
}

// putBytes appends a length-delimited field.
func putBytes[T string | []byte](b []byte, num int, p T) []byte {
	b = putTag(b, num, wireBytes)
	b = binary.AppendUvarint(b, uint64(len(p)))
	return append(b, p...)
}

// begin opens a length-delimited field. What is appended before end is its content.
func begin(b []byte, num int) (out []byte, from int) {
	b = append(putTag(b, num, wireBytes), 0) // room for a length below 128
	return b, len(b)
}

// end closes the field whose content starts there.
func end(b []byte, from int) []byte {
	n := len(b) - from
	if n < 0x80 {
		b[from-1] = byte(n)
		return b
	}
	var size [binary.MaxVarintLen64]byte
	k := binary.PutUvarint(size[:], uint64(n))
	b = append(b, size[1:k]...)
	copy(b[from+k-1:], b[from:from+n])
	copy(b[from-1:], size[:k])
	return b
}

// putVarint appends a varint field.
func putVarint(b []byte, num int, v uint64) []byte {
	return binary.AppendUvarint(putTag(b, num, wireVarint), v)
}

// put64 appends a 64 bit field.
func put64(b []byte, num int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(putTag(b, num, wire64), v)
}
