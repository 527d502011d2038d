package e2e_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// experimented is what `chaos run --json` prints, as far as it is looked at.
type experimented struct {
	Verdict, Reason string
	Experiment      struct{ File, Flag string }
}

// TestExperiments makes every experiment of the reference fleet, those side by side that keep out of each other's
// way: all hold. Then each pattern that has a flag is switched off while the fleet runs, and each of its
// experiments deviates. The flags are in a file of the test's own.
func TestExperiments(t *testing.T) {
	root, msctl := build(t)
	files, err := filepath.Glob(filepath.Join(root, "chaos", "experiments", "*.yaml"))
	if err != nil || len(files) < 12 {
		t.Fatalf("%d experiments, %v", len(files), err)
	}
	flags, override := filepath.Join(t.TempDir(), "flags.json"), filepath.Join(t.TempDir(), "flags.yaml")
	switchOff(t, flags, nil)
	services := map[string]any{}
	for _, s := range []string{"gateway", "bff", "users", "catalog", "orders", "inventory", "payments", "notifications", "email"} {
		services[s] = map[string]any{"env": map[string]string{"FLAGS_FILE": flags}}
	}
	text, err := yaml.Marshal(map[string]any{"services": services})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(override, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MSCTL_FILE", filepath.Join(root, "stack.yaml")+string(filepath.ListSeparator)+override)
	f := newFleet(t, root, msctl, up(t, t, root, msctl, "embedded"))
	files = runnable(f, files)
	var flagged, off []string
	for _, e := range f.experiments(files) {
		if e.Verdict != "held" {
			t.Errorf("%s: %s: %s", e.Experiment.File, e.Verdict, e.Reason)
		}
		if e.Experiment.Flag != "" {
			flagged, off = append(flagged, e.Experiment.File), append(off, e.Experiment.Flag)
		}
	}
	if len(flagged) < 10 {
		t.Fatalf("%d experiments have a flag: %v", len(flagged), off)
	}
	switchOff(t, flags, off)
	f.until("every service has read its flags", func() bool {
		return strings.Contains(string(f.call("GET", "/items/sugar", "", 200)), "sugar")
	})
	for _, e := range f.experiments(flagged) {
		if e.Verdict != "deviated" {
			t.Errorf("%s with %s off: %s %s", e.Experiment.File, e.Experiment.Flag, e.Verdict, e.Reason)
		}
	}
}

// runnable leaves out what needs a service that this machine cannot run.
func runnable(f *fleet, files []string) []string {
	f.t.Helper()
	if slices.Contains(f.services(), "bff") {
		return files
	}
	f.t.Log("bff does not run here: its experiment is left out")
	return slices.DeleteFunc(files, func(file string) bool { return filepath.Base(file) == "fallback.yaml" })
}

// switchOff writes flags that switch patterns off, each by a name such as payments.breaker, or name=value.
func switchOff(t *testing.T, file string, names []string) {
	t.Helper()
	all := map[string]any{}
	for _, name := range names {
		name, value, named := strings.Cut(name, "=")
		var off any = false
		if named {
			off = value
		}
		all[name] = map[string]any{"state": "ENABLED", "variants": map[string]any{"off": off}, "defaultVariant": "off"}
	}
	text, err := json.Marshal(map[string]any{"flags": all})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// experiments runs files, and returns how each ended.
func (f *fleet) experiments(files []string) []experimented {
	f.t.Helper()
	argv := append([]string{f.msctl, "--instance", f.instance, "chaos", "run", "--json", "--parallel", "5"}, files...)
	out, err := run(f.t, f.root, nil, argv...)
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		f.t.Fatalf("run experiments: %v\n%s", err, out)
	}
	all := read[experimented](f, string(out))
	if len(all) != len(files) {
		f.t.Fatalf("%d of %d experiments were made\n%s", len(all), len(files), out)
	}
	if f.t.Failed() || testing.Verbose() {
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "{") {
				f.t.Log(strings.TrimRight(line, "\n"))
			}
		}
	}
	return all
}
