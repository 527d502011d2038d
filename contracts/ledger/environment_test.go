package ledger_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/contracts/ledger"
)

var (
	one = strings.Repeat("1", 40)
	two = strings.Repeat("2", 40)
)

// TestWriteEnvironment keeps comments, and the order of names.
func TestWriteEnvironment(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, ledger.EnvironmentsFile)
	write := func(name string, services map[string]string) string {
		t.Helper()
		if _, err := ledger.WriteEnvironment(t.Context(), dir, name, services); err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	got := write("production", map[string]string{"users": one, "orders": one})
	want := "# What runs where: environment, service, commit. `msctl contract record` writes it.\n\nproduction:\n  orders: \"" + one + "\"\n  users: \"" + one + "\"\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a new file:\n%s", diff)
	}
	mine := "# ours\nproduction: # the real one\n  users: " + two + " # since May\nstaging:\n"
	if err := os.WriteFile(file, []byte(mine), 0o644); err != nil {
		t.Fatal(err)
	}
	got = write("production", map[string]string{"users": one, "bff": two})
	want = "# ours\nproduction: # the real one\n  bff: \"" + two + "\"\n  users: \"" + one + "\" # since May\nstaging:\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a file of mine:\n%s", diff)
	}
	got = write("production", map[string]string{"users": ""})
	if strings.Contains(got, "users") || !strings.Contains(got, "bff") {
		t.Errorf("after it was removed:\n%s", got)
	}
	if again, err := ledger.WriteEnvironment(t.Context(), dir, "production", map[string]string{"bff": two}); err != nil || again {
		t.Errorf("written again: %v, %v", again, err)
	}
}

// TestWriteEnvironmentAtOnce loses none of several writes.
func TestWriteEnvironmentAtOnce(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for _, name := range services {
		all.Go(func() {
			if _, err := ledger.WriteEnvironment(t.Context(), dir, "production", map[string]string{name: one}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := ledger.Environments(dir)
	if err != nil || len(got) != 1 || len(got[0].Services) != len(services) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestBadEnvironments refuses what is not environment, service, commit.
func TestBadEnvironments(t *testing.T) {
	for name, body := range map[string]string{
		"a list":         "- production\n",
		"no commit":      "production: {users: main}\n",
		"a short commit": "production: {users: abc1234}\n",
		"a deep one":     "production: {users: {at: " + one + "}}\n",
		"no mapping":     "production: users\n",
		"a path":         "../x: {}\n",
		"no YAML":        "production: [\n",
		"no names":       "{{},<<}\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, ledger.EnvironmentsFile)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := ledger.Environments(dir); err == nil {
				t.Errorf("got %v", got)
			}
			if _, err := ledger.WriteEnvironment(t.Context(), dir, "production", map[string]string{"users": one}); err == nil {
				t.Error("it was written over")
			}
		})
	}
}
