package chaos

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"msctl.dev/msctl/internal/state"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		line string
		want []state.Fault
	}{
		{"orders:payments latency=300ms,jitter=50ms match=/charge toxicity=0.5 for=30s name=slow", []state.Fault{{
			ID: "slow", Target: "orders:payments", Kind: "latency", Params: map[string]string{"delay": "300ms", "jitter": "50ms"},
			Match: map[string]string{"path": "/charge"}, Toxicity: 0.5, For: 30 * time.Second}}},
		{"outside:gateway latency=1s jitter=20ms refuse seed=7", []state.Fault{
			{Target: ":gateway", Kind: "latency", Params: map[string]string{"delay": "1s", "jitter": "20ms"}, Seed: 7},
			{Target: ":gateway", Kind: "refuse", Seed: 7}}},
		{`orders:payments abort=503,body='{"a":1,"b":[2,3]}' match.method=POST match.header=X-User:7`, []state.Fault{{
			Target: "orders:payments", Kind: "abort", Params: map[string]string{"status": "503", "body": `{"a":1,"b":[2,3]}`},
			Match: map[string]string{"method": "POST", "header": "X-User:7"}}}},
		{"orders+users:payments partition toxicity=1", []state.Fault{{Target: "orders+users:payments", Kind: "partition", Toxicity: 1}}},
		{"a:b bandwidth=1MB/s,shared stream=up lease=run", []state.Fault{{
			Target: "a:b", Kind: "bandwidth", Params: map[string]string{"rate": "1MB/s", "shared": "true"}, Stream: "up", Lease: "run"}}},
	} {
		words, err := Fields(tc.line)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(words)
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", tc.line, err, diff)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, tc := range []struct{ line, text, hint string }{
		{"a:b latncy=3s", "no such fault", "did you mean latency?"},
		{"a:b latency", "its delay is missing", "write latency=300ms"},
		{"a:b latency=soon", "not a duration", "write delay=300ms"},
		{"a:b latency=1s,jiter=2s", `unknown parameter "jiter"`, "did you mean jitter?"},
		{"a:b latency=1s,distribution=gauss", "none of uniform, normal, pareto", "write distribution=uniform"},
		{"a:b latency=1s,", "read latency: a parameter is missing behind the comma", "leave the comma out; latency has delay, jitter, distribution"},
		{"a:b latency,,jitter=1s", "a parameter is missing behind the comma", ""},
		{"a:b refuse,", "a parameter is missing behind the comma", ""},
		{"a:b grpc-status=UNAVAIL", "none of OK", "did you mean UNAVAILABLE?"},
		{"a:b grpc-status=not_found", "none of OK", "did you mean NOT_FOUND?"},
		{"a:b grpc-status=SOMETHING_ELSE", "none of OK", "write code=UNAVAILABLE"},
		{"a:b abort match=", "it has no value", "write match=/orders/{id}, a path, match=Reserve, a method of gRPC, or match=SELECT, a statement"},
		{"a:b abort match.k=", "it has no value", "write match.k=3 for the third request that matches"},
		{"a:b abort for=", "it has no value", "write for=30s"},
		{"a:b refuse toxicity=2", "not a share", "write toxicity=0.5"},
		{"a:b refuse stream=up", "refuse has no direction", "leave stream= out"},
		{"a:b refuse match=/x", "refuse cannot look at it", "refuse acts on whole connections"},
		{"a:b refuse for=-1s", "not a duration", "write for=30s"},
		{"a:b refuse hang name=x", "it is for one fault, and there are 2", "put them one by one"},
		{"a:b refuse for=1s for=2s", "is there twice", ""},
		{"orders refuse", "refuse acts on an edge", "a target is CALLER:CALLEE; `msctl edges` lists them"},
		{"a:b limit", "neither bytes nor time", "write limit=1MB or limit time=10s"},
		{"a:b bandwidth=0", "a rate of 0", "stall lets nothing through"},
		{"a:b", "no kind", ""},
		{`a:b abort=503,body={"a"`, "not closed", "put a value with such characters in double quotes"},
	} {
		words, err := Fields(tc.line)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(words)
		e := new(Error)
		if !errors.As(err, &e) || !strings.Contains(e.Text, tc.text) || tc.hint != "" && e.Hint != tc.hint {
			t.Errorf("%s: got %v, hint %q", tc.line, err, e.Hint)
		}
	}
}

// TestExamples reads the example of every kind, and finds that its defaults are values.
func TestExamples(t *testing.T) {
	for _, k := range Kinds {
		words, err := Fields(k.Example)
		if err != nil {
			t.Error(err)
			continue
		}
		faults, err := Parse(words)
		if err != nil || faults[0].Kind != k.Name {
			t.Errorf("%s: %v, %v", k.Example, faults, err)
		}
		if Find(k.Name).Doc == "" || option(k.Name) {
			t.Errorf("%s: no doc, or the name of an option", k.Name)
		}
		for _, p := range k.Params {
			if p.Default != "" && p.check(p.Default) != nil || p.check(p.example()) != nil || p.Doc == "" {
				t.Errorf("%s: %s: default %q, example %q, doc %q", k.Name, p.Name, p.Default, p.example(), p.Doc)
			}
		}
	}
}

// TestWords writes any fault so that it is read as it was.
func TestWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~\n\x01é]{1,12}`)
		unit := rapid.SampledFrom([]time.Duration{1, time.Second, time.Minute, 10 * time.Minute})
		f := state.Fault{
			Target:   rapid.SampledFrom([]string{"a:b", ":gateway", "a+b:c/grpc", "*:c"}).Draw(t, "target"),
			Kind:     "abort",
			Params:   map[string]string{"status": "503", "body": text.Draw(t, "body")},
			Match:    map[string]string{"path": "/" + text.Draw(t, "path"), "header": "X-User:" + text.Draw(t, "header")},
			Toxicity: rapid.SampledFrom([]float64{0, 0.25, 0.1}).Draw(t, "toxicity"),
			Seed:     rapid.Uint64().Draw(t, "seed"),
			For:      time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "for")).Truncate(unit.Draw(t, "unit")),
			Stream:   "",
			Lease:    rapid.SampledFrom([]string{"", "run-1"}).Draw(t, "lease"),
			ID:       rapid.SampledFrom([]string{"", "slow"}).Draw(t, "name"),
		}
		line := Words(f)
		words, err := Fields(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got, err := Parse(words)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff([]state.Fault{f}, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", line, diff)
		}
	})
}

// TestWordsOfDurations writes how long a fault acts as people do.
func TestWordsOfDurations(t *testing.T) {
	for want, d := range map[string]time.Duration{"25h": 25 * time.Hour, "1h30m": 90 * time.Minute, "10m": 10 * time.Minute,
		"1h0m5s": time.Hour + 5*time.Second, "20m": 20 * time.Minute, "10s": 10 * time.Second, "300ms": 300 * time.Millisecond} {
		if got := Words(state.Fault{Target: "a:b", Kind: "refuse", For: d}); got != "a:b refuse for="+want {
			t.Errorf("%v: got %q, want for=%s", d, got, want)
		}
	}
}

// FuzzParse reads anything without a panic, and what it takes is written and read the same.
func FuzzParse(f *testing.F) {
	for _, k := range Kinds {
		f.Add(k.Example)
	}
	f.Add(`a:b abort=503,body={"a":[1,2]} match=/x/{id} toxicity=50% for=1m`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Fields(line)
		if err != nil {
			return
		}
		faults, err := Parse(words)
		if err != nil {
			return
		}
		for _, one := range faults {
			again, err := Fields(Words(one))
			if err != nil {
				t.Fatalf("%s: %v", Words(one), err)
			}
			got, err := Parse(again)
			if err != nil || len(got) != 1 {
				t.Fatalf("%s: %v, %v", Words(one), got, err)
			}
			if one.Toxicity == 1 {
				one.Toxicity = 0 // which is the same
			}
			if diff := cmp.Diff(one, got[0]); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", Words(one), diff)
			}
		}
	})
}
