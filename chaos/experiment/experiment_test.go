package experiment

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// fleet is one that remembers its faults, of the service shop behind an edge from outside.
type fleet struct {
	mu     sync.Mutex
	addr   string
	faults []state.Fault
	kept   int
	did    []string
	refuse error  // of RemoveFaults
	loses  string // kind of faults that end at once, as where their lease lapses
	added  chan struct{}
}

func (f *fleet) Snapshot(context.Context) (state.Snapshot, error) {
	return state.Snapshot{Units: []state.Unit{
		{Name: "shop", Service: "shop", Sort: state.Service, Phase: state.Ready, PID: 1, Ports: []state.Port{{Name: "http", Addr: f.addr}}},
		{Name: "bank", Service: "bank", Sort: state.Service, Phase: state.Ready, PID: 1},
		{Name: "shop-db", Service: "shop-db", Sort: state.Resource, Phase: state.Ready}}}, nil
}

func (f *fleet) Edges(context.Context) ([]state.Edge, error) {
	return []state.Edge{{From: "", To: "shop", Listen: "http", Mesh: true, Addr: f.addr}, {From: "shop", To: "bank", Listen: "http", Mesh: true, Protocol: "http"},
		{From: "shop", To: "shop-db", Direct: "a file"}}, nil
}

func (f *fleet) Environment(context.Context, string) (state.Environment, error) {
	return state.Environment{}, errors.New("there is none")
}

func (f *fleet) Faults(context.Context) ([]state.Fault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Clone(f.faults)
	for i := range all {
		all[i].Acted = 3
	}
	return all, nil
}

func (f *fleet) AddFaults(_ context.Context, list []state.Fault) ([]state.Fault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range list {
		list[i].ID = list[i].Target + "-" + list[i].Kind
		f.did = append(f.did, "add "+list[i].Kind)
	}
	for _, one := range list {
		if one.Kind != f.loses {
			f.faults = append(f.faults, one)
		}
	}
	if f.added != nil {
		close(f.added)
		f.added = nil
	}
	return list, nil
}

func (f *fleet) RemoveFaults(_ context.Context, ids []string) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return 0, f.refuse
	}
	for _, id := range ids {
		if !slices.ContainsFunc(f.faults, func(one state.Fault) bool { return one.ID == id }) {
			return 0, fmt.Errorf("lift %q: %w", id, state.ErrUnknownFault)
		}
	}
	for _, id := range ids {
		for i, one := range f.faults {
			if one.ID == id {
				f.did = append(f.did, "remove "+one.Kind)
				f.faults = append(f.faults[:i], f.faults[i+1:]...)
				break
			}
		}
	}
	return len(ids), nil
}

func (f *fleet) KeepLease(context.Context, string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept++
	return nil
}

func (f *fleet) note(verb string, names ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, verb+" "+strings.Join(names, " "))
	return nil
}

func (f *fleet) Start(_ context.Context, n []string) error      { return f.note("start", n...) }
func (f *fleet) Stop(_ context.Context, n []string) error       { return f.note("stop", n...) }
func (f *fleet) Restart(_ context.Context, n []string) error    { return f.note("restart", n...) }
func (f *fleet) Scale(_ context.Context, s string, n int) error { return f.note("scale", s) }
func (f *fleet) story() string                                  { f.mu.Lock(); defer f.mu.Unlock(); return strings.Join(f.did, ", ") }

// site is a fleet whose service shop answers by that handler.
func site(t *testing.T, h http.HandlerFunc) (Site, *fleet) {
	t.Helper()
	if h == nil {
		h = func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"items": [1, 2], "ok": true}`)) }
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	f := &fleet{addr: strings.TrimPrefix(srv.URL, "http://")}
	return Site{Fleet: f, Stack: &stack.Stack{Dir: t.TempDir()}, Logs: t.TempDir(), Environ: os.Environ()}, f
}

func parse(t *testing.T, text string) *Experiment {
	t.Helper()
	e, err := Parse("a.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestMistakesAreToldAtOnce reads a file in which much is wrong.
func TestMistakesAreToldAtOnce(t *testing.T) {
	_, err := Parse("a.yaml", []byte(`titel: x
seed: -1
steady:
  - htp: GET shop/items
  - {http: GET http://example.com/, status: 99}
  - {edge: "shop:bank", measure: rat, want: "< 3"}
  - {tcp: shop, want: 3}
during:
  - {process: shop, every: 1ns, within: 3s}
faults:
  - {at: 1s, fault: "shop:bank latenzy=3s"}
  - {at: 1s, fault: "shop:bank latency=3s for=3s"}
workload: {http: GET shop/items}
`))
	var all stack.Errors
	if !errors.As(err, &all) {
		t.Fatalf("got %v", err)
	}
	text := err.Error()
	for _, want := range []string{
		"a.yaml:1:1: an experiment has no key \"titel\"", "did you mean title?", "a.yaml:2:7: \"-1\"", "a.yaml:4:5: this probe of steady",
		"a.yaml:5:12: \"http://example.com/\" is not on this machine", "a.yaml:5:45: \"99\" is no status", "did you mean rate?",
		"a.yaml:7:17: a tcp probe has no key \"want\"", "a.yaml:9:28: \"1ns\"", "a process probe has no key \"within\"",
		"no such fault", "did you mean latency?", "has its for beside it", "does not say its rate", "the experiment has no title",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestFilesThatAreNone are refused with a place.
func TestFilesThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "a.yaml:1:1: the file is empty",
		"title: [":                        "not valid YAML",
		"title: a\n  b: c":                "a.yaml:2",
		"- 1":                             "is a mapping",
		"title: a\n---\ntitle: b\n":       "a.yaml:2:1: not valid YAML: a second document begins",
		"title: a\n---\n":                 "a.yaml:2:1: not valid YAML: a second document begins",
		"title: a":                        "looks at nothing",
		"title: a\na: &a [*a]":            "",
		strings.Repeat("# long\n", 1<<16): "more than",
		"title: {a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}": "too much",
	} {
		if _, err := Parse("a.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

// TestWant compares numbers, shares, durations, texts and patterns.
func TestWant(t *testing.T) {
	for _, c := range []struct {
		want, value string
		takes       bool
	}{
		{"0", "0", true}, {"0", "0.0", true}, {"= 3", "4", false}, {">= 99%", "99.5%", true}, {">= 99%", "0.98", false}, {"< 300ms", "0.2999s", true},
		{"< 300ms", "301ms", false}, {"ready", "ready", true}, {"!= ready", "ready", false}, {"~ ^a.c$", "abc", true}, {"~ b", "xyz", false},
		{"< 3", "none", false}, {"<= 3", "3", true}, {"> 3", "3", false},
	} {
		w, err := ParseWant(c.want)
		if err != nil || w.Takes(c.value) != c.takes {
			t.Errorf("%q takes %q: got %v, %v", c.want, c.value, w.Takes(c.value), err)
		}
	}
	for _, bad := range []string{"", ">=", "< many", "~ ("} {
		if _, err := ParseWant(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestBlastRadius refuses what is not part of the fleet (H10).
func TestBlastRadius(t *testing.T) {
	s, _ := site(t, nil)
	e := parse(t, `title: a
steady:
  - {http: GET shopp/items}
  - {edge: "shop:banc", measure: rate, want: 0}
  - {sql: bank, query: SELECT 1, want: 1}
  - {run: shop seed}
  - {workload: other, measure: ok, want: 1}
faults:
  - {fault: "shop:elsewhere refuse"}
  - {fault: "shop:shop-db refuse"}
  - {stop: kubelet}
`)
	err := Validate(t.Context(), e, s)
	for _, want := range []string{`"shopp"`, "did you mean shop?", `no edge "shop:banc"`, `no resource "bank"`, "seed", `"other"`, `no edge "shop:elsewhere"`,
		"no fault can act there", `"kubelet"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told: %v", want, err)
		}
	}
}

const whole = `title: The shop holds
seed: 7
setup:
  - {http: GET shop/items, keep: {first: items.0}}
steady:
  - {name: answers, http: GET shop/items, at: items.#, want: 2}
workload: {name: visits, http: "GET shop/items/${first}/${n}", rate: 10, for: 1s}
during:
  - {name: still answers, http: GET shop/items, every: 20ms}
faults:
  - {at: 0s, for: 700ms, fault: "shop:bank latency=30ms"}
  - {at: 200ms, fault: "shop:bank refuse"}
  - {at: 400ms, stop: bank}
after:
  - {workload: visits, measure: ok, want: 100%}
  - {workload: visits, measure: done, want: 10}
`

// TestRun does it all, undoes it in reverse, and leaves nothing.
func TestRun(t *testing.T) {
	s, f := site(t, nil)
	e := parse(t, whole)
	if err := Validate(t.Context(), e, s); err != nil {
		t.Fatal(err)
	}
	j := Runner{Site: s}.Run(t.Context(), e)
	if j.Verdict != Held || j.Exit != 0 || len(f.faults) != 0 {
		t.Fatalf("%s, left %v\n%+v", j.Sum(), f.faults, j.Told)
	}
	if got, want := f.story(), "add latency, add refuse, stop bank, remove latency, start bank, remove refuse"; got != want {
		t.Errorf("did %s, want %s", got, want)
	}
	if len(j.Loads) != 1 || j.Loads[0].Done != 10 || j.Steady.Before == nil || !j.Steady.After.Met || j.Faults[0].Faults[0].Seed == 0 || f.kept == 0 {
		t.Errorf("the journal is %+v", j)
	}
}

// TestVerdicts ends in each of the ways in which a run can end, and lifts its faults in all (H8).
func TestVerdicts(t *testing.T) {
	const faulted = "faults: [{fault: \"shop:bank refuse\"}]\n"
	broken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	for name, c := range map[string]struct {
		text string
		h    http.HandlerFunc
		want Verdict
	}{
		"deviated after":  {"title: a\n" + faulted + "after: [{http: GET shop/, status: 404, within: 10ms}]\n", nil, Deviated},
		"deviated during": {"title: a\n" + faulted + "workload: {http: GET shop/, rate: 50, for: 150ms}\nduring: [{http: GET shop/, status: 404, every: 20ms}]\n", nil, Deviated},
		"aborted":         {"title: a\nafter: [{http: GET shop/}]\n" + faulted + "workload: {http: GET shop/, rate: 1, for: 60s}\nabort: [{http: GET shop/, status: 404, every: 20ms}]\n", nil, Deviated},
		"tolerated":       {"title: a\n" + faulted + "workload: {http: GET shop/, rate: 50, for: 100ms, status: 5xx}\nduring: [{http: GET shop/, every: 20ms, tolerate: 1000}]\n", broken, Held},
		"unsteady":        {"title: a\nsteady: [{http: GET shop/}]\n" + faulted, broken, Unsteady},
		"cannot look":     {"title: a\nafter: [{sql: shop-db, query: SELECT 1, want: 1, within: 10ms}]\n" + faulted, nil, Broken},
		"cannot act":      {"title: a\nafter: [{http: GET shop/}]\nfaults: [{fault: \"shop:bank refuse\"}, {cmd: [\"false\"]}]\n", nil, Broken},
		"over the limit":  {"title: a\nlimit: 1s\nafter: [{http: GET shop/}]\nfaults: [{fault: \"shop:bank refuse\"}, {cmd: [sleep, \"20\"]}]\n", nil, Broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, f := site(t, c.h)
			j := Runner{Site: s}.Run(t.Context(), parse(t, c.text))
			if j.Verdict != c.want || len(f.faults) != 0 {
				t.Errorf("got %s, left %v", j.Sum(), f.faults)
			}
		})
	}
}

// TestFaultsThatWereGone shows that a run whose faults did not act to their end has found out nothing, that the
// rest of them is lifted, and that what the run lifts itself is not missed.
func TestFaultsThatWereGone(t *testing.T) {
	const load = "title: a\nafter: [{http: GET shop/}]\nworkload: {http: GET shop/, rate: 20, for: 200ms}\n"
	for name, c := range map[string]struct{ text, loses, did string }{
		"at their end":   {load + "faults: [{for: 50ms, fault: \"shop:bank refuse latency=1ms\"}]\n", "refuse", "add refuse, add latency, remove latency"},
		"at the run's":   {load + "faults: [{fault: \"shop:bank refuse\"}]\n", "refuse", "add refuse"},
		"none is":        {load + "faults: [{for: 50ms, fault: \"shop:bank refuse\"}]\n", "", "add refuse, remove refuse"},
		"a kill is over": {load + "faults: [{for: 50ms, fault: \"bank kill pause\"}]\n", "kill", "add kill, add pause, remove pause"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, f := site(t, nil)
			f.loses = c.loses
			j := Runner{Site: s}.Run(t.Context(), parse(t, c.text))
			want := Held
			if c.loses == "refuse" {
				want = Broken
			}
			if j.Verdict != want || want == Broken && !strings.Contains(j.Reason, "acted no more before its end") || len(f.faults) != 0 || f.story() != c.did {
				t.Errorf("got %s, want %s; did %s, left %v", j.Sum(), want, f.story(), f.faults)
			}
		})
	}
	t.Run("lifted by the run", func(t *testing.T) {
		s, f := site(t, nil)
		w := newWorld(s, 0)
		undo, err := (&faults{list: []state.Fault{{Target: "shop:bank", Kind: "refuse"}}}).do(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&lifting{}).do(t.Context(), w); err != nil || len(f.faults) != 0 {
			t.Fatalf("%v, left %v", err, f.faults)
		}
		if err := undo(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// panicking is a probe that panics.
type panicking struct{ httpProbe }

func (*panicking) look(context.Context, *world) Sight { panic("in a probe") }

// TestRollbackAlways lifts faults where a probe panics, where the user asks for an end, and says where it cannot (H1, H8).
func TestRollbackAlways(t *testing.T) {
	const text = "title: a\nafter: [{http: GET shop/}]\nfaults: [{fault: \"shop:bank refuse\"}]\nworkload: {http: GET shop/, rate: 1, for: 60s}\nduring: [{http: GET shop/, every: 20ms}]\n"
	t.Run("panic", func(t *testing.T) {
		s, f := site(t, nil)
		e := parse(t, text)
		e.During[0].Look = &panicking{}
		e.During[0].From = 50 * time.Millisecond
		if j := (Runner{Site: s}).Run(t.Context(), e); j.Verdict != Broken || !strings.Contains(j.Reason, "in a probe") || len(f.faults) != 0 {
			t.Errorf("got %s, left %v", j.Sum(), f.faults)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		s, f := site(t, nil)
		f.added = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		added := f.added
		go func() { <-added; cancel() }()
		if j := (Runner{Site: s}).Run(ctx, parse(t, text)); j.Verdict != Interrupted || j.Exit != 130 || len(f.faults) != 0 {
			t.Errorf("got %s, left %v", j.Sum(), f.faults)
		}
	})
	t.Run("stuck", func(t *testing.T) {
		s, f := site(t, nil)
		f.refuse = errors.New("no")
		e := parse(t, strings.Replace(text, "60s", "1s", 1))
		if j := (Runner{Site: s}).Run(t.Context(), e); j.Verdict != Stuck || j.Exit != 5 {
			t.Errorf("got %s", j.Sum())
		}
	})
}

// TestReport writes every form; what services said is inert in each, and what must be masked is in none (J8, K1).
func TestReport(t *testing.T) {
	const evil = `<script>alert(1)</script>|` + "`x`\x1b[31m"
	s, _ := site(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); w.Write([]byte(evil + " hunter2")) })
	j := Runner{Site: s}.Run(t.Context(), parse(t, "title: \"<b>a\"\nafter: [{name: \"</table><img src=x>\", http: GET shop/, within: 1ms}]\nworkload: {http: GET shop/, rate: 50, for: 300ms}\nfaults: [{at: 0s, for: 200ms, fault: \"shop:bank refuse\"}]\n"))
	dir := filepath.Join(t.TempDir(), "out")
	if err := Report(dir, j, func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "hunter2") {
			t.Errorf("%s shows the secret", name)
		}
		return string(data)
	}
	var back Journal
	if err := json.Unmarshal([]byte(read("journal.json")), &back); err != nil || back.Verdict != Deviated || !back.Deviated || back.Steady.After.Met {
		t.Errorf("the journal is %+v, %v", back, err)
	}
	var suite junit
	if err := xml.Unmarshal([]byte(read("junit.xml")), &suite); err != nil || suite.Failures != 1 {
		t.Errorf("JUnit has %d failures, %v", suite.Failures, err)
	}
	html, md := read("report.html"), read("report.md")
	for _, bad := range []string{"<script", "<img", "<b>a", "src=\"http", "href="} {
		if strings.Contains(html, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	if !strings.Contains(html, "<svg") || !strings.Contains(html, `class="band"`) || !strings.Contains(html, "default-src 'none'") {
		t.Error("the page has no timeline with bands")
	}
	if strings.Contains(md, "<script") || strings.Contains(md, "\x1b") {
		t.Error("Markdown holds what services said as it was")
	}
}
