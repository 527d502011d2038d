package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/rogpeppe/go-internal/txtar"

	"msctl.dev/msctl/internal/stack"
)

// accepted loads a text as `docker compose config` does: with the schema, every check and all variables.
func accepted(t *testing.T, dir string, text []byte) *types.Project {
	t.Helper()
	details := types.ConfigDetails{WorkingDir: dir, Environment: types.Mapping{"API_TOKEN": "x", "API_KEY": "x", "HOME": "/", "FROM_SHELL": "y"},
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "compose.yaml"), Content: text}}}
	p, err := loader.LoadWithContext(t.Context(), details, func(o *loader.Options) {
		o.SetProjectName("folder", false)
		o.Profiles = []string{"*"}
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// TestExport writes stacks that use everything, and loads what comes out.
func TestExport(t *testing.T) {
	for _, file := range []string{"../stack/testdata/v1/shop.yaml", "../stack/testdata/v1/every-key.yaml", "../../stack.yaml"} {
		st, err := stack.Load(stack.LoadOptions{Files: []string{file}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Export(st, ExportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p := accepted(t, st.Dir, got.Text)
		if len(p.Services) != len(st.Services)+len(st.Resources) {
			t.Errorf("%s: %d services, want %d", file, len(p.Services), len(st.Services)+len(st.Resources))
		}
		for _, s := range st.Services {
			for _, need := range st.Needs(s.Name) {
				if _, ok := p.Services[s.Name].DependsOn[need]; !ok {
					t.Errorf("%s: %s does not depend on %s", file, s.Name, need)
				}
			}
		}
		if base := filepath.Base(file); base != "stack.yaml" {
			compare(t, "testdata/export/"+strings.TrimSuffix(base, ".yaml")+".txtar-compose.yaml", string(got.Text))
		}
	}
}

// TestRoundTrip imports each file and exports it again: the services, who waits for whom, the ports of this
// machine and the variables are the same, and addresses name the same hosts.
func TestRoundTrip(t *testing.T) {
	for _, path := range imports(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir, file := unpack(t, archive)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first := accepted(t, dir, text)
			made, err := Import(t.Context(), ImportOptions{File: file, Lookup: shell})
			if err != nil {
				t.Fatal(err)
			}
			back, err := Export(load(t, dir, made.Text), ExportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			second := accepted(t, dir, back.Text)
			for name, s := range first.Services {
				same(t, s, second.Services[goodName(name)])
			}
			if len(first.Services) != len(second.Services) {
				t.Errorf("%d services, want %d", len(second.Services), len(first.Services))
			}
		})
	}
}

func same(t *testing.T, want, got types.ServiceConfig) {
	t.Helper()
	for name, d := range want.DependsOn {
		if now, ok := got.DependsOn[goodName(name)]; !ok || d.Condition == types.ServiceConditionCompletedSuccessfully && now.Condition != d.Condition {
			t.Errorf("%s depends on %v, want %s: %s", want.Name, got.DependsOn, name, d.Condition)
		}
	}
	if kindOf(want.Image) != nil || want.Image != "" && hasVolume(want) && len(want.DependsOn) == 0 {
		return // a server's ports and variables are msctl's
	}
	published := func(s types.ServiceConfig) []string {
		var out []string
		for _, p := range s.Ports {
			if p.Published != "" {
				out = append(out, p.Published)
			}
		}
		slices.Sort(out)
		return out
	}
	if w, g := published(want), published(got); !slices.Equal(w, g) && !slices.ContainsFunc(g, func(p string) bool { return slices.Contains(w, p) }) && len(w) > 0 {
		t.Errorf("%s has the ports %v, want %v", want.Name, g, w)
	}
	for name, v := range want.Environment {
		now, ok := got.Environment[name]
		if !ok || now == nil {
			t.Errorf("%s: variable %s is gone", want.Name, name)
			continue
		}
		for _, host := range []string{"db", "cache", "mq", "orders", "users", "api", "search", "audit", "mail", "mongo", "nats", "kafka-1"} {
			if v != nil && (strings.Contains(*v, "//"+host+":") || strings.Contains(*v, "@"+host+":")) && !strings.Contains(*now, host) {
				t.Errorf("%s: %s is %q, want the host of %q", want.Name, name, *now, *v)
			}
		}
	}
}
