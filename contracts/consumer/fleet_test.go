package consumer_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/consumer"
	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/stack"
)

// TestReferenceFleet runs the consumer tests of the reference fleet, as `msctl contract test --check` does: they
// pass, and the pacts that are kept are what they say.
func TestReferenceFleet(t *testing.T) {
	env := need.Pact(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	st, err := stack.Load(stack.LoadOptions{Files: []string{filepath.Join(root, "stack.yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	suites, err := consumer.Find(st)
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]consumer.Result{}
	run := consumer.Runner{
		Cache: filepath.Join(root, ".msctl", "cache", "contracts"),
		Env:   append(os.Environ(), env...), Timeout: 15 * time.Minute, // from a cold cache, beside all other tests
	}
	runnable := slices.DeleteFunc(slices.Clone(suites), func(s consumer.Suite) bool { return len(s.Argv) > 0 && !installed(st, s) })
	if err := run.Run(t.Context(), runnable, func(r consumer.Result) { results[r.Service] = r }); err != nil {
		t.Fatal(err)
	}
	for _, s := range suites {
		t.Run(s.Service, func(t *testing.T) {
			if _, ran := results[s.Service]; !ran {
				need.Tool(t, tool(st, s))
			}
			check(t, root, results[s.Service])
		})
	}
}

// tool is what runs a suite that is a command.
func tool(st *stack.Stack, s consumer.Suite) string {
	return map[stack.Language]string{stack.Node: "npm", stack.Python: "python3"}[st.Service(s.Service).Language]
}

func installed(st *stack.Stack, s consumer.Suite) bool {
	name := tool(st, s)
	return name == "" || need.Program(name) != ""
}

func check(t *testing.T, root string, r consumer.Result) {
	t.Helper()
	if errors.Is(r.Err, consumer.ErrNotRun) {
		need.Missing(t, "pact", "the libraries of "+r.Service+" cannot be fetched: "+r.Output)
	}
	if r.Err != nil {
		t.Fatalf("%v\n%s", r.Err, r.Output)
	}
	for _, c := range r.Conflicts {
		t.Error(c)
	}
	for _, f := range consumer.Compare(filepath.Join(root, contracts.Dir), r.Pacts, []string{r.Service}) {
		if f.State != consumer.Same {
			t.Errorf("%s is %s: `bin/msctl contract test` writes it", filepath.Base(f.Path), f.State)
		}
	}
}
