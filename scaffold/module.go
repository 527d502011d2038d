package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// ModuleOf returns the path of the Go module at a stack's folder, or "" where there is none.
func ModuleOf(stack fs.FS) (string, error) {
	text, err := fs.ReadFile(stack, "go.mod")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read go.mod: %w", cause(err))
	}
	path := modfile.ModulePath(text)
	if path == "" {
		return "", errors.New("read go.mod: it names no module")
	}
	return path, nil
}

// Modules returns what go.mod, go.sum and go.work of a stack become so that the kit builds, and with it what a
// template needs beside: a module of that path where there is none; else what is missing is added, and a
// version that is older is raised. Where the stack has its kit, so it has what the kit needs.
func Modules(files, stack fs.FS, module string, kit bool, more []string) ([]Rewrite, error) {
	want, sums, err := needed(files, kit, more)
	if err != nil || len(want.Require) == 0 {
		return nil, err
	}
	var all []Rewrite
	for _, f := range []struct {
		name string
		make func(before []byte) ([]byte, error)
	}{
		{"go.mod", func(before []byte) ([]byte, error) { return require(before, want, module) }},
		{"go.sum", func(before []byte) ([]byte, error) { return union(before, sums), nil }},
		{"go.work", useRoot},
	} {
		before, err := fs.ReadFile(stack, f.name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read %s: %w", f.name, cause(err))
		}
		if err != nil {
			before = nil
		}
		after, err := f.make(before)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(before, after) {
			all = append(all, Rewrite{Path: f.name, Before: before, After: after})
		}
	}
	return all, nil
}

// ModulesFor are the modules that a service of a template needs beside the kit's.
func ModulesFor(t *Template, v Values) ([]string, error) {
	v, err := t.complete(v)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, m := range t.Modules {
		path, err := execute("modules", m, v)
		if err != nil {
			return nil, err
		}
		if len(path) > 0 {
			all = append(all, string(path))
		}
	}
	return all, nil
}

// needed returns what is to be required, as a go.mod, and the lines of go.sum that go with it.
func needed(files fs.FS, kit bool, more []string) (want *modfile.File, sums []byte, err error) {
	if want, sums, err = modules(files, kitMod, kitSum); err != nil {
		return nil, nil, err
	}
	if !kit {
		want.SetRequire(nil)
		want.Cleanup()
	}
	if len(more) == 0 {
		return want, sums, nil
	}
	beside, besideSums, err := modules(files, moreMod, moreSum)
	if err != nil {
		return nil, nil, err
	}
	for _, path := range more {
		i := slices.IndexFunc(beside.Require, func(r *modfile.Require) bool { return r.Mod.Path == path })
		if i < 0 {
			return nil, nil, fmt.Errorf("read modules: msctl knows no version of %s", path)
		}
		for _, r := range beside.Require {
			if r.Mod.Path != path && !goesWith(r, path) {
				continue
			}
			raise(want, &modfile.File{Require: []*modfile.Require{r}})
		}
	}
	if !kit {
		return want, besideSums, nil
	}
	return want, union(sums, besideSums), nil
}

// goesWith reports a requirement that another module brings, as its comment says.
func goesWith(r *modfile.Require, path string) bool {
	return r.Indirect && len(r.Syntax.Suffix) == 1 && strings.HasSuffix(r.Syntax.Suffix[0].Token, "; for "+path)
}

func modules(files fs.FS, mod, sum string) (*modfile.File, []byte, error) {
	text, err := fs.ReadFile(files, mod)
	if err != nil {
		return nil, nil, err
	}
	f, err := modfile.Parse(mod, text, nil)
	if err != nil {
		return nil, nil, err
	}
	sums, err := fs.ReadFile(files, sum)
	return f, sums, err
}

// require adds what another go.mod requires to one, or makes it.
func require(before []byte, want *modfile.File, module string) ([]byte, error) {
	if before == nil {
		if err := want.AddModuleStmt(module); err != nil {
			return nil, err
		}
		return want.Format()
	}
	have, err := modfile.Parse("go.mod", before, nil)
	if err != nil {
		return nil, fmt.Errorf("read %w", err)
	}
	changed := raise(have, want)
	if have.Go == nil || semver.Compare("v"+have.Go.Version, "v"+want.Go.Version) < 0 {
		if err := have.AddGoStmt(want.Go.Version); err != nil {
			return nil, err
		}
		changed = true
	}
	if !changed {
		return before, nil
	}
	return have.Format()
}

// raise adds requirements that are missing or older, and reports whether there were any.
func raise(have, want *modfile.File) bool {
	versions := map[string]string{}
	for _, r := range have.Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	changed := false
	for _, r := range want.Require {
		is, known := versions[r.Mod.Path]
		switch {
		case !known:
			have.AddNewRequire(r.Mod.Path, r.Mod.Version, r.Indirect)
		case semver.Compare(is, r.Mod.Version) < 0:
			if have.AddRequire(r.Mod.Path, r.Mod.Version) != nil {
				continue // it never fails for a path that is there
			}
		default:
			continue
		}
		changed = true
	}
	return changed
}

// union adds the lines of a go.sum that another lacks, in order.
func union(before, more []byte) []byte {
	have := slices.Collect(strings.Lines(string(before)))
	all := slices.Clone(have)
	for line := range strings.Lines(string(more)) {
		if !slices.Contains(have, line) {
			all = append(all, line)
		}
	}
	if len(all) == len(have) {
		return before
	}
	slices.Sort(all)
	return []byte(strings.Join(all, ""))
}

// useRoot adds the stack's own folder to its go.work, where it has one.
func useRoot(before []byte) ([]byte, error) {
	if before == nil {
		return nil, nil
	}
	w, err := modfile.ParseWork("go.work", before, nil)
	if err != nil {
		return nil, fmt.Errorf("read %w", err)
	}
	for _, u := range w.Use {
		if u.Path == "." || u.Path == "./" {
			return before, nil
		}
	}
	if err := w.AddUse(".", ""); err != nil {
		return nil, err
	}
	w.Cleanup()
	return modfile.Format(w.Syntax), nil
}
