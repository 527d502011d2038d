package compose

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"msctl.dev/msctl/internal/stack"
)

var update = flag.Bool("update", false, "rewrite what the files are expected to come to")

// imports returns the archives of testdata/import.
func imports(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/import/*.txtar")
	if err != nil || len(files) < 6 {
		t.Fatalf("archives: %v, %v", files, err)
	}
	return files
}

// unpack writes an archive's files into a fresh folder and returns it with the path of the compose file.
func unpack(t *testing.T, archive *txtar.Archive) (dir, file string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "folder")
	for _, f := range archive.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(f.Name, "compose.") {
			file = path
		}
	}
	return dir, file
}

func shell(name string) (string, bool) { return "from the shell", name == "FROM_SHELL" }

// load loads a text as the stack.yaml of a folder.
func load(t *testing.T, dir string, text []byte) *stack.Stack {
	t.Helper()
	path := filepath.Join(dir, stack.FileName)
	st, err := stack.Load(stack.LoadOptions{Files: []string{path}, Texts: map[string][]byte{path: text}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return st
}

// TestImport compares what each compose file comes to and what is left of it, and loads it.
func TestImport(t *testing.T) {
	for _, path := range imports(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir, file := unpack(t, archive)
			got, err := Import(t.Context(), ImportOptions{File: file, Shown: filepath.Base(file), Lookup: shell})
			if err != nil {
				t.Fatal(err)
			}
			left := ""
			for _, l := range got.Left {
				left += l.String() + "\n"
			}
			compare(t, path+"-stack.yaml", string(got.Text))
			compare(t, path+"-left.txt", left)
			load(t, dir, got.Text)
		})
	}
}

// compare compares with a golden file beside an archive, or writes it.
func compare(t *testing.T, path, got string) {
	t.Helper()
	path = strings.Replace(path, ".txtar-", ".", 1)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
