package contracts

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	for _, c := range []struct{ file, dir os.FileMode }{{0o644, 0o755}, {0o600, 0o700}} {
		dir := filepath.Join(t.TempDir(), "made")
		file := filepath.Join(dir, "f")
		for _, text := range []string{"old, and longer", "new"} {
			if err := Replace(file, []byte(text), c.file); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != text {
				t.Fatalf("read %q, %v; want %q", got, err, text)
			}
		}
		for path, want := range map[string]os.FileMode{file: c.file, dir: c.dir} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: mode %v, %v; want %v", filepath.Base(path), info.Mode().Perm(), err, want)
			}
		}
		if all, _ := os.ReadDir(dir); len(all) != 1 {
			t.Errorf("%d files are left, want 1", len(all))
		}
	}
}
