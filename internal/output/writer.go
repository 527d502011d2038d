package output

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options of a Writer. The zero value works.
type Options struct {
	MaxBytes     int64        // of all segments; 0 means 64 MiB. The oldest are dropped
	SegmentBytes int64        // of one segment; 0 means a sixteenth of MaxBytes
	Notice       func(string) // told at most once a minute that lines are lost, with the cause; nil is allowed
}

const (
	defaultMax  = 64 << 20
	flushAt     = 256 << 10
	noticeEvery = time.Minute
	retryEvery  = 100 * time.Millisecond
	lookEvery   = time.Second
)

// Writer appends to the log of one unit. There is at most one per folder at a time: the caller sees to it.
// It is safe for concurrent use.
//
// A disk that is full or broken never fails an Append: the lines are kept for a second try, and then dropped
// and counted; Options.Notice is told, and when writing works again a [Note] says how many are missing.
type Writer struct {
	dir string
	o   Options

	mu      sync.Mutex
	closed  bool
	f       file
	path    string
	size    int64 // of the segment, without what is buffered
	old     []segment
	seq     uint64 // of the last line, the buffered ones included
	written uint64 // of the last line that is in the file
	buf     []byte
	at      time.Time // of the last line
	looked  time.Time // when the file was last compared with what it should be
	held    time.Time // since when the buffer is kept for a second try; zero: it is not
	loss    loss
	create  func(path string, at int64) (file, error)
}

// loss is what could not be written since the last time that it could.
type loss struct {
	lines  int
	noted  int // 1 where the buffer begins with the note about it
	since  time.Time
	tried  time.Time
	told   time.Time
	reason error
}

// file is what a Writer needs of a segment.
type file interface {
	io.WriteCloser
	Truncate(size int64) error
	Stat() (os.FileInfo, error)
}

// Open makes dir and a Writer on it. It resumes after the last whole line and drops a torn tail.
func Open(dir string, o Options) (*Writer, error) {
	o.MaxBytes = cmp.Or(o.MaxBytes, defaultMax)
	o.SegmentBytes = cmp.Or(o.SegmentBytes, o.MaxBytes/16)
	w := &Writer{dir: dir, o: o, create: create}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	segs, err := segments(dir)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := w.resume(segs); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return w, nil
}

// resume takes the place of the writer that left segs behind.
func (w *Writer) resume(segs []segment) error {
	for i := range segs {
		if st, err := os.Stat(segs[i].path); err == nil {
			segs[i].size = st.Size()
		}
	}
	if len(segs) == 0 {
		return nil
	}
	last := segs[len(segs)-1]
	w.old = segs[:len(segs)-1]
	end, seq, err := last.end()
	if err != nil {
		return err
	}
	w.seq, w.written = seq, seq
	if end == 0 && last.size >= int64(len(magic)) {
		return os.Rename(last.path, last.path+".corrupt")
	}
	w.path, w.size = last.path, end
	return nil
}

// create opens a segment for appending, cut to at bytes.
func create(path string, at int64) (file, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(at); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Append adds a line. What is beyond MaxLine is cut. The text is copied. It is in the file at the next
// Flush, or earlier. The only error is [ErrClosed].
func (w *Writer) Append(at time.Time, s Stream, text []byte) error {
	return w.AppendCut(at, s, text, 0)
}

// AppendCut is Append for a line of which cut bytes were dropped already.
func (w *Writer) AppendCut(at time.Time, s Stream, text []byte, cut int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	if len(text) > MaxLine {
		cut += len(text) - MaxLine
		text = text[:MaxLine]
	}
	w.add(Line{At: at, Stream: s, Text: text, Cut: cut})
	if len(w.buf) >= flushAt {
		w.flush()
	}
	return nil
}

// add buffers l, after the note about lines lost before it.
func (w *Writer) add(l Line) {
	if w.loss.lines > 0 && len(w.buf) == 0 {
		w.put(w.loss.note(l.At))
		w.loss.noted = 1
	}
	w.put(l)
}

func (w *Writer) put(l Line) {
	w.seq++
	l.Seq = w.seq
	w.at = l.At
	w.buf = appendFrame(w.buf, l)
}

// Last returns the number of the last line, the buffered ones included, or 0.
func (w *Writer) Last() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq
}

// Flush writes what is buffered to the file. Whoever is killed after it has lost nothing.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	w.flush()
	return nil
}

// Close flushes and ends the writing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	w.loss.tried, w.held = time.Time{}, time.Time{} // one last try
	w.flush()
	if !w.held.IsZero() {
		w.lose(w.loss.reason)
	}
	w.closed = true
	if w.f != nil {
		return w.f.Close()
	}
	return nil
}

// flush empties the buffer: into the file, or into the count of what is lost.
func (w *Writer) flush() {
	if len(w.buf) == 0 {
		return
	}
	if w.loss.lines > 0 && w.at.Sub(w.loss.tried).Abs() < retryEvery {
		w.lose(w.loss.reason)
		return
	}
	if !w.held.IsZero() && w.at.Sub(w.held).Abs() < retryEvery && len(w.buf) < 2*flushAt {
		return
	}
	w.look()
	if err := w.write(); err != nil {
		w.loss.tried, w.loss.reason = w.at, err
		w.keep()
		return
	}
	w.buf, w.written, w.held = w.buf[:0], w.seq, time.Time{}
	w.loss.lines, w.loss.noted = 0, 0
}

// keep holds what could not be written back for a moment, once: many a failure is over by then.
func (w *Writer) keep() {
	if w.loss.lines > 0 || !w.held.IsZero() {
		w.held = time.Time{}
		w.lose(w.loss.reason)
		return
	}
	w.held = w.at
	time.AfterFunc(retryEvery, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.closed && !w.held.IsZero() {
			w.held = time.Unix(0, 1) // long ago
			w.flush()
		}
	})
}

// write puts the buffer into the segment, a new one where the old is full. After an error the file is as
// it was before.
func (w *Writer) write() error {
	if w.f != nil && w.size > int64(len(magic)) && w.size+int64(len(w.buf)) > w.o.SegmentBytes {
		w.turn()
	}
	if err := w.open(); err != nil {
		return err
	}
	n, err := w.f.Write(w.buf)
	if err != nil {
		if n > 0 && w.f.Truncate(w.size) != nil {
			w.turn() // a torn frame stays behind: readers skip it
		}
		return err
	}
	w.size += int64(n)
	return nil
}

// open makes sure that there is a segment with its header.
func (w *Writer) open() error {
	if w.f != nil {
		return nil
	}
	path, size := w.path, w.size
	if path == "" {
		path, size = segmentPath(w.dir, w.written+1), 0
	}
	f, err := w.create(path, size)
	if err != nil {
		return err
	}
	if size == 0 {
		if _, err := io.WriteString(f, magic); err != nil {
			f.Truncate(0)
			f.Close()
			return err
		}
		size = int64(len(magic))
	}
	w.f, w.path, w.size = f, path, size
	w.retain()
	return nil
}

// turn leaves the segment; the next write begins a new one.
func (w *Writer) turn() {
	w.f.Close()
	w.old = append(w.old, segment{path: w.path, size: w.size})
	w.f, w.path, w.size = nil, "", 0
}

// retain drops the oldest segments so that a full current one still fits into MaxBytes.
func (w *Writer) retain() {
	total := max(w.o.SegmentBytes, w.size)
	for _, s := range w.old {
		total += s.size
	}
	for len(w.old) > 0 && total > w.o.MaxBytes {
		os.Remove(w.old[0].path)
		total -= w.old[0].size
		w.old = w.old[1:]
	}
}

// look finds out whether the segment was removed or cut from outside, and then begins a new one.
func (w *Writer) look() {
	if w.f == nil || w.at.Sub(w.looked).Abs() < lookEvery {
		return
	}
	w.looked = w.at
	have, err := w.f.Stat()
	if err != nil {
		return
	}
	named, err := os.Stat(w.path)
	if err == nil && os.SameFile(have, named) && have.Size() == w.size {
		return
	}
	w.turn()
	os.MkdirAll(w.dir, 0o700) // the next open says what is wrong
	w.put(Line{At: w.at, Stream: Note, Text: []byte("the log was changed from outside: it goes on in a new file, " + filepath.Base(w.dir))})
}

// lose drops the buffered lines and tells about it, at most once a minute.
func (w *Writer) lose(reason error) {
	if w.loss.lines == 0 {
		w.loss.since = w.at
	}
	w.loss.lines += int(w.seq-w.written) - w.loss.noted
	w.loss.noted = 0
	w.loss.reason = reason
	w.seq, w.buf = w.written, w.buf[:0]
	if w.o.Notice != nil && (w.loss.told.IsZero() || w.at.Sub(w.loss.told) >= noticeEvery) {
		w.loss.told = w.at
		w.o.Notice(fmt.Sprintf("output is dropped: %v", reason))
	}
}

// note is the line that stands for the lost ones.
func (l loss) note(at time.Time) Line {
	text := fmt.Sprintf("%d lines dropped since %s: %v", l.lines, l.since.Format(time.TimeOnly), l.reason)
	return Line{At: at, Stream: Note, Text: []byte(text)}
}
