package output

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A segment is magic followed by frames. A frame, all numbers little endian:
//
//	0  mark (1)   1  stream (1)   2  length of text (4)   6  crc (4)
//	10 seq (8)    18 unix nanoseconds (8)   26 cut (8)   34 text
//
// The checksum is CRC-32C over the frame without its own four bytes.
const (
	magic      = "msctlog1"
	mark       = 0xb5
	headerSize = 34
	maxFrame   = headerSize + MaxLine
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once by the library

// appendFrame adds l to b. Its text is at most MaxLine long.
func appendFrame(b []byte, l Line) []byte {
	start := len(b)
	b = append(b, mark, byte(l.Stream))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(l.Text)))
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, l.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(l.At.UnixNano()))
	b = binary.LittleEndian.AppendUint64(b, uint64(l.Cut))
	b = append(b, l.Text...)
	binary.LittleEndian.PutUint32(b[start+6:], checksum(b[start:]))
	return b
}

func checksum(frame []byte) uint32 {
	sum := crc32.Update(0, castagnoli(), frame[:6])
	return crc32.Update(sum, castagnoli(), frame[10:])
}

// verdict is what stands at a place in a segment.
type verdict int

const (
	whole   verdict = iota
	partial         // may become whole when more is written
	garbage
)

// parseFrame reads the frame at the start of b. The line's text is a part of b; size is the frame's.
func parseFrame(b []byte) (l Line, size int, v verdict) {
	if len(b) == 0 || (len(b) < headerSize && b[0] == mark) {
		return Line{}, 0, partial
	}
	if b[0] != mark {
		return Line{}, 0, garbage
	}
	n := binary.LittleEndian.Uint32(b[2:])
	if n > MaxLine || b[1] < byte(Stdout) || b[1] > byte(Note) {
		return Line{}, 0, garbage
	}
	size = headerSize + int(n)
	if len(b) < size {
		return Line{}, 0, partial
	}
	if checksum(b[:size]) != binary.LittleEndian.Uint32(b[6:]) {
		return Line{}, 0, garbage
	}
	return Line{
		Stream: Stream(b[1]),
		Seq:    binary.LittleEndian.Uint64(b[10:]),
		At:     headTime(b),
		Cut:    int(binary.LittleEndian.Uint64(b[26:])),
		Text:   b[headerSize:size:size],
	}, size, whole
}

// parse calls fn for each whole frame in b and returns how much of b is done with. Garbage is skipped up
// to the next whole frame. What is partial at the end is left, since it may be a frame that is being
// written, unless final says that nothing is written any more.
func parse(b []byte, final bool, fn func(l Line, upto int) error) (done int, err error) {
	for done < len(b) {
		l, size, v := parseFrame(b[done:])
		if v == partial && !final {
			return done, nil
		}
		if v != whole {
			skip := resync(b[done:])
			if skip < 0 {
				return max(done, len(b)-maxFrame), nil
			}
			done += skip
			continue
		}
		done += size
		if err := fn(l, done); err != nil {
			return done, err
		}
	}
	return done, nil
}

// resync returns the offset of the next whole frame after the start of b, or -1.
func resync(b []byte) int {
	for at := 1; at < len(b); at++ {
		i := bytes.IndexByte(b[at:], mark)
		if i < 0 {
			return -1
		}
		at += i
		if _, _, v := parseFrame(b[at:]); v == whole {
			return at
		}
	}
	return -1
}

// headTime returns the time in a frame's header.
func headTime(b []byte) time.Time {
	return time.Unix(0, int64(binary.LittleEndian.Uint64(b[18:])))
}
