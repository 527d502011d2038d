// Package output keeps what units print: lines in framed, checksummed segments that survive a crash of
// whoever writes or reads them, with tail, search and follow over them.
//
// The folder of a unit holds segments named after the first sequence number in them. One Writer appends;
// any number of readers in any process follow, without locks between them.
package output

import (
	"errors"
	"time"
)

// MaxLine is the longest text of a line, in bytes. What is longer is cut there.
const MaxLine = 64 << 10

// Stream says where a line came from.
type Stream uint8

// The streams.
const (
	Stdout Stream = 1
	Stderr Stream = 2
	Note   Stream = 3 // msctl's own remark
)

// String returns "stdout", "stderr" or "note".
func (s Stream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	case Note:
		return "note"
	}
	return "unknown"
}

// Line is one line that a unit printed, without its newline.
type Line struct {
	Seq    uint64 // from 1, without gaps, over all runs of the unit
	At     time.Time
	Stream Stream
	Text   []byte
	Cut    int // bytes dropped beyond MaxLine
}

// ErrClosed says that the Writer was closed.
var ErrClosed = errors.New("log is closed")
