package verify

import (
	"encoding/xml"
	"os"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func reports() []Report {
	of := func(name string, o Outcome, ms ...Mismatch) Result {
		return Result{Consumer: "gateway", Provider: "users", Interaction: name, Outcome: o, Mismatches: ms}
	}
	return []Report{{Provider: "users", Results: []Result{
		of("fine", Holds),
		of("bad\n::error::%0A", Broken, Mismatch{"body", "$.name", "is <gone>"}),
		of("soon", Pending),
		{Consumer: "gateway", Provider: "users", Interaction: "down", Outcome: Failed, Reason: "does not answer"},
		of("who", Unknown),
	}}}
}

// TestExitCodes takes the worst: broken before failed before unknown.
func TestExitCodes(t *testing.T) {
	all := reports()
	for n, want := range map[int]int{1: ExitHolds, 2: ExitBroken, 5: ExitBroken} {
		if got := ExitCode([]Report{{Results: all[0].Results[:n]}}); got != want {
			t.Errorf("%d: got %d, want %d", n, got, want)
		}
	}
	if got := ExitCode([]Report{{Results: all[0].Results[2:]}}); got != ExitFailed {
		t.Errorf("got %d, want %d", got, ExitFailed)
	}
	if got := ExitCode([]Report{{Results: all[0].Results[4:]}}); got != ExitUnknown {
		t.Errorf("got %d, want %d", got, ExitUnknown)
	}
	if got := ExitCode([]Report{{Failure: "no"}}); got != ExitFailed {
		t.Errorf("got %d, want %d", got, ExitFailed)
	}
}

// TestReportsAreInert shows that nothing in a pact can begin a command of GitHub's or break the XML.
func TestReportsAreInert(t *testing.T) {
	out := Annotations(reports(), func(string) string { return "a,b:c.json" })
	if len(out) != 4 {
		t.Fatalf("got %q", out)
	}
	for _, line := range out {
		if strings.Contains(line, "\n") || strings.Count(line, "::") > 2 && !strings.Contains(line, "%0A::error::%250A") {
			t.Errorf("got %q", line)
		}
	}
	if !strings.HasPrefix(out[0], "::error file=a%2Cb%3Ac.json,title=contract gateway%3Ausers broken::bad") {
		t.Errorf("got %q", out[0])
	}
	var back junitSuites
	if err := xml.Unmarshal(JUnit(reports()), &back); err != nil {
		t.Fatal(err)
	}
	s := back.Suites[0]
	if s.Tests != 5 || s.Failures != 1 || s.Errors != 2 || s.Skipped != 1 || s.Cases[1].Failure.Message != "body $.name: is <gone>" {
		t.Errorf("got %+v", s)
	}
}

// TestHelperIsFresh compares the helper's module with msctl's: what both need is of one version, so that
// they share what is built.
func TestHelperIsFresh(t *testing.T) {
	data, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := modfile.Parse("go.mod.txt", helperMod, nil)
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, r := range ours.Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	sums := string(helperSum)
	for _, r := range theirs.Require {
		if have := versions[r.Mod.Path]; have != "" && have != r.Mod.Version {
			t.Errorf("helper/go.mod.txt requires %s %s, go.mod has %s", r.Mod.Path, r.Mod.Version, have)
		}
		if !strings.Contains(sums, r.Mod.Path+" "+r.Mod.Version) {
			t.Errorf("helper/go.sum.txt lacks %s %s", r.Mod.Path, r.Mod.Version)
		}
	}
	if theirs.Go.Version != ours.Go.Version {
		t.Errorf("helper/go.mod.txt wants Go %s, go.mod %s", theirs.Go.Version, ours.Go.Version)
	}
}
