package keeper

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func example() Record {
	return Record{
		Protocol: Protocol, Unit: "orders", Hash: "abc", Started: time.Unix(1e9, 0).UTC(), Restarts: 3, Grace: time.Second,
		Keeper: Identity{PID: 10, Start: 20, Boot: "b"}, Leader: Identity{PID: 11, Start: 21, Boot: "b"},
		Exit: &Exit{Signal: "KILL", OOM: true, At: time.Unix(1e9+5, 0).UTC()},
	}
}

func TestRecord(t *testing.T) {
	path := RecordPath(t.TempDir(), "orders")
	if _, err := ReadRecord(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read nothing: %v", err)
	}
	want := example()
	for range 2 {
		if err := WriteRecord(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadRecord(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	}
	names, _ := os.ReadDir(filepath.Dir(path))
	if st, _ := os.Stat(path); len(names) != 1 || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, mode %v", names, st.Mode())
	}
}

// TestRecordHarm is B3: cut at every byte, or with any bit changed, it is corrupt, never another record.
func TestRecordHarm(t *testing.T) {
	path := RecordPath(t.TempDir(), "orders")
	if err := WriteRecord(path, example()); err != nil {
		t.Fatal(err)
	}
	good, _ := os.ReadFile(path)
	for n := range good {
		if _, err := parseRecord(good[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d: %v", n, err)
		}
		for bit := range 8 {
			bad := append([]byte{}, good...)
			bad[n] ^= 1 << bit
			if _, err := parseRecord(bad); !errors.Is(err, ErrCorrupt) {
				t.Errorf("bit %d of byte %d: %v", bit, n, err)
			}
		}
	}
	os.Truncate(path, 1<<30)
	if _, err := ReadRecord(path); !errors.Is(err, ErrCorrupt) {
		t.Errorf("1 GB: %v", err)
	}
}

func FuzzRecord(f *testing.F) {
	path := RecordPath(f.TempDir(), "orders")
	WriteRecord(path, example())
	good, _ := os.ReadFile(path)
	f.Add(good)
	f.Add([]byte("{}\ncrc32 a3830348\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parseRecord(b); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}

func TestLock(t *testing.T) {
	path := lockPath(t.TempDir(), "orders")
	for i, want := range []bool{true, false} {
		if held, err := lock(path); held != want || err != nil {
			t.Errorf("try %d: %v, %v", i, held, err)
		}
	}
	os.Remove(path) // as its holder does at the end
	if held, err := lock(path); !held || err != nil {
		t.Errorf("after removal: %v, %v", held, err)
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"tool": 0o755, "data": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct{ name, path, want string }{
		{"tool", "/nowhere:" + dir, dir + "/tool"},
		{"tool", ".", dir + "/tool"},
		{"./tool", "", dir + "/tool"},
		{dir + "/tool", "", dir + "/tool"},
		{"data", dir, ""},
		{"tool", "", ""},
		{"..", dir, ""},
		{dir, "", ""},
	}
	for _, c := range cases {
		got, err := lookPath(c.name, dir, []string{"PATH=" + c.path})
		if (err == nil) != (c.want != "") || (err == nil && got != c.want) {
			t.Errorf("%q on %q: %q, %v", c.name, c.path, got, err)
		}
	}
}
