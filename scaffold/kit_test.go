package scaffold_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"

	"msctl.dev/msctl"
	"msctl.dev/msctl/scaffold"
)

// TestKitIsTheFleets scaffolds the kit anew and compares it with services/kit, byte for byte but for the
// module's path: nothing is left out but tests that need msctl's own packages, and nothing imports msctl.
func TestKitIsTheFleets(t *testing.T) {
	out, err := scaffold.Kit(msctl.Files, "example.com/shop", "services/kit")
	if err != nil {
		t.Fatal(err)
	}
	made := map[string][]byte{}
	for _, o := range out {
		if bytes.Contains(o.Data, []byte("msctl.dev/msctl")) {
			t.Errorf("%s imports msctl", o.Path)
		}
		made[o.Path] = bytes.ReplaceAll(o.Data, []byte("example.com/shop/services/kit"), []byte("msctl.dev/msctl/services/kit"))
	}
	err = fs.WalkDir(os.DirFS(".."), "services/kit", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			return err
		}
		got, there := made[name]
		delete(made, name)
		if !there && strings.HasSuffix(name, "_test.go") && needsMore(t, filepath.Dir(name)) {
			return nil
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs", name)
		}
		return nil
	})
	if err != nil || len(made) > 0 {
		t.Errorf("%v; made beside: %v", err, made)
	}
}

// needsMore reports a folder with a test that needs msctl's own packages.
func needsMore(t *testing.T, dir string) bool {
	tests, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(tests, func(name string) bool {
		text, err := os.ReadFile(name)
		return err == nil && bytes.Contains(text, []byte(`"msctl.dev/msctl/internal/`))
	})
}

// TestModulesAreTheFleets holds what a new stack requires to the versions that msctl itself is tested with.
func TestModulesAreTheFleets(t *testing.T) {
	read := func(name string) *modfile.File {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := modfile.Parse(name, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	ours, theirs := read("go.mod"), read("templates/kit.mod.txt")
	theirs.Require = append(theirs.Require, read("templates/more.mod.txt").Require...)
	versions := map[string]string{}
	for _, r := range ours.Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	for _, r := range theirs.Require {
		want, known := versions[r.Mod.Path]
		if known && r.Mod.Version != want || !known && !r.Indirect {
			t.Errorf("a new stack requires %s %s, go.mod has %q", r.Mod.Path, r.Mod.Version, want)
		}
	}
	if ours.Go.Version != theirs.Go.Version {
		t.Errorf("templates/kit.mod.txt wants Go %s, go.mod %s", theirs.Go.Version, ours.Go.Version)
	}
}

// TestModules changes the go.mod, go.sum and go.work that a stack has as little as it can.
func TestModules(t *testing.T) {
	files := map[string]string{
		"go.mod": "module example.com/mine // mine\n\ngo 1.22\n\n// why\nrequire github.com/google/uuid v1.1.0\n\nrequire golang.org/x/sync v0.999.0\n",
		"go.sum": "aaa v1 h1:x=\n", "go.work": "go 1.26\n\nuse ./hello // first\n",
	}
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	module, err := scaffold.ModuleOf(os.DirFS(dir))
	if err != nil || module != "example.com/mine" {
		t.Errorf("got module %q, %v", module, err)
	}
	change := func() []scaffold.Rewrite {
		t.Helper()
		all, err := scaffold.Modules(msctl.Files, os.DirFS(dir), module, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := change()
	want := map[string][]string{
		"go.mod": {"module example.com/mine // mine\n", "go 1.26", "// why\n", "github.com/google/uuid v1.6.0", "golang.org/x/sync v0.999.0", "github.com/jackc/pgx/v5 v5"},
		"go.sum": {"aaa v1 h1:x=\n", "github.com/google/uuid v1.6.0 h1:"}, "go.work": {"\t.\n", "./hello // first\n"},
	}
	for _, r := range all {
		for _, part := range want[r.Path] {
			if !strings.Contains(string(r.After), part) {
				t.Errorf("%s lacks %q:\n%s", r.Path, part, r.After)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, r.Path), r.After, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if again := change(); len(all) != 3 || len(again) != 0 {
		t.Errorf("%d files changed, and then %d; want 3 and 0", len(all), len(again))
	}
}
