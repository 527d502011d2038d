package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segment is one file of a unit's log.
type segment struct {
	path  string
	first uint64 // sequence number of its first line
	size  int64
}

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d.seg", first))
}

// segments lists the log in dir, oldest first. A folder that is not there is an empty log.
func segments(dir string) ([]segment, error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []segment
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, ".seg")
		if !ok || len(digits) != 20 {
			continue
		}
		if first, err := strconv.ParseUint(digits, 10, 64); err == nil {
			out = append(out, segment{path: filepath.Join(dir, name), first: first})
		}
	}
	slices.SortFunc(out, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// end finds where the last whole frame of the segment ends and its sequence number: what a writer that
// resumes after a crash must know. A file without the right magic has end 0.
func (s segment) end() (end int64, seq uint64, err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	seq = s.first - 1
	c := chunks{f: f}
	for {
		b, err := c.next()
		if !c.foreign {
			end = max(end, min(c.off, int64(len(magic))))
		}
		if err != nil || len(b) == 0 {
			return end, seq, err
		}
		base := c.off
		done, _ := parse(b, false, func(l Line, upto int) error {
			end, seq = base+int64(upto), l.Seq
			return nil
		})
		if done == 0 {
			return end, seq, nil
		}
		c.off += int64(done)
	}
}

// chunks reads a segment from off on, in pieces that hold at least one frame when there is one.
type chunks struct {
	f       *os.File
	off     int64
	foreign bool // the file is not of this format
}

const chunkSize = 256 << 10

// next returns what stands at off, at most chunkSize bytes; it is empty at the end. The slice is fresh.
// The caller moves off.
func (c *chunks) next() ([]byte, error) {
	st, err := c.f.Stat()
	if err != nil {
		return nil, err
	}
	if c.off > st.Size() {
		c.off = 0 // cut from outside
	}
	if c.off == 0 {
		if there, err := c.header(st.Size()); !there {
			return nil, err
		}
	}
	n := min(st.Size()-c.off, chunkSize)
	if n <= 0 || c.foreign {
		return nil, nil
	}
	b := make([]byte, n)
	got, err := c.f.ReadAt(b, c.off)
	if got > 0 || err == io.EOF { // cut while it was looked at
		err = nil
	}
	return b[:got], err
}

// header steps over the magic. It reports whether there is more to read. Only what was read can be foreign.
func (c *chunks) header(size int64) (bool, error) {
	if size < int64(len(magic)) {
		return false, nil
	}
	var b [len(magic)]byte
	if _, err := c.f.ReadAt(b[:], 0); err != nil {
		if err == io.EOF {
			err = nil
		}
		return false, err
	}
	c.foreign = string(b[:]) != magic
	c.off = int64(len(magic))
	return !c.foreign, nil
}
