package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func shop(t *testing.T) *Stack {
	t.Helper()
	return mustLoad(t, LoadOptions{Files: []string{"testdata/v1/shop.yaml"}})
}

func TestNeeds(t *testing.T) {
	st := mustLoad(t, LoadOptions{Files: []string{"testdata/v1/every-key.yaml"}})
	for name, want := range map[string][]string{
		"web": {"api", "image", "db", "box", "migrate"}, "box": {"db"}, "api": nil, "nobody": nil,
	} {
		if diff := cmp.Diff(want, st.Needs(name)); diff != "" {
			t.Errorf("needs of %s: %s", name, diff)
		}
	}
}

func TestOrder(t *testing.T) {
	want := [][]string{
		{"broker", "cache", "orders-db", "mail", "push", "catalog", "inventory", "payments"},
		{"orders", "users", "notifications"},
		{"gateway", "seed"},
	}
	if diff := cmp.Diff(want, shop(t).Order()); diff != "" {
		t.Error(diff)
	}
}

// TestOrderOfAny: in any stack without cycles, each unit stands once and behind all that it needs; with
// one, the printed cycle is a walk along needs (E2, A14).
func TestOrderOfAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := anyStack(t)
		if found := st.cycles(); len(found) > 0 {
			for _, walk := range found {
				checkWalk(t, st, walk)
			}
			return
		}
		seen := map[string]bool{}
		for _, layer := range st.Order() {
			for _, name := range layer {
				for _, to := range st.Needs(name) {
					if !seen[to] {
						t.Fatalf("%s starts before %s", name, to)
					}
				}
			}
			for _, name := range layer {
				if seen[name] {
					t.Fatalf("%s is there twice", name)
				}
				seen[name] = true
			}
		}
		if len(seen) != len(st.Services) {
			t.Fatalf("%d units in order, want %d", len(seen), len(st.Services))
		}
	})
}

func anyStack(t *rapid.T) *Stack {
	n := rapid.IntRange(1, 12).Draw(t, "services")
	st := &Stack{}
	for i := range n {
		st.Services = append(st.Services, &Service{Name: fmt.Sprint("s", i)})
	}
	for range rapid.IntRange(0, 2*n).Draw(t, "edges") {
		from, to := rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to")
		if from != to {
			st.Services[from].After = append(st.Services[from].After, fmt.Sprint("s", to))
		}
	}
	return st
}

func checkWalk(t *rapid.T, st *Stack, walk []string) {
	if len(walk) < 3 || walk[0] != walk[len(walk)-1] {
		t.Fatalf("%v is no cycle", walk)
	}
	for i := range walk[1:] {
		if !slices.Contains(st.Needs(walk[i]), walk[i+1]) {
			t.Fatalf("%v: %s does not need %s", walk, walk[i], walk[i+1])
		}
	}
}

// TestCycleOf50 prints all of it (E2).
func TestCycleOf50(t *testing.T) {
	var b, want strings.Builder
	b.WriteString("version: 1\nservices:\n")
	for i := range 50 {
		fmt.Fprintf(&b, "  s%d: {command: a, after: [s%d]}\n", i, (i+1)%50)
		fmt.Fprintf(&want, "s%d -> ", i)
	}
	_, err := Load(LoadOptions{Dir: write(t, map[string]string{FileName: b.String()})})
	if err == nil || !strings.Contains(err.Error(), "stack.yaml:3:3: cycle: "+want.String()+"s0\n") {
		t.Errorf("error is %v", err)
	}
}

func TestSelect(t *testing.T) {
	st := shop(t)
	tests := []struct {
		services []string
		profile  string
		noDeps   bool
		want     string
	}{
		{nil, "", false, strings.Join(st.names(), " ")},
		{[]string{"users"}, "", false, "orders-db users"},
		{[]string{"users"}, "", true, "users"},
		{[]string{"cache"}, "", false, "cache"},
		{[]string{"seed"}, "", false, "orders-db seed users catalog"},
		{nil, "minimal", true, "gateway users notifications"},
		{nil, "minimal", false, "broker cache orders-db mail gateway orders users notifications inventory payments"},
		{[]string{"push"}, "minimal", true, "gateway push users notifications"},
	}
	for _, tt := range tests {
		got, err := st.Select(tt.services, tt.profile, tt.noDeps)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, strings.Join(got.names(), " ")); diff != "" {
			t.Errorf("%v %q: %s", tt.services, tt.profile, diff)
		}
		for _, e := range got.Edges {
			if !slices.Contains(got.names(), e.From) || !slices.Contains(got.names(), e.To) {
				t.Errorf("%v %q: edge %v leads out", tt.services, tt.profile, e)
			}
		}
	}
	if got := len(st.names()); got != 13 {
		t.Errorf("the stack itself has %d units now", got)
	}
}

func TestSelectUnknown(t *testing.T) {
	for _, tt := range []struct{ service, profile, want string }{
		{"user", "", "stack.yaml: there is no service \"user\"\n\thint: did you mean users?"},
		{"", "minimum", "stack.yaml: there is no profile \"minimum\"\n\thint: did you mean minimal?"},
	} {
		var names []string
		if tt.service != "" {
			names = []string{tt.service}
		}
		_, err := shop(t).Select(names, tt.profile, false)
		e, ok := err.(*Error)
		if !ok || (Errors{e}).Error() != strings.Replace(tt.want, "stack.yaml", "shop.yaml", 1) {
			t.Errorf("error is %v, want %s", err, tt.want)
		}
	}
}

// TestOptionalCall says of a call that the caller runs without it: it is not waited for, not brought along,
// may close a cycle, and is still an edge.
func TestOptionalCall(t *testing.T) {
	file := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(file, []byte(`version: 1
services:
  web: {command: web, listen: {http: auto}, calls: {api: {optional: true}, auth: }}
  api: {command: api, listen: {http: auto}, calls: [web]}
  auth: {command: auth, listen: {http: auto}}
profiles: {small: [web]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	st := mustLoad(t, LoadOptions{Files: []string{file}})
	if got := st.Needs("web"); !slices.Equal(got, []string{"auth"}) {
		t.Errorf("web needs %v, want auth", got)
	}
	small, err := st.Select(nil, "small", false)
	if err != nil {
		t.Fatal(err)
	}
	if got := small.names(); !slices.Equal(got, []string{"web", "auth"}) {
		t.Errorf("the profile is %v, want web and auth", got)
	}
	if !slices.Contains(st.Edges, Edge{"web", "api", "http"}) {
		t.Errorf("edges are %v", st.Edges)
	}
}
