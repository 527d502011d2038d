package scaffold_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"msctl.dev/msctl/scaffold"
)

var values = scaffold.Values{Service: "billing", Path: "services/billing", Stack: "shop", Module: "example.com/shop", Kit: "services/kit"}

// manifest is a template of one file that goes to a path.
func manifest(to string) fstest.MapFS {
	return fstest.MapFS{
		"template.yaml": {Data: []byte("name: t\ndoc: d\nfiles:\n  - {from: f.tmpl, to: '" + to + "'}\n")},
		"f.tmpl":        {Data: []byte("x\n")},
	}
}

// TestHostilePaths is L1: nothing is written outside of the target, or where others keep their own.
func TestHostilePaths(t *testing.T) {
	for _, to := range []string{
		"../x", "a/../../x", "{{.Path}}/../../../x", "/etc/x", "//x", `..\x`, `C:\x`, "C:x", ".", "", "a//b", "./a",
		".git/hooks/pre-commit", "a/.GIT/config", ".msctl/run/x", ".hg/hgrc", "a b", "a\tb", "CON", "a/nul.txt", "x.", "-rf",
		"a/\x1b[2Jb", "é", strings.Repeat("a/", 200) + "x",
	} {
		tpl, err := scaffold.Load(manifest(to))
		if err != nil {
			continue
		}
		if out, err := scaffold.Render(tpl, values); err == nil {
			t.Errorf("%q: rendered as %v", to, out)
		}
		if err := scaffold.CheckPath(to); err == nil {
			t.Errorf("%q: is a good path", to)
		}
	}
}

// TestHostileManifest is L1: a manifest on which the parser of YAML panics is refused.
func TestHostileManifest(t *testing.T) {
	files := manifest("x")
	files["template.yaml"] = &fstest.MapFile{Data: []byte("{{},<<}\n")}
	if _, err := scaffold.Load(files); err == nil {
		t.Error("loaded")
	}
}

// TestHostileTexts is L1: a text that could run for long, grow without end or reach for more is refused before
// it is rendered.
func TestHostileTexts(t *testing.T) {
	for _, text := range []string{
		`{{range 1000000000000}}{{end}}`, `{{$n := 1000000000}}{{range $n}}{{end}}`, `{{with 99999999}}{{range .}}{{end}}{{end}}`,
		`{{range len .Uses}}{{end}}`, `{{define "a"}}{{template "a"}}{{template "a"}}{{end}}{{template "a"}}`,
		`{{block "a" .}}{{end}}`, `{{printf "%999999d" 1}}`, `{{print .}}`, `{{html .}}`, `{{call .X}}`, `{{js .}}`, `{{slice .Service 1}}`,
		`{{if (printf "x")}}{{end}}`, `{{(print .).X}}`, `{{range .Calls}}{{range .Calls}}{{range .Calls}}{{end}}{{end}}{{end}}`, `{{`, `{{exec "id"}}`,
	} {
		files := manifest("{{.Path}}/x")
		files["f.tmpl"] = &fstest.MapFile{Data: []byte(text)}
		if _, err := scaffold.Load(files); err == nil {
			t.Errorf("%s: loaded", text)
		}
	}
	files := manifest("{{.Path}}/x")
	files["f.tmpl"] = &fstest.MapFile{Data: []byte(`{{range .Calls}}` + strings.Repeat("x", 900<<10) + `{{end}}`)}
	tpl, err := scaffold.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	big := values
	big.Calls = []scaffold.Call{{Name: "a", Protocol: "http"}, {Name: "b", Protocol: "http"}}
	if _, err := scaffold.Render(tpl, big); err == nil {
		t.Error("a file of 1.8 MB was rendered")
	}
}

// TestHostileNames is L1 and E8: a value is refused unless it is nothing but itself in a path, a shell, a quoted
// text and YAML.
func TestHostileNames(t *testing.T) {
	tpl, err := scaffold.Load(manifest("{{.Path}}/x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"{{.Stack}}", "$(id)", "`id`", "a\nb", "a b", "../x", "a/b", "-rf", ".", "", "CON", "nul", "аpple", "Billing", "a:b",
		`a"b`, "a'b", "a;b", "a#b", strings.Repeat("a", 64), "a\x00b", "&a", "*a", "a-",
	} {
		for what, with := range map[string]func(*scaffold.Values){
			"service": func(v *scaffold.Values) { v.Service = bad },
			"stack":   func(v *scaffold.Values) { v.Stack = bad },
			"call":    func(v *scaffold.Values) { v.Calls = []scaffold.Call{{Name: bad, Protocol: "http"}} },
			"use":     func(v *scaffold.Values) { v.Uses = []scaffold.Use{{Name: bad, Kind: "redis"}} },
			"kind":    func(v *scaffold.Values) { v.Uses = []scaffold.Use{{Name: "a", Kind: bad}} },
		} {
			if (what == "call" || what == "use" || what == "kind") && (bad == "CON" || bad == "nul") {
				continue // no folder is called so
			}
			v := values
			with(&v)
			if _, err := scaffold.Render(tpl, v); err == nil {
				t.Errorf("%s %q was taken", what, bad)
			}
		}
	}
	for _, bad := range []string{"a\nb", "a b", "../x", "/a", "a//b", `"a"`, "a/../b", "{{.}}", ""} {
		v := values
		v.Module = bad
		if _, err := scaffold.Render(tpl, v); err == nil {
			t.Errorf("module %q was taken", bad)
		}
	}
}

// TestHostileFolders is L1: links and files that are too big or too many are refused while a template is read.
func TestHostileFolders(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(dir string) error{
		"link out":       func(dir string) error { return os.Symlink(secret, filepath.Join(dir, "link")) },
		"link in":        func(dir string) error { return os.Symlink("f.tmpl", filepath.Join(dir, "link")) },
		"link to folder": func(dir string) error { return os.Symlink(filepath.Dir(secret), filepath.Join(dir, "link")) },
		"1 GB":           func(dir string) error { return grow(filepath.Join(dir, "big"), 1<<30) },
		"big manifest":   func(dir string) error { return grow(filepath.Join(dir, "template.yaml"), 1<<30) },
		"many files": func(dir string) error {
			for i := range 1001 {
				if err := os.WriteFile(filepath.Join(dir, "f"+strings.Repeat("x", i%200)+string(rune('a'+i/200))), nil, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		"many bytes": func(dir string) error {
			for i := range 20 {
				if err := grow(filepath.Join(dir, strings.Repeat("x", i+1)), 1<<20); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		dir := t.TempDir()
		for file, f := range manifest("{{.Path}}/x") {
			if err := os.WriteFile(filepath.Join(dir, file), f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scaffold.Load(root.FS()); err != nil {
			t.Fatalf("%s: refused while it is good: %v", name, err)
		}
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := scaffold.Load(root.FS()); err == nil {
			t.Errorf("%s: loaded", name)
		}
		root.Close()
	}
}

// grow makes a file of so many bytes that takes no room.
func grow(path string, size int64) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

// TestHostileTargets is L1 and L2: what is in the target's way is told of, and nothing is written.
func TestHostileTargets(t *testing.T) {
	out := []scaffold.Output{{Path: "services/billing/a", Data: []byte("new")}, {Path: "b", Data: []byte("new")}}
	outside := t.TempDir()
	for name, spoil := range map[string]func(dir string) error{
		"link out":      func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "services")) },
		"link of files": func(dir string) error { return os.Symlink(filepath.Join(outside, "x"), filepath.Join(dir, "b")) },
		"staging out":   func(dir string) error { return os.Symlink(outside, filepath.Join(dir, ".msctl")) },
		"file":          func(dir string) error { return os.WriteFile(filepath.Join(dir, "services"), nil, 0o600) },
		"folder":        func(dir string) error { return os.Mkdir(filepath.Join(dir, "b"), 0o700) },
		"case":          func(dir string) error { return os.Mkdir(filepath.Join(dir, "Services"), 0o700) },
		"other content": func(dir string) error { return os.WriteFile(filepath.Join(dir, "b"), []byte("mine"), 0o600) },
	} {
		dir := t.TempDir()
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		before := listing(t, dir)
		changes, err := scaffold.Plan(dir, out, nil, false)
		if err == nil {
			err = scaffold.Write(dir, changes)
		}
		if err == nil {
			t.Errorf("%s: written", name)
		}
		if after := listing(t, dir) + listing(t, outside); after != before {
			t.Errorf("%s: left behind:\n%s\nbefore:\n%s", name, after, before)
		}
	}
	for _, twice := range [][]scaffold.Output{
		{{Path: "a/x"}, {Path: "A/y"}}, {{Path: "a"}, {Path: "A"}}, {{Path: "a"}, {Path: "a"}}, {{Path: "a"}, {Path: "a/b"}},
	} {
		if _, err := scaffold.Plan(t.TempDir(), twice, nil, false); err == nil {
			t.Errorf("%v: planned", twice)
		}
	}
}

// listing is every file below dir with its content.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			b.WriteString(rel)
			if d.Type().IsRegular() {
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				b.WriteString(" " + string(data))
			}
			b.WriteString("\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
