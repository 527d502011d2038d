package scaffold_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"msctl.dev/msctl/internal/cli"
	"msctl.dev/msctl/scaffold"
)

// TestMain makes this test's binary msctl itself, which saves building it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"msctl": func() { os.Exit(cli.Run()) }})
}

// writeStory makes two files and changes one, as testdata/writer does.
func writeStory(dir string) error {
	changes, err := scaffold.Plan(dir, []scaffold.Output{
		{Path: "services/billing/main.go", Data: []byte("package main\n")},
		{Path: "services/billing/run.sh", Data: []byte("true\n"), Exec: true},
	}, []scaffold.Rewrite{{Path: "stack.yaml", Before: []byte("old\n"), After: []byte("new\n")}}, false)
	if err != nil {
		return err
	}
	return scaffold.Write(dir, changes)
}

const (
	nothing    = "stack.yaml old\n\n"
	everything = "services\nservices/billing\nservices/billing/main.go package main\n\nservices/billing/run.sh true\n\nstack.yaml new\n\n"
)

func story(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte("old\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWrite(t *testing.T) {
	dir := story(t)
	if err := writeStory(dir); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, dir); got != everything {
		t.Errorf("got %q", got)
	}
	for name, want := range map[string]os.FileMode{"stack.yaml": 0o640, "services/billing/run.sh": 0o755} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

// TestKilled is L2: killed at each of its steps, a write has done nothing or all once the next msctl looks.
func TestKilled(t *testing.T) {
	program := filepath.Join(t.TempDir(), "writer")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "failpoint", "-o", program, "./testdata/writer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write := func(dir string, env ...string) error {
		cmd := exec.CommandContext(t.Context(), program, dir)
		cmd.Env = append(os.Environ(), env...)
		return cmd.Run()
	}
	log := filepath.Join(t.TempDir(), "points")
	if err := write(story(t), "MSCTL_FAIL_LOG="+log); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	points := strings.Fields(string(text))
	if len(points) < 9 {
		t.Fatalf("only %d points: %v", len(points), points)
	}
	ends := map[string]int{}
	for _, point := range points {
		dir := story(t)
		if err := write(dir, "MSCTL_FAIL="+point); err == nil {
			t.Fatalf("%s: it lived", point)
		}
		if skipped, err := scaffold.Recover(dir); err != nil || len(skipped) > 0 {
			t.Errorf("%s: recover: %v, %v", point, skipped, err)
		}
		got := listing(t, dir)
		if got != nothing && got != everything {
			t.Errorf("%s: got %q, want nothing or all", point, got)
		}
		ends[got]++
	}
	if ends[nothing] == 0 || ends[everything] == 0 {
		t.Errorf("got %v, want both ends", ends)
	}
}

// TestRecoverLeavesOthersAlone: what somebody wrote after a write was killed stays.
func TestRecoverLeavesOthersAlone(t *testing.T) {
	dir := story(t)
	staging := filepath.Join(dir, ".msctl", "scaffold")
	if err := os.MkdirAll(staging, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		".msctl/scaffold/0.new": "theirs", ".msctl/scaffold/1.new": "b", "mine": "mine",
		".msctl/scaffold/journal.json": `[{"path":"mine","staged":".msctl/scaffold/0.new"},{"path":"b","staged":".msctl/scaffold/1.new"}]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	skipped, err := scaffold.Recover(dir)
	if err != nil || !slices.Equal(skipped, []string{"mine"}) {
		t.Errorf("got %v, %v, want mine skipped", skipped, err)
	}
	if got, want := listing(t, dir), "b b\nmine mine\n"+nothing; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestChangedMeanwhile takes everything back when a file is not what it was when the change was made.
func TestChangedMeanwhile(t *testing.T) {
	dir := story(t)
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeStory(dir); err == nil {
		t.Error("it was written over")
	}
	if got, want := listing(t, dir), "stack.yaml mine\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConflict(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := []scaffold.Output{{Path: "a", Data: []byte("new\n")}, {Path: "b", Data: []byte("b")}}
	changes, err := scaffold.Plan(dir, out, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	var conflict *scaffold.ConflictError
	if err := scaffold.Write(dir, changes); !errors.As(err, &conflict) || !strings.Contains(conflict.Changes[0].Diff(), "-mine\n+new\n") {
		t.Errorf("got %v, want a conflict with its diff", err)
	}
	if changes, err = scaffold.Plan(dir, out, nil, true); err != nil {
		t.Fatal(err)
	}
	if err := scaffold.Write(dir, changes); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, dir); got != "a new\n\nb b\n" {
		t.Errorf("got %q", got)
	}
}
