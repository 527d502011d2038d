package revision_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/revision"
	"msctl.dev/msctl/internal/need"
)

// TestLoad reads the pacts of a stack in a folder of a repository, as they were at two commits.
func TestLoad(t *testing.T) {
	need.Tool(t, "git")
	root := t.TempDir()
	stack := filepath.Join(root, "shop")
	git := func(words ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", root, "-c", "user.name=t", "-c", "user.email=t@x.example", "-c", "commit.gpgsign=false"}, words...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", words, err, out)
		}
	}
	keep := func(name, status string) {
		t.Helper()
		file := filepath.Join(stack, contracts.Dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		body := `{"consumer":{"name":"shop"},"provider":{"name":"stock"},"interactions":[{"description":"d","request":{"method":"GET","path":"/"},"response":{"status":` + status + `}}]}`
		if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "empty")
	git("tag", "empty")
	keep("shop-stock.json", "200")
	keep("README", "0") // no pact
	git("add", ".")
	git("commit", "-q", "-m", "first")
	git("tag", "first")
	keep("shop-stock.json", "201")
	git("commit", "-q", "-a", "-m", "second")

	statuses := func(rev string) []int {
		t.Helper()
		pacts, err := revision.Load(t.Context(), stack, rev)
		if err != nil {
			t.Fatal(err)
		}
		var out []int
		for _, p := range pacts {
			out = append(out, p.Interactions[0].Response.Status)
		}
		return out
	}
	for rev, want := range map[string]int{"first": 200, "HEAD": 201, "HEAD~1": 200} {
		if got := statuses(rev); len(got) != 1 || got[0] != want {
			t.Errorf("%s: statuses are %v, want %d", rev, got, want)
		}
	}
	if got := statuses("empty"); got != nil {
		t.Errorf("empty: statuses are %v", got)
	}
	for _, bad := range []string{"nothing", "--help", "HEAD:shop"} {
		if _, err := revision.Load(t.Context(), stack, bad); err == nil || !strings.Contains(err.Error(), "none of this repository") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}
