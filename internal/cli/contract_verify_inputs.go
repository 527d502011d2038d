package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/stack"
)

// inputs returns the files that a provider is made of; none where nobody can say.
func (v *verification) inputs(name string) verify.Inputs {
	s := v.stack.Service(name)
	var in verify.Inputs
	switch {
	case s.Source == "":
	case s.Language == stack.Go && s.Build == nil:
		if in = v.packages().of(s.Source); in == nil {
			return nil
		}
	default:
		in = append(in, filepath.Join(s.Source, "..."))
	}
	for _, e := range s.Env { // such as a file of flags
		path := absolute(s.Dir, e.Value)
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() {
			in = append(in, path)
		}
	}
	if len(in) == 0 {
		in = append(in, v.stack.Files[0]) // an image: its name says what it is
	}
	return in
}

// goPackage is one package of the user's modules, as `go list` tells it.
type goPackage struct {
	ImportPath, Dir     string
	Imports, EmbedFiles []string
	Standard            bool
	Module              *struct {
		Dir, GoMod, Version string
	}
}

// goPackages are the packages of all services, by import path.
type goPackages map[string]goPackage

// packages asks the go tool once about all services of the stack in Go.
func (v *verification) packages() goPackages {
	if v.golang != nil {
		return v.golang
	}
	v.golang = goPackages{}
	for _, s := range v.stack.Services {
		if s.Language != stack.Go || v.targets[s.Name] == nil || v.golang.in(s.Source) != "" {
			continue
		}
		v.golang.list(s.Source, v.goDirs())
	}
	return v.golang
}

// goDirs returns the folders of all providers in Go.
func (v *verification) goDirs() []string {
	var out []string
	for _, s := range v.stack.Services {
		if s.Language == stack.Go && v.targets[s.Name] != nil {
			out = append(out, s.Source)
		}
	}
	return out
}

// list adds the packages in dirs, as far as they are of the module at dir, and what they import.
func (g goPackages) list(dir string, dirs []string) {
	cmd := exec.Command("go", append([]string{"list", "-e", "-deps", "-json=ImportPath,Dir,Imports,EmbedFiles,Standard,Module"}, dirs...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return // nothing is kept then
	}
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) || err != nil {
			return
		}
		g[p.ImportPath] = p
	}
}

// in returns the import path of the package in a folder.
func (g goPackages) in(dir string) string {
	for path, p := range g {
		if p.Dir == dir && !p.Standard {
			return path
		}
	}
	return ""
}

// of returns the folders and files from which the program in a folder is built; the versions of other
// modules are in go.mod and go.sum.
func (g goPackages) of(dir string) verify.Inputs {
	root := g.in(dir)
	if root == "" {
		return nil
	}
	var in verify.Inputs
	seen := map[string]bool{}
	var add func(path string)
	add = func(path string) {
		p, known := g[path]
		if seen[path] || !known || p.Standard || p.Module == nil || p.Module.Version != "" {
			return
		}
		seen[path] = true
		in = append(in, p.Dir, p.Module.GoMod)
		if sum := strings.TrimSuffix(p.Module.GoMod, ".mod") + ".sum"; !missing(sum) {
			in = append(in, sum)
		}
		for _, f := range p.EmbedFiles {
			in = append(in, filepath.Join(p.Dir, f))
		}
		for _, next := range p.Imports {
			add(next)
		}
	}
	add(root)
	return in
}
