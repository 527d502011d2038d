package experiment

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

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
