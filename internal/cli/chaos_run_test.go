package cli

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/chaos/experiment"
	"msctl.dev/msctl/internal/stack"
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

// TestChaosRunTable has a line for each experiment, also for those that were not begun.
func TestChaosRunTable(t *testing.T) {
	s := &series{unbegun: []omitted{{"late.yaml", "interrupted before its turn"}}, omitted: []omitted{{"absent.yaml", "no push"}}}
	for file, verdict := range map[string]experiment.Verdict{"first.yaml": experiment.Held, "cut.yaml": experiment.Interrupted} {
		s.done = append(s.done, &experiment.Journal{Experiment: experiment.Described{File: file}, Verdict: verdict})
	}
	s.veil = &stack.Redactor{}
	var out writes
	s.table(screen{Writer: &out, width: 100})
	for _, want := range []string{`first.yaml +held `, `cut.yaml +interrupted `, `late.yaml +not begun +interrupted before its turn`, `absent.yaml +skipped +no push`} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestChaosRunOnce says once why an experiment ended.
func TestChaosRunOnce(t *testing.T) {
	s := &series{}
	var got []string
	for _, e := range []experiment.Event{{Sort: "end", Text: "interrupted: by somebody"}, {Sort: "verdict", Text: "interrupted: by somebody"}} {
		got = append(got, s.once("a", e))
	}
	got = append(got, s.once("b", experiment.Event{Sort: "verdict", Text: "deviated: so"}))
	if diff := cmp.Diff(got, []string{"interrupted: by somebody", "interrupted", "deviated: so"}); diff != "" {
		t.Error(diff)
	}
}
