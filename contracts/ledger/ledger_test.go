package ledger_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/ledger"
	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/need"
)

// shop is a stack in a folder of a repository.
type shop struct {
	t    *testing.T
	root string
	dir  string // of the stack
	kept string // folder of results
}

func newShop(t *testing.T) *shop {
	need.Tool(t, "git")
	root := t.TempDir()
	s := &shop{t, root, filepath.Join(root, "shop"), filepath.Join(t.TempDir(), "results")}
	s.git("init", "-q", "-b", "main")
	s.write("shop/stack.yaml", "services:\n  orders: {path: orders}\n  users: {path: users, uses: [db]}\n  bff: {path: bff}\nresources:\n  db: {type: postgres}\n")
	s.write("shop/users/main.go", "name")
	s.write("shop/users/main_test.go", "a test")
	s.write("shop/orders/main.go", "1")
	s.write("go.mod", "module x")
	s.pact("orders", "users", "name")
	s.pact("bff", "users", "id")
	s.commit("first")
	return s
}

func (s *shop) git(words ...string) string {
	s.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", s.root, "-c", "user.name=t", "-c", "user.email=t@x.example", "-c", "commit.gpgsign=false"}, words...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %v: %v\n%s", words, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits everything and tags it.
func (s *shop) commit(tag string) string {
	s.git("add", "-A")
	s.git("commit", "-q", "--allow-empty", "-m", tag)
	s.git("tag", tag)
	return s.git("rev-parse", "HEAD")
}

func (s *shop) write(name, body string) {
	s.t.Helper()
	file := filepath.Join(s.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// pact writes what a consumer needs: one interaction for each field that it reads.
func (s *shop) pact(consumer, provider string, fields ...string) {
	var list []string
	for _, f := range fields {
		list = append(list, fmt.Sprintf(`{"type":"Synchronous/HTTP","description":"read %[1]s","request":{"method":"GET","path":"/"},
			"response":{"status":200,"body":{"content":{"%[1]s":"x"},"contentType":"application/json"}}}`, f))
	}
	s.write("shop/contracts/pacts/"+consumer+"-"+provider+".json", fmt.Sprintf(`{"consumer":{"name":%q},"provider":{"name":%q},"interactions":[%s],
		"metadata":{"pactSpecification":{"version":"4.0"}}}`, consumer, provider, strings.Join(list, ",")))
}

func (s *shop) open() *ledger.Ledger {
	s.t.Helper()
	l, err := ledger.Open(s.t.Context(), s.dir, s.kept)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// verify holds users as it lies in the work tree to the pacts there: it has the fields that its source names.
func (s *shop) verify() {
	s.t.Helper()
	source, err := os.ReadFile(filepath.Join(s.dir, "users/main.go"))
	if err != nil {
		s.t.Fatal(err)
	}
	pacts, err := contracts.Load(filepath.Join(s.dir, contracts.Dir))
	if err != nil {
		s.t.Fatal(err)
	}
	r := verify.Report{Provider: "users"}
	for _, p := range pacts {
		for _, i := range p.Interactions {
			field := strings.TrimPrefix(i.Description, "read ")
			one := verify.Result{Consumer: p.Consumer, Provider: p.Provider, Interaction: i.Title(), ID: i.ID(), Kind: i.Kind, Outcome: verify.Holds}
			if field != "id" && !strings.Contains(string(source), field) {
				one.Outcome, one.Mismatches = verify.Broken, []verify.Mismatch{{Attribute: "body", Identifier: "$." + field, Description: field + " is missing"}}
			}
			r.Results = append(r.Results, one)
		}
	}
	l := s.open()
	in, ok := l.InputsOf([]string{filepath.Join(s.dir, "users"), filepath.Join(s.root, "go.mod")}, []string{filepath.Join(s.dir, "stack.yaml")})
	if !ok {
		s.t.Fatal("inputs lie outside of the repository")
	}
	v, err := l.At(s.t.Context(), ledger.Worktree)
	if err != nil {
		s.t.Fatal(err)
	}
	sum, err := v.Sum(s.t.Context(), "users", in)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := ledger.Keep(s.kept, *ledger.RecordOf(in, sum, r), 0); err != nil {
		s.t.Fatal(err)
	}
}

var services = []string{"orders", "users", "bff"}

func (s *shop) record(environment string, commits map[string]string) {
	s.t.Helper()
	if _, err := ledger.WriteEnvironment(s.t.Context(), s.dir, environment, commits); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) ask(service, ref string) ledger.Answer {
	s.t.Helper()
	l := s.open()
	v, err := l.At(s.t.Context(), ref)
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := ledger.Environments(s.dir)
	if err != nil || len(all) != 1 {
		s.t.Fatalf("environments are %v, %v", all, err)
	}
	a, err := l.Deploy(s.t.Context(), service, v, all[0], services)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// TestARenamedFieldIsToldByName is the story of a break: a commit of users renames a field that orders reads.
func TestARenamedFieldIsToldByName(t *testing.T) {
	s := newShop(t)
	first := s.git("rev-parse", "HEAD")
	s.verify()
	s.record("production", map[string]string{"orders": first, "users": first, "bff": first})
	if a := s.ask("users", "first"); a.State() != ledger.Holds || len(a.Cells) != 2 {
		t.Fatalf("before the change: %s, %+v", a.State(), a.Cells)
	}

	s.write("shop/users/main.go", "label")
	s.commit("renamed")
	a := s.ask("users", "renamed")
	if a.State() != ledger.Unknown || a.Cells[1].Command != "msctl contract verify users" {
		t.Errorf("not verified yet: %s, %+v", a.State(), a.Cells)
	}
	s.verify()
	a = s.ask("users", "renamed")
	if a.State() != ledger.Broken {
		t.Fatalf("after the rename: %s, want broken", a.State())
	}
	c := a.Cells[1]
	if a.Cells[0].State != ledger.Holds || c.Edge() != "orders:users" || len(c.Broken) != 1 || c.Broken[0].Interaction != "read name" || c.Broken[0].Mismatches[0].Identifier != "$.name" {
		t.Errorf("cells are %+v", a.Cells)
	}
	if a := s.ask("users", "first"); a.State() != ledger.Holds {
		t.Errorf("the old commit is %s, want holds still", a.State())
	}
	if a := s.ask("orders", "renamed"); a.State() != ledger.Holds {
		t.Errorf("orders, which has not changed, is %s against users in production, want holds", a.State())
	}
}

// TestWhatAResultIsTrueOf changes one thing at a time after a verification.
func TestWhatAResultIsTrueOf(t *testing.T) {
	tests := map[string]struct {
		change func(*shop)
		want   ledger.State
	}{
		"nothing":                         {func(*shop) {}, ledger.Holds},
		"another service":                 {func(s *shop) { s.write("shop/orders/main.go", "2") }, ledger.Holds},
		"a test":                          {func(s *shop) { s.write("shop/users/main_test.go", "another") }, ledger.Holds},
		"another service's entry":         {func(s *shop) { s.entry("orders: {path: orders}", "orders: {path: orders, replicas: 2}") }, ledger.Holds},
		"a neighbour with a longer name":  {func(s *shop) { s.write("shop/users-next/main.go", "x") }, ledger.Holds},
		"a folder below, of another part": {func(s *shop) { s.write("shop/users/deep/main.go", "x") }, ledger.Holds},
		"the source":                      {func(s *shop) { s.write("shop/users/main.go", "name 2") }, ledger.Unknown},
		"a new file":                      {func(s *shop) { s.write("shop/users/more.go", "x") }, ledger.Unknown},
		"a file above the stack":          {func(s *shop) { s.write("go.mod", "module y") }, ledger.Unknown},
		"its entry":                       {func(s *shop) { s.entry("users: {path: users,", "users: {path: users, env: {A: b},") }, ledger.Unknown},
		"its database":                    {func(s *shop) { s.entry("postgres", "mysql") }, ledger.Unknown},
		"more is needed":                  {func(s *shop) { s.pact("orders", "users", "name", "email") }, ledger.Unknown},
		"less is needed":                  {func(s *shop) { s.pact("bff", "users") }, ledger.Holds},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.pact("orders", "users", "name", "id")
			s.commit("more")
			s.verify()
			test.change(s)
			for _, ref := range []string{ledger.Worktree, s.commit("changed")} { // committed or not
				l := s.open()
				cells, err := l.Matrix(t.Context(), l.PlaceAt(ref), services, nil)
				if err != nil {
					t.Fatal(err)
				}
				got := ledger.Holds
				for _, c := range cells {
					if c.State != ledger.Holds {
						got = c.State
					}
				}
				if got != test.want {
					t.Errorf("%s: got %s, want %s: %+v", ref, got, test.want, cells)
				}
			}
		})
	}
}

func (s *shop) entry(old, to string) {
	s.t.Helper()
	file := filepath.Join(s.dir, "stack.yaml")
	body, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(body), old) {
		s.t.Fatalf("%v, or no %q", err, old)
	}
	s.write("shop/stack.yaml", strings.Replace(string(body), old, to, 1))
}

// TestMixedVersions deploys a consumer that needs more than the provider in production was asked for: the command that
// is told must verify that provider, with that pact.
func TestMixedVersions(t *testing.T) {
	s := newShop(t)
	first := s.git("rev-parse", "HEAD")
	s.verify()
	s.record("production", map[string]string{"users": first})
	s.pact("orders", "users", "name", "email")
	s.write("shop/users/main.go", "name email")
	second := s.commit("second")
	s.verify()
	a := s.ask("orders", "second")
	if a.State() != ledger.Unknown {
		t.Fatalf("got %s, want unknown: %+v", a.State(), a.Cells)
	}
	c := a.Cells[0]
	for _, part := range []string{"git worktree add", first[:10], "git -C .msctl/at-" + first[:10] + "/shop checkout " + second[:10] + " -- contracts/pacts/orders-users.json", "verify users --results " + s.kept} {
		if !strings.Contains(c.Command, part) {
			t.Errorf("the command lacks %q: %s", part, c.Command)
		}
	}
	if len(c.Unknown) != 1 || c.Unknown[0] != "read email" {
		t.Errorf("unknown is %q, want only what is new", c.Unknown)
	}

	// The command, but for msctl itself.
	s.git("worktree", "add", "-q", "--force", "--detach", "shop/.msctl/at", first)
	there := &shop{t, filepath.Join(s.dir, ".msctl/at"), filepath.Join(s.dir, ".msctl/at/shop"), s.kept}
	there.git("checkout", second, "--", "shop/contracts/pacts/orders-users.json")
	there.verify()
	s.git("worktree", "remove", "--force", "shop/.msctl/at")
	if a := s.ask("orders", "second"); a.State() != ledger.Broken || a.Cells[0].Broken[0].Interaction != "read email" {
		t.Errorf("after it: %s, %+v; want broken: production has no email", a.State(), a.Cells)
	}

	s.record("production", map[string]string{"users": ""})
	if a := s.ask("orders", "second"); a.State() != ledger.Absent || !strings.Contains(a.Cells[0].Command, "record production users@") {
		t.Errorf("without a provider: %s, %+v", a.State(), a.Cells)
	}
}

// TestPin leaves of the results in git those that an environment rests on.
func TestPin(t *testing.T) {
	s := newShop(t)
	first := s.git("rev-parse", "HEAD")
	s.verify()
	pinned := func() string {
		t.Helper()
		all, err := ledger.Environments(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.open().Pin(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		names, _ := filepath.Glob(filepath.Join(s.dir, ledger.ResultsDir, "*.json"))
		if len(names) != 1 {
			t.Fatalf("pinned are %v, want one", names)
		}
		return names[0]
	}
	s.record("production", map[string]string{"users": first})
	before := pinned()
	s.write("shop/users/main.go", "name 2")
	second := s.commit("second")
	s.verify()
	if after := pinned(); after != before {
		t.Errorf("%s is kept, which no environment rests on", after)
	}
	s.record("production", map[string]string{"users": second})
	if after := pinned(); after == before {
		t.Errorf("%s is kept still", after)
	}

	// A fresh clone knows it, without anything of this machine.
	s.commit("recorded")
	s.kept = t.TempDir()
	if a := s.ask("bff", "recorded"); a.State() != ledger.Holds {
		t.Errorf("in a clone: %s, %+v", a.State(), a.Cells)
	}
}

// TestOutside is about folders that are no repository and revisions that are not there.
func TestOutside(t *testing.T) {
	s := newShop(t)
	if _, err := s.open().At(t.Context(), "nothing"); err == nil || !strings.Contains(err.Error(), "no revision") {
		t.Errorf("got %v", err)
	}
	if _, err := s.open().At(t.Context(), "--help"); err == nil || !strings.Contains(err.Error(), "no revision") {
		t.Errorf("got %v", err)
	}
	if _, ok := s.open().InputsOf([]string{filepath.Dir(s.root)}, nil); ok {
		t.Error("a folder outside of the repository is an input")
	}
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(s.kept))
	if err := os.MkdirAll(s.kept, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), s.kept); err == nil || !strings.Contains(err.Error(), "no git repository") {
		t.Errorf("got %v", err)
	}
}
