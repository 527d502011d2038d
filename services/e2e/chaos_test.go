package e2e_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// experimented is what `chaos run --json` prints, as far as it is looked at.
type experimented struct {
	Type, Verdict, Reason string
	Experiment            struct{ File, Flag string }
	Probes                []struct {
		Name, Why string
		Held      bool
	}
	Duration float64
}

// name is the experiment's file without folder and ending.
func (e experimented) name() string {
	return strings.TrimSuffix(filepath.Base(e.Experiment.File), ".yaml")
}

// failed are the probes that did not hold.
func (e experimented) failed() (names []string) {
	for _, p := range e.Probes {
		if !p.Held {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// switched are the experiments whose patterns are switched off together, as none of a group needs another's, each
// with the probe that fails without its pattern, and others that may.
var switched = []map[string][]string{{
	"outbox":      {"the user is told of every order", "every order was taken", "every order is confirmed"},
	"dead-letter": {"the mail has come"},
	"cache":       {"every item was answered"},
	"rate-limit":  {"the greedy one was told to wait", "the modest one was not"},
	"bulkhead":    {"few wait for the warehouse"},
	"timeout":     {"all were answered in time"},
}, {
	"anti-corruption": {"the bank has booked each", "every order is paid for"},
	"fallback":        {"every page was there without its stock"},
	"inbox":           {"one mail has come, and no second one comes"},
	"lost-answer":     {"the bank has taken the money of each once"},
	"read-model":      {"the catalogue knows what is left"},
	"replicas":        {"every request was answered"}, // needs what retry needs
	"retry":           {"nobody saw it"},
	"strangler":       {"every item was answered"},
}, {
	"breaker":     {"the bank was left alone", "every order was taken", "every order is paid for"},
	"drain":       {"every order was answered"},
	"idempotency": {"there is one order for each key"},
	"saga":        {"nothing is held for them"},
}}

// reading are the services that read flags, and say so; bff looks at the file when it is asked.
var reading = []string{"gateway", "users", "catalog", "orders", "inventory", "payments", "notifications", "email"}

// TestExperiments makes every experiment of the reference fleet, those side by side that keep out of each other's
// way: all hold. Then each pattern that has a flag is switched off while the fleet runs: its experiment deviates
// by the probe that is about the pattern. The flags are in a file of the test's own.
func TestExperiments(t *testing.T) {
	root, msctl := build(t)
	files, err := filepath.Glob(filepath.Join(root, "chaos", "experiments", "*.yaml"))
	if err != nil || len(files) < 12 {
		t.Fatalf("%d experiments, %v", len(files), err)
	}
	flags := flagsOf(t, root)
	f := newFleet(t, root, msctl, up(t, t, root, msctl, "embedded"))
	flagged := map[string]experimented{}
	for _, e := range f.experiments(files) {
		if e.Verdict != "held" {
			t.Errorf("%s: %s: %s", e.name(), e.Verdict, e.Reason)
		}
		if e.Experiment.Flag != "" {
			flagged[e.name()] = e
		}
	}
	for _, group := range switched {
		f.deviate(flags, flagged, group)
	}
	for name := range flagged {
		t.Errorf("%s has a flag, and no group in which it is switched off", name)
	}
}

// TestExperimentsAreFlagged wants a flag of each experiment, one group in which it is switched off, and its row in the
// docs.
func TestExperimentsAreFlagged(t *testing.T) {
	files, err := filepath.Glob("../../chaos/experiments/*.yaml")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d experiments, %v", len(files), err)
	}
	docs, err := os.ReadFile("../../docs/experiments.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var e struct {
			Tags []string
			Flag string
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = yaml.Unmarshal(text, &e)
		}
		if err != nil || e.Flag == "" {
			t.Errorf("%s: flag is %q, %v", file, e.Flag, err)
		}
		row := "| `" + filepath.Base(file) + "` | " + strings.Join(e.Tags, ", ") + " | `" + e.Flag + "` |"
		if !strings.Contains(string(docs), row) {
			t.Errorf("docs/experiments.md is without %s", row)
		}
		groups := 0
		for _, g := range switched {
			if _, in := g[strings.TrimSuffix(filepath.Base(file), ".yaml")]; in {
				groups++
			}
		}
		if groups != 1 {
			t.Errorf("%s is switched off in %d groups, want 1", file, groups)
		}
	}
}

// flagsOf gives the services that come up next a file of flags of the test's own, and returns its path.
func flagsOf(t *testing.T, root string) string {
	t.Helper()
	flags, override := filepath.Join(t.TempDir(), "flags.json"), filepath.Join(t.TempDir(), "flags.yaml")
	switchOff(t, flags, nil)
	services := map[string]any{}
	for _, s := range append(slices.Clone(reading), "bff") {
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
	return flags
}

// deviate makes the experiments of a group with their patterns switched off, and takes them out of flagged.
func (f *fleet) deviate(flags string, flagged map[string]experimented, group map[string][]string) {
	f.t.Helper()
	var files, off []string
	for name := range group {
		e, here := flagged[name]
		if !here {
			f.t.Logf("%s has no flag or cannot run here", name)
			continue
		}
		files, off = append(files, e.Experiment.File), append(off, e.Experiment.Flag)
		delete(flagged, name)
	}
	slices.Sort(files)
	before := f.flagsRead()
	switchOff(f.t, flags, off)
	f.until("every service has read its flags", func() bool {
		now := f.flagsRead()
		return !slices.ContainsFunc(reading, func(s string) bool { return now[s] <= before[s] })
	})
	for _, e := range f.experiments(files) {
		wanted := group[e.name()]
		failed := e.failed()
		other := slices.ContainsFunc(failed, func(name string) bool { return !slices.Contains(wanted, name) })
		if e.Verdict != "deviated" || !slices.Contains(failed, wanted[0]) || other {
			f.t.Errorf("%s with %s off: %s, failed are %q, want %q: %s", e.name(), e.Experiment.Flag, e.Verdict, failed, wanted, e.Reason)
		}
	}
}

// flagsRead is how often each service has said that it read its flags.
func (f *fleet) flagsRead() map[string]int {
	f.t.Helper()
	n := map[string]int{}
	for line := range strings.Lines(f.tell(append([]string{"logs", "--grep", "flags read"}, reading...)...)) {
		if service, _, ok := strings.Cut(line, " "); ok {
			n[service]++
		}
	}
	return n
}

// switchOff writes flags that switch patterns off, each by a name such as payments.breaker, or
// gives one the value of name=value, true and false among them.
func switchOff(t *testing.T, file string, names []string) {
	t.Helper()
	all := map[string]any{}
	for _, name := range names {
		name, value, named := strings.Cut(name, "=")
		var off any = false
		if named {
			off = value
			if on, err := strconv.ParseBool(value); err == nil {
				off = on
			}
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

// experiments runs files, and returns how each ended that this machine can run.
func (f *fleet) experiments(files []string) []experimented {
	f.t.Helper()
	begun := time.Now()
	argv := append([]string{f.msctl, "--instance", f.instance, "chaos", "run", "--json", "--parallel", "6"}, files...)
	out, err := run(f.t, f.root, nil, argv...)
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		f.t.Fatalf("run experiments: %v\n%s", err, out)
	}
	all := read[experimented](f, string(out))
	if len(all) != len(files) {
		f.t.Fatalf("%d of %d experiments were made\n%s", len(all), len(files), out)
	}
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "{") {
			f.t.Log(strings.TrimRight(line, "\n")) // the story
		}
	}
	f.t.Logf("%d experiments took %v", len(all), time.Since(begun).Round(time.Second))
	return slices.DeleteFunc(all, func(e experimented) bool { return e.Type == "skipped" })
}
