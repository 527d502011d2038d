package cli

import (
	"os"
	"path/filepath"
	"testing"

	"msctl.dev/msctl/chaos/experiment"
	"msctl.dev/msctl/chaos/explore"
)

// TestChaosPlaces finds out where nothing can be written, and leaves all as it was.
func TestChaosPlaces(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "notes.yaml")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		err  error
		want bool
	}{
		{"fill a folder", canFill(dir), true},
		{"fill one that is not there", canFill(filepath.Join(dir, "a", "b")), true},
		{"fill a file", canFill(file), false},
		{"fill a folder below a file", canFill(filepath.Join(file, "a")), false},
		{"write a file that is there", canWrite(file), true},
		{"write a new one", canWrite(filepath.Join(dir, "new.yaml")), true},
		{"write a folder", canWrite(dir), false},
		{"write where no folder is", canWrite(filepath.Join(dir, "a", "new.yaml")), false},
	} {
		if (c.err == nil) != c.want {
			t.Errorf("%s: %v", c.what, c.err)
		}
	}
	left, err := os.ReadDir(dir)
	if text, lost := os.ReadFile(file); err != nil || lost != nil || len(left) != 1 || string(text) != "mine" {
		t.Errorf("left %v, %v; the file has %q, %v", left, err, text, lost)
	}
}

// TestChaosRunPlaces refuses a report that cannot be written before an experiment begins.
func TestChaosRunPlaces(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"bad.yaml", "out"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	one := []*experiment.Experiment{{}}
	one[0].Pos.File = "slow.yaml"
	for report, want := range map[string]int{"": exitOK, "new": exitOK, ".": exitOK, "bad.yaml": exitUsage, "out/below": exitUsage} {
		s := &series{App: &App{Dir: dir}, o: &runOptions{report: report}}
		if err := s.writable(one); exitCode(err) != want {
			t.Errorf("--report %s: %v, want code %d", report, err, want)
		}
	}
	s := &series{App: &App{Dir: dir}, o: &runOptions{report: "."}, several: true}
	one[0].Pos.File = "out.yaml"
	if err := s.writable(one); exitCode(err) != exitUsage {
		t.Errorf("a file stands where a folder is to be: %v", err)
	}
}

// TestExplorePlaces refuses what cannot be written before anything is done, and what is no file of runs.
func TestExplorePlaces(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, c := range []struct {
		state, output string
		want          int
	}{
		{filepath.Join(dir, "new", "x.json"), "found.yaml", exitOK},
		{put("empty.json", ""), "found.yaml", exitOK},
		{put("other.json", `{"version":1,"search":"other","past":[{},{}]}`), "found.yaml", exitOK},
		{put("notes.txt", "mine"), "found.yaml", exitUsage},
		{put("package.json", `{"version":"1.0.0"}`), "found.yaml", exitUsage},
		{put("list.json", `[1]`), "found.yaml", exitUsage},
		{put("compose.json", `{"version":1,"name":"shop"}`), "found.yaml", exitUsage},
		{put("later.json", `{"version":2,"search":"other"}`), "found.yaml", exitUsage},
		{dir, "found.yaml", exitUsage},
		{"/proc/nosuch/x", "found.yaml", exitUsage},
		{filepath.Join(dir, "x.json"), "/proc/nosuch/found.yaml", exitUsage},
		{filepath.Join(dir, "x.json"), dir, exitUsage},
	} {
		var said, silence writes
		x := &exploring{App: &App{Dir: dir, Err: &said, Out: &silence}, o: &exploreOptions{output: c.output}, plot: planned(t), file: c.state}
		if err := x.places(); exitCode(err) != c.want {
			t.Errorf("--state %s --output %s: %v, want code %d", c.state, c.output, err, c.want)
		}
		want := ""
		if filepath.Base(c.state) == "other.json" {
			want = c.state + " has 2 runs of another search: they are replaced"
		}
		if x.notice != want || len(said) > 0 {
			t.Errorf("--state %s: is to say %q, want %q; said %q before anything is done", c.state, x.notice, want, said)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "notes.txt")); err != nil || string(text) != "mine" {
		t.Errorf("notes.txt has %q, %v", text, err)
	}
}

// TestExploreKept reads the runs that the same search made.
func TestExploreKept(t *testing.T) {
	x := &exploring{App: &App{Dir: t.TempDir()}, o: &exploreOptions{output: "found.yaml"}, plot: planned(t)}
	x.file = filepath.Join(x.Dir, "x.json")
	if err := x.save([]explore.Past{{Run: explore.Run{Answer: "201"}}}); err != nil {
		t.Fatal(err)
	}
	if err := x.places(); err != nil || len(x.kept) != 1 {
		t.Errorf("kept %v, %v", x.kept, err)
	}
}

// planned is a plot of the invariants of the reference fleet.
func planned(t *testing.T) *plot {
	t.Helper()
	p, err := readPlot(filepath.Join("..", "..", "chaos", "invariants.yaml"), "invariants.yaml", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// writes keeps what is written.
type writes []byte

func (w *writes) Write(p []byte) (int, error) { *w = append(*w, p...); return len(p), nil }
