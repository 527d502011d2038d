package telemetry

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// memoryDisk is a disk of which the operations can be made to fail.
type memoryDisk struct {
	mu    sync.Mutex
	files map[string]*memoryFile
	left  int   // operations until all fail; negative: never
	err   error // with which they fail
	half  bool  // a write that fails writes half
	ops   int
}

type memoryFile struct {
	d *memoryDisk
	b []byte
}

func newMemoryDisk() *memoryDisk {
	return &memoryDisk{files: map[string]*memoryFile{}, left: -1, err: errors.New("no space left on device")}
}

// copy is the disk as it is now, as after a crash.
func (d *memoryDisk) copy() *memoryDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := newMemoryDisk()
	for name, f := range d.files {
		c.files[name] = &memoryFile{c, slices.Clone(f.b)}
	}
	return c
}

// step counts one operation that changes the disk.
func (d *memoryDisk) step() error {
	d.ops++
	if d.left == 0 {
		return d.err
	}
	if d.left > 0 {
		d.left--
	}
	return nil
}

func (d *memoryDisk) MkdirAll(string) error { return nil }

func (d *memoryDisk) List(dir string) (names []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.files {
		if filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

func (d *memoryDisk) Create(path string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return nil, err
	}
	d.files[path] = &memoryFile{d: d}
	return d.files[path], nil
}

func (d *memoryDisk) Open(path string, write bool) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[path]; f != nil {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

func (d *memoryDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.files[to] = d.files[from]
	delete(d.files, from)
	return nil
}

func (d *memoryDisk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	delete(d.files, path)
	return nil
}

func (d *memoryDisk) SyncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.step()
}

func (f *memoryFile) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if off > int64(len(f.b)) {
		return 0, io.EOF
	}
	n := copy(b, f.b[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	err := f.d.step()
	if err != nil {
		if !f.d.half {
			return 0, err
		}
		b = b[:len(b)/2]
	}
	if n := int(off) + len(b); n > len(f.b) {
		f.b = append(f.b, make([]byte, n-len(f.b))...)
	}
	copy(f.b[off:], b)
	return len(b), err
}

func (f *memoryFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.d.step()
}

func (f *memoryFile) Close() error { return nil }

func (f *memoryFile) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.b)), nil
}

// fataler is *testing.T and *rapid.T.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// reopen opens the store of a disk, with segments of few rows, of which a few are a chunk.
func reopen(t fataler, d disk) *Store {
	t.Helper()
	s, err := Open("store", Options{disk: d, Rows: 16, Chunk: 4})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// settle does what the goroutines of a store do when it has time: it writes the journals and, with seal,
// all that is in memory as segments.
func settle(t fataler, s *Store, seal bool) {
	t.Helper()
	if seal {
		for _, tab := range []*table{&s.spans, &s.logs} {
			tab.mu.Lock()
			if tab.active != nil && tab.active.len() > 0 {
				tab.retire()
			}
			tab.mu.Unlock()
			for more, err := true, error(nil); more; {
				if more, err = s.seal(tab); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	s.flush()
}

func sameSpans(got, want []Span) bool {
	return cmp.Equal(want, got, cmpopts.IgnoreFields(Span{}, "Resource"), cmpopts.EquateEmpty(),
		cmpopts.SortSlices(func(a, b Attr) bool { return a.Key < b.Key }))
}
