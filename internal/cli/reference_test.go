package cli

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReferenceIsFresh compares the committed pages with what the lists of the program say now.
func TestReferenceIsFresh(t *testing.T) {
	a := &App{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }, Dir: t.TempDir()}
	root := newRoot(a)
	for _, p := range referencePages {
		path := filepath.Join("..", "..", "docs", "reference", p.file)
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(have), string(p.make(root))); diff != "" {
			t.Errorf("%s is stale, run `make generate` (-have +want):\n%s", path, diff)
		}
	}
}
