package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Open opens the store of a folder, which it makes. What cannot be read there is passed over and said in
// the log; the error is only of a folder that cannot be made or listed. The caller runs [Store.Run].
func Open(dir string, o Options) (*Store, error) {
	o.fill()
	if err := o.disk.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open telemetry: %w", err)
	}
	return load(dir, o, false)
}

// OpenRead opens the store of a folder for reading only. Another process may write to it meanwhile; what
// it writes later is not seen. The error is [fs.ErrNotExist] where there is no store.
func OpenRead(dir string) (*Store, error) {
	var o Options
	o.fill()
	return load(dir, o, true)
}

func load(dir string, o Options, readOnly bool) (*Store, error) {
	s := &Store{o: o, flushNow: make(chan struct{}, 1), flushMuch: make(chan struct{}, 1), sealNow: make(chan struct{}, 1)}
	s.said = notices{log: o.Log, now: o.now}
	s.cache.max, s.atlas.max = o.Memory/4, o.Memory/8
	s.spans.name, s.logs.name, s.logs.log = "spans", "logs", true
	for _, t := range []*table{&s.spans, &s.logs} {
		t.o, t.dir, t.readOnly, t.cache, t.said = &s.o, dir, readOnly, &s.cache, &s.said
		t.flushNow, t.flushMuch, t.sealNow = s.flushNow, s.flushMuch, s.sealNow
		if err := t.load(); err != nil {
			return nil, fmt.Errorf("open telemetry: %w", err)
		}
	}
	return s, nil
}

// listing is the files of a table by sequence number.
type listing struct{ segs, journals []uint64 }

// list reads the folder. It removes what was left half written, unless the table is read-only.
func (t *table) list() (l listing, err error) {
	names, err := t.o.disk.List(t.dir)
	if err != nil {
		return l, err
	}
	for _, name := range names {
		rest, ours := strings.CutPrefix(name, t.name+"-")
		number, kind, _ := strings.Cut(rest, ".")
		seq, err := strconv.ParseUint(number, 10, 63)
		if !ours || err != nil {
			continue
		}
		t.seq = max(t.seq, seq)
		switch {
		case kind == "seg":
			l.segs = append(l.segs, seq)
		case kind == "wal":
			l.journals = append(l.journals, seq)
		case strings.HasSuffix(kind, "tmp") && !t.readOnly:
			_ = t.o.disk.Remove(filepath.Join(t.dir, name))
		}
	}
	slices.Sort(l.segs)
	slices.Sort(l.journals)
	return l, nil
}

// load opens the segments and replays the journals of those that are not written yet.
func (t *table) load() error {
	l, err := t.list()
	for range 5 { // a writer may have turned a journal into a segment meanwhile
		if err != nil {
			return err
		}
		t.segs = t.segs[:0]
		for _, seq := range l.segs {
			t.open(seq)
		}
		missing := false
		t.full, t.active = nil, nil
		for _, seq := range l.journals {
			missing = !t.replay(seq, slices.Contains(l.segs, seq)) || missing
		}
		if !missing {
			break
		}
		l, err = t.list()
	}
	if n := len(t.full); n > 0 && !t.readOnly {
		if last := t.full[n-1]; last.len() < t.o.Rows {
			t.active, t.full = last, t.full[:n-1]
		}
		wake(t.sealNow)
	}
	return err
}

// open adds a segment. A bad one is said, and kept in mind for what it takes of the disk; one of another
// version is left alone.
func (t *table) open(seq uint64) {
	seg := openSegment(t.o.disk, t.cache, t.path(seq, "seg"), seq)
	seg.say = t.tell
	if seg.bad != nil && !errors.Is(seg.bad, fs.ErrNotExist) {
		t.o.Log.Warn("segment passed over", "path", seg.path, "err", seg.bad)
	}
	if !errors.Is(seg.bad, errForeign) {
		t.segs = append(t.segs, seg)
	}
}

// replay reads a journal into a batch. It returns false when the file has gone meanwhile.
func (t *table) replay(seq uint64, sealed bool) bool {
	j := &journal{d: t.o.disk, path: t.path(seq, "wal")}
	if sealed && t.segment(seq).bad == nil {
		if !t.readOnly {
			_ = t.o.disk.Remove(j.path)
		}
		return true
	}
	f, err := t.o.disk.Open(j.path, !t.readOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if sealed { // the segment is bad: the records need a number of their own
		t.seq++
		seq = t.seq
	}
	b := &batch{memory: newMemory(t.log), seq: seq, j: j, last: t.o.now()}
	var bytes []byte
	if err == nil {
		j.f = f
		bytes, err = readWhole(f)
	}
	if err != nil {
		t.o.Log.Warn("journal passed over", "path", j.path, "err", err)
		j.close()
		return true
	}
	t.fill(b, bytes)
	if t.readOnly {
		j.close()
	}
	t.full = append(t.full, b)
	return true
}

// fill replays the bytes of a journal.
func (t *table) fill(b *batch, bytes []byte) {
	record := decodeSpan
	if t.log {
		record = decodeLog
	}
	end, lost := replay(bytes, func(at int64, body []byte) { _, _ = b.read(body, at, record) })
	b.j.off = end
	b.j.size.Store(int64(len(bytes)))
	if lost > 0 {
		t.o.Log.Warn("journal is damaged", "path", b.j.path, "err", fmt.Errorf("%d bytes passed over", lost))
	}
}

// segment returns the segment of that number.
func (t *table) segment(seq uint64) *segment {
	i := slices.IndexFunc(t.segs, func(s *segment) bool { return s.seq == seq })
	if i < 0 {
		return &segment{bad: errForeign}
	}
	return t.segs[i]
}
