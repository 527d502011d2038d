package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/consumer"
	"msctl.dev/msctl/internal/stack"
)

// goTest is a consumer test in Go without any library: it writes one interaction.
const goTest = `//go:build pact

package %[1]s

import (
	"os"
	"path/filepath"
	"testing"
)

func TestContract%[2]s(t *testing.T) {
	if dir := os.Getenv("MSCTL_PACT_DIR"); dir != "" {
		body := []byte(%[3]q)
		if err := os.WriteFile(filepath.Join(dir, "shop-stock.json"), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
`

func pact(description string, status int) string {
	return fmt.Sprintf(`{"consumer":{"name":"shop"},"provider":{"name":"stock"},"interactions":[{"type":"Synchronous/HTTP",
"description":%q,"request":{"method":"GET","path":"/"},"response":{"status":%d}}],"metadata":{"pactSpecification":{"version":"4.0"}}}`, description, status)
}

// world is a stack with one service in Go, of two packages, and one whose tests are a command.
func world(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"stack.yaml": "version: 1\nname: s\nservices:\n  stock: {command: 'true', job: true}\n  shop: {path: shop, calls: []}\n" +
			"  script: {command: 'true', job: true, contract: {test: 'sh script.sh'}}\n",
		"go.mod":                    "module example.com/s\n\ngo 1.24\n",
		"shop/main.go":              "package main\n\nfunc main() {}\n",
		"shop/plain_test.go":        "package main\n\nimport \"testing\"\n\nfunc TestPlain(t *testing.T) { t.Fatal(\"not asked for\") }\n",
		"shop/contract_test.go":     fmt.Sprintf(goTest, "main", "A", pact("a", 200)),
		"shop/sub/sub.go":           "package sub\n",
		"shop/sub/contract_test.go": fmt.Sprintf(goTest, "sub", "B", pact("b", 200)),
		"script.sh":                 "cat >$MSCTL_PACT_DIR/x.json <<'E'\n" + strings.ReplaceAll(pact("c", 200), `"shop"`, `"script"`) + "\nE\n",
	})
	return dir
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs every suite of a stack and returns the results by service.
func run(t *testing.T, ctx context.Context, dir string, names ...string) (map[string]consumer.Result, error) {
	t.Helper()
	st, err := stack.Load(stack.LoadOptions{Files: []string{filepath.Join(dir, "stack.yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	suites, err := consumer.Find(st)
	if err != nil {
		t.Fatal(err)
	}
	suites = slices.DeleteFunc(suites, func(s consumer.Suite) bool { return len(names) > 0 && !slices.Contains(names, s.Service) })
	out := map[string]consumer.Result{}
	r := consumer.Runner{Cache: filepath.Join(dir, ".msctl", "cache", "contracts"), Env: os.Environ()}
	err = r.Run(ctx, suites, func(r consumer.Result) { out[r.Service] = r })
	return out, err
}

// TestRun runs consumer tests, again, changed, and changed back: the pacts are always those of the code that
// is there, and Go's memory of tests that passed plays no part.
func TestRun(t *testing.T) {
	dir := world(t)
	descriptions := func(r consumer.Result) []string {
		var out []string
		for _, p := range r.Pacts {
			for _, i := range p.Interactions {
				out = append(out, p.Edge()+" "+i.Description)
			}
		}
		return out
	}
	for _, b := range []string{"b", "b", "changed", "b"} {
		write(t, dir, map[string]string{"shop/sub/contract_test.go": fmt.Sprintf(goTest, "sub", "B", pact(b, 200))})
		results, err := run(t, t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		for service, r := range results {
			if r.Err != nil {
				t.Fatalf("%s: %v\n%s", service, r.Err, r.Output)
			}
		}
		if diff := cmp.Diff([]string{"shop:stock a", "shop:stock " + b}, descriptions(results["shop"])); diff != "" {
			t.Fatalf("pacts of shop:\n%s", diff)
		}
		if diff := cmp.Diff([]string{"script:stock c"}, descriptions(results["script"])); diff != "" {
			t.Fatalf("pacts of script:\n%s", diff)
		}
	}
}

// TestBroken tells what went wrong with tests apart from what went wrong around them.
func TestBroken(t *testing.T) {
	dir := world(t)
	write(t, dir, map[string]string{
		"shop/sub/contract_test.go": fmt.Sprintf(goTest, "sub", "B", pact("a", 201)),
	})
	results, err := run(t, t.Context(), dir, "shop")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(results["shop"].Conflicts)
	for _, want := range []string{`shop:stock "a" is said twice`, "the tests in shop,", "the tests in shop/sub", "response.status: 201, was 200"} {
		if !strings.Contains(text, want) {
			t.Errorf("conflicts are %s, want %s", text, want)
		}
	}
	for name, c := range map[string]struct {
		file, body, want string
		failed           bool
	}{
		"a test fails":        {"shop/sub/contract_test.go", strings.Replace(fmt.Sprintf(goTest, "sub", "B", ""), "if dir", "t.Fatal(\"on purpose\")\n\tif dir", 1), "on purpose", true},
		"it does not compile": {"shop/sub/contract_test.go", fmt.Sprintf(goTest, "sub", "B", "") + "\nvar x = y\n", "undefined: y", true},
		"no pact":             {"shop/sub/contract_test.go", "//go:build pact\n\npackage sub\n\nimport \"testing\"\n\nfunc TestNothing(t *testing.T) {}\n", "wrote no pact", false},
		"garbage":             {"shop/sub/contract_test.go", fmt.Sprintf(goTest, "sub", "B", "{"), "wrote what is no pact", false},
		"another's name":      {"shop/sub/contract_test.go", fmt.Sprintf(goTest, "sub", "B", strings.ReplaceAll(pact("a", 200), `"shop"`, `"email"`)), `a pact of "email"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, dir, map[string]string{c.file: c.body})
			results, err := run(t, t.Context(), dir, "shop")
			if err != nil {
				t.Fatal(err)
			}
			r := results["shop"]
			if got := fmt.Sprint(r.Err, r.Output); r.Err == nil || !strings.Contains(got, c.want) || errors.Is(r.Err, consumer.ErrFailed) != c.failed {
				t.Errorf("got %s, want %q", got, c.want)
			}
		})
	}
	for code, want := range map[int]error{1: consumer.ErrFailed, 3: consumer.ErrNotRun} {
		write(t, dir, map[string]string{"script.sh": fmt.Sprintf("echo it broke >&2; exit %d", code)})
		results, _ = run(t, t.Context(), dir, "script")
		if r := results["script"]; !errors.Is(r.Err, want) || !strings.Contains(r.Output, "it broke") {
			t.Errorf("script that exits with %d: %v, %s, want %v", code, r.Err, r.Output, want)
		}
	}
}

// TestCancel ends a command with everything that it started, and says why.
func TestCancel(t *testing.T) {
	dir := world(t)
	pipe := filepath.Join(dir, "pipe")
	write(t, dir, map[string]string{"script.sh": "mkfifo " + pipe + "; sleep 1000 & echo started >" + pipe + "; wait"})
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	go func() {
		for ctx.Err() == nil {
			if body, err := os.ReadFile(pipe); err == nil && len(body) > 0 {
				cancel(stopped)
			}
		}
	}()
	_, err := run(t, ctx, dir, "script")
	if !errors.Is(err, stopped) {
		t.Errorf("got %v, want %v", err, stopped)
	}
}

// TestStore compares and writes the files of some consumers, and leaves those of others alone.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"shop-stock.json":   pact("a", 200),
		"shop-gone.json":    strings.ReplaceAll(pact("a", 200), `"stock"`, `"gone"`),
		"other-stock.json":  strings.ReplaceAll(pact("a", 200), `"shop"`, `"other"`),
		"shop-broken.json":  "{",
		"other-broken.json": "{",
	})
	parse := func(text string) contracts.Pact {
		p, err := contracts.Parse([]byte(text), contracts.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	pacts := []contracts.Pact{
		parse(pact("a", 201)),
		parse(strings.ReplaceAll(pact("a", 200), `"stock"`, `"broken"`)),
		parse(strings.ReplaceAll(pact("a", 200), `"stock"`, `"added"`)),
	}
	states := func() map[string]consumer.State {
		out := map[string]consumer.State{}
		for _, f := range consumer.Compare(dir, pacts, []string{"shop"}) {
			out[f.Edge] = f.State
		}
		return out
	}
	want := map[string]consumer.State{
		"shop:stock": consumer.Stale, "shop:broken": consumer.Stale, "shop:added": consumer.New, "shop:gone": consumer.Removed,
	}
	if diff := cmp.Diff(want, states()); diff != "" {
		t.Error(diff)
	}
	if err := consumer.Write(consumer.Compare(dir, pacts, []string{"shop"})); err != nil {
		t.Fatal(err)
	}
	want = map[string]consumer.State{"shop:stock": consumer.Same, "shop:broken": consumer.Same, "shop:added": consumer.Same}
	if diff := cmp.Diff(want, states()); diff != "" {
		t.Errorf("after writing:\n%s", diff)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 5 {
		t.Errorf("the folder holds %v", left)
	}
}
