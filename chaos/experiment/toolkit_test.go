package experiment

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/stack"
)

// TestToolkit runs an experiment of Chaos Toolkit: its hypothesis before and behind, its method in order, its
// faults through what chaostoxi has, and its rollbacks.
func TestToolkit(t *testing.T) {
	asked := ""
	s, f := site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked += r.URL.Path
		}
		w.Write([]byte(`{"up": true}`))
	})
	e := parse(t, `{"version": "1.0.0", "title": "Slow bank", "description": "d", "tags": ["a"],
  "configuration": {"path": "items", "delay": {"type": "env", "key": "NOBODY_SETS_THIS", "default": "30"}},
  "steady-state-hypothesis": {"title": "up", "probes": [
    {"type": "probe", "name": "answers", "tolerance": 200, "provider": {"type": "http", "url": "http://shop/${path}", "timeout": 3}},
    {"type": "probe", "name": "says up", "tolerance": {"type": "jsonpath", "path": "$.up", "expect": [true]}, "provider": {"type": "http", "url": "http://shop/up"}},
    {"type": "probe", "name": "a program", "tolerance": {"type": "regex", "pattern": "^x"}, "provider": {"type": "process", "path": "echo", "arguments": "xy"}}]},
  "method": [
    {"type": "action", "name": "slow", "provider": {"type": "python", "module": "chaostoxi.toxic.actions", "func": "create_latency_toxic",
      "arguments": {"for_proxy": "shop:bank", "toxic_name": "slow", "latency": "${delay}", "jitter": 5}}, "pauses": {"after": 0.1}},
    {"type": "probe", "name": "look", "provider": {"type": "http", "url": "http://shop/now"}},
    {"type": "action", "name": "ask", "provider": {"type": "http", "method": "POST", "url": "http://shop/ask", "arguments": {"a": 1}}},
    {"type": "action", "name": "fast", "provider": {"type": "python", "module": "chaostoxi.toxic.actions", "func": "delete_toxic",
      "arguments": {"for_proxy": "shop:bank", "toxic_name": "slow"}}},
    {"type": "action", "name": "gone", "provider": {"type": "python", "module": "chaostoxi.proxy.actions", "func": "disable_proxy", "arguments": {"proxy_name": "shop:bank"}}}],
  "rollbacks": [{"type": "action", "name": "back", "provider": {"type": "http", "method": "POST", "url": "http://shop/back"}}]}`)
	if err := Validate(t.Context(), e, s); err != nil {
		t.Fatal(err)
	}
	j := Runner{Site: s}.Run(t.Context(), e)
	if j.Verdict != Held || len(f.faults) != 0 || asked != "/ask/back" {
		t.Fatalf("%s, asked %s, left %v\n%+v", j.Sum(), asked, f.faults, j.Told)
	}
	if got := f.story(); got != "add latency, remove latency, add reset, add refuse, remove reset, remove refuse" {
		t.Errorf("did %s", got)
	}
	put := map[string]string{}
	for _, a := range j.Faults {
		for _, one := range a.Faults {
			put[a.Name] += fmt.Sprintf("%s %t ", one.Kind, one.Lease != "")
		}
	}
	if want := map[string]string{"slow": "latency true ", "gone": "reset true refuse true "}; !maps.Equal(put, want) {
		t.Errorf("the journal tells of the faults %v, want %v", put, want)
	}
}

// TestToolkitLifts tells of a fault when it was lifted, and by what: an action of the method, or the rollback, which is
// before that of the file.
func TestToolkitLifts(t *testing.T) {
	s, f := site(t, nil)
	act := func(name, fn, toxic string, more string) string {
		return fmt.Sprintf(`{"type": "action", "name": %q, "provider": {"type": "python", "module": "chaostoxi.toxic.actions", "func": %q,
			"arguments": {"for_proxy": "shop:bank", "toxic_name": %q, "latency": 1, "rate": 9}}, "pauses": {"after": %s}}`, name, fn, toxic, more)
	}
	e := parse(t, `{"title": "a", "method": [`+act("slow", "create_latency_toxic", "slow", "0")+","+
		act("narrow", "create_bandwidth_degradation_toxic", "narrow", "0.1")+","+act("fast", "delete_toxic", "slow", "0.1")+`],
		"rollbacks": [`+act("wide", "delete_toxic", "narrow", "0")+`, {"type": "action", "name": "late", "provider": {"type": "process", "path": "sleep", "arguments": "0.1"}}]}`)
	begun := time.Now()
	j := Runner{Site: s}.Run(t.Context(), e)
	whole := time.Since(begun)
	if got := f.story(); j.Verdict != Held || got != "add latency, add bandwidth, remove latency, remove bandwidth" {
		t.Fatalf("%s: did %s", j.Sum(), got)
	}
	got := map[string]string{}
	for _, a := range j.Faults {
		got[a.Name] = a.EndedBy
		for _, one := range a.Faults {
			if one.Acted != 3 {
				t.Errorf("%s acted %d times, want 3", a.Name, one.Acted)
			}
		}
		if to := whole - 100*time.Millisecond; a.To < 100*time.Millisecond || a.To > to || a.Name != "narrow" && a.To > to-100*time.Millisecond {
			t.Errorf("%s acted until %v, of a run of %v", a.Name, a.To, whole)
		}
	}
	if want := map[string]string{"slow": "fast", "narrow": "the rollback", "fast": ""}; !maps.Equal(got, want) {
		t.Errorf("ended by %v, want %v", got, want)
	}
	told := ""
	for _, one := range j.Told {
		told += one.Text + "\n"
	}
	if !strings.Contains(told, "slow: it was lifted by fast\n") || !strings.Contains(told, "undone: narrow\n") || !strings.Contains(j.Markdown(), "s | fast | ") {
		t.Errorf("the story is\n%s\nand the page\n%s", told, j.Markdown())
	}
}

// TestToolkitLooksAtNothing refuses a file that would hold whatever happens, and takes one that only explores.
func TestToolkitLooksAtNothing(t *testing.T) {
	for text, want := range map[string]string{
		`{"title":"x","description":"y","method":[]}`:                                                       "the experiment looks at nothing",
		`{"title":"x","steady-state-hypothesis":{"title":"y","probes":[]}}`:                                 "the experiment looks at nothing",
		`{"title":"x","method":[{"type":"action","name":"z"}]}`:                                             `"z" has no provider`,
		`{"title":"x","method":[{"type":"action","name":"z","provider":{"type":"process","path":"true"}}]}`: "",
	} {
		_, err := Parse("a.json", []byte(text))
		all, _ := err.(stack.Errors)
		if want == "" && err == nil || want != "" && len(all) == 1 && strings.Contains(all[0].Msg, want) && (all[0].Hint != "" || want[0] == '"') {
			continue
		}
		t.Errorf("%s: got %v, want %q", text, err, want)
	}
}

// TestToolkitUnsupported names everything that cannot be run, before anything is.
func TestToolkitUnsupported(t *testing.T) {
	_, err := Parse("a.json", []byte(`{"title": "a", "controls": [{"name": "x"}], "secrets": {"a": {"b": "c"}},
  "method": [
    {"type": "action", "name": "k8s", "provider": {"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods"}},
    {"type": "probe", "name": "far", "provider": {"type": "http", "url": "https://example.com/"}},
    {"type": "probe", "name": "py", "tolerance": {"type": "range", "range": [1, 2]}, "provider": {"type": "process", "path": "true"}}]}`))
	for _, want := range []string{"controls are not supported", "secrets are not supported", "terminate_pods of chaosk8s.pod.actions is not supported",
		`"https://example.com/" is not in the stack`, "this tolerance is not supported", "a.json:3:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told: %v", want, err)
		}
	}
}
