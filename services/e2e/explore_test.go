package e2e_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mistake is one that waits in the reference fleet to be found.
type mistake struct {
	flag   string   // switches it on
	where  []string // flags of explore that narrow the search
	want   []string // the smallest set of faults that shows it: mode, edge and operation of each
	breaks string   // the invariant that it breaks
}

// mistakes are searched for with MSCTL_SWEEP=all, the first of them, which needs two faults at once, always.
var mistakes = []mistake{
	{"orders.release-once", []string{"--edges", "orders:payments,orders:inventory", "--modes", "refuse"},
		[]string{"refuse orders:payments shop.payments.v1.PaymentsService/Capture", "refuse orders:inventory shop.inventory.v1.InventoryService/Release"},
		"nothing is held for nobody"},
	{"payments.charge-anew", []string{"--edges", "payments:legacy", "--max-faults", "1"},
		[]string{"omit payments:legacy POST /bank/txn"}, "the bank kept what payments says"},
	{"orders.sent-early", []string{"--edges", "orders:broker", "--max-faults", "1"},
		[]string{"cut orders:broker publish events.order.confirmed"}, "who bought is told once"},
}

// mostRuns is how many runs a search may take.
const mostRuns = 200

// explored is what `chaos explore --json` prints, as far as it is looked at.
type explored struct {
	Counts struct{ Runs int }
	Found  []struct {
		Set []struct{ Mode, Edge, Op string }
		Run struct{ Broken []string }
	}
	Files []string
}

// TestExplore does what the README says of it, with MSCTL_SWEEP=all, and searches around each mistake that is behind a flag. Without the flag no set of faults breaks anything. With
// it the smallest set that shows the mistake is found, and the experiment that was written deviates.
func TestExplore(t *testing.T) {
	root, msctl := build(t)
	flags := flagsOf(t, root)
	f := newFleet(t, root, msctl, up(t, t, root, msctl, "embedded"))
	dir := t.TempDir()
	sought := mistakes
	if os.Getenv("MSCTL_SWEEP") == "all" {
		do(t, root, []string{"MSCTL=" + msctl, "MSCTL_FLAGS=--instance " + f.instance}, filepath.Join(root, "services", "walk.sh"), "find")
	} else {
		sought = mistakes[:1]
	}
	for _, m := range sought {
		if code, out := f.explore(dir, m); code != 0 || !strings.Contains(out, "of these modes breaks these invariants") {
			t.Errorf("without %s: exit code %d\n%s", m.flag, code, out)
		}
	}
	breaks, on := map[string]string{}, []string(nil) // by replay
	for _, m := range sought {
		on = append(on, m.flag+"=true")
		switchOff(t, flags, on)
		if file := m.shown(f, dir); file != "" {
			breaks[file] = m.breaks
		}
	}
	for _, e := range f.experiments(slices.Sorted(maps.Keys(breaks))) {
		if want := breaks[e.Experiment.File]; e.Verdict != "deviated" || want == "" || !strings.Contains(e.Reason, want) {
			t.Errorf("replay %s: %s: %s, want %q", e.Experiment.File, e.Verdict, e.Reason, want)
		}
	}
}

// explore makes the search of a mistake, and returns its exit code and what it said.
func (f *fleet) explore(dir string, m mistake, flags ...string) (code int, said string) {
	f.t.Helper()
	begun := time.Now()
	argv := slices.Concat([]string{f.msctl, "--instance", f.instance, "chaos", "explore",
		"--output", filepath.Join(dir, m.flag+".yaml"), "--state", filepath.Join(dir, m.flag+".json")}, m.where, flags)
	out, err := run(f.t, f.root, nil, argv...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		f.t.Fatal(err)
	}
	f.t.Logf("%s: a search of %v", m.flag, time.Since(begun).Round(time.Second))
	return code, string(out)
}

// shown searches, and returns the replay where that found the mistake, its smallest set and nothing else.
func (m mistake) shown(f *fleet, dir string) (file string) {
	f.t.Helper()
	code, out := f.explore(dir, m, "--json")
	said := read[explored](f, out)
	if code != 1 || len(said) != 1 || len(said[0].Found) != 1 || len(said[0].Files) != 1 {
		f.t.Errorf("with %s: exit code %d\n%s", m.flag, code, out)
		return ""
	}
	if runs := said[0].Counts.Runs; runs > mostRuns {
		f.t.Errorf("%s: %d runs, want at most %d", m.flag, runs, mostRuns)
	}
	found := said[0].Found[0]
	var got []string
	for _, one := range found.Set {
		got = append(got, one.Mode+" "+one.Edge+" "+one.Op)
	}
	if diff := cmp.Diff(got, m.want); diff != "" {
		f.t.Errorf("%s: %s", m.flag, diff)
	}
	if broken := strings.Join(found.Run.Broken, "; "); !strings.Contains(broken, m.breaks) {
		f.t.Errorf("%s breaks %q, want %q", m.flag, broken, m.breaks)
	}
	return said[0].Files[0]
}
