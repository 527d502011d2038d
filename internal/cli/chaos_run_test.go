package cli

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReportFolders gives each of several experiments a folder of its own, those of one name too, and a single one
// the folder that was asked for.
func TestReportFolders(t *testing.T) {
	elsewhere := t.TempDir()
	for report, dir := range map[string]string{"out": "/home/shop/out", elsewhere: elsewhere} {
		s := &series{App: &App{Dir: "/home/shop"}, o: &runOptions{report: report}, out: map[string]bool{}}
		got := []string{s.folder(""), s.folder("a"), s.folder("a"), s.folder("b"), s.folder("a")}
		want := []string{dir, filepath.Join(dir, "a"), filepath.Join(dir, "a-2"), filepath.Join(dir, "b"), filepath.Join(dir, "a-3")}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	}
}
