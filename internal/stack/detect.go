package stack

import (
	gobuild "go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// detect returns the language of what dir holds, or "" and what to do about it.
func detect(dir string) (Language, string) {
	main, library := goPackage(dir)
	switch {
	case main:
		return Go, ""
	case exists(filepath.Join(dir, "package.json")):
		return Node, ""
	case anyExists(dir, "pyproject.toml", "requirements.txt", "main.py"):
		return Python, ""
	case exists(filepath.Join(dir, "Dockerfile")):
		return Dockerfile, ""
	}
	if found := mainsBelow(dir); len(found) > 0 {
		return "", "a Go main package is in " + strings.Join(found, ", ")
	}
	if library {
		return "", "its Go package is not main; say what to run with `command`"
	}
	return "", "looked for a Go main package, package.json, pyproject.toml, requirements.txt, main.py, Dockerfile; or say `command` or `image`"
}

func anyExists(dir string, names ...string) bool {
	for _, name := range names {
		if exists(filepath.Join(dir, name)) {
			return true
		}
	}
	return false
}

// maxGoFiles bounds how many files of a folder are looked into.
const maxGoFiles = 200

// goPackage reports whether dir holds a Go main package, or else any Go package.
func goPackage(dir string) (main, any bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, false
	}
	looked := 0
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || looked == maxGoFiles {
			continue
		}
		looked++
		if fits, err := gobuild.Default.MatchFile(dir, name); err != nil || !fits {
			continue // a file for another system, or one that `//go:build ignore` keeps out
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.PackageClauseOnly)
		if err != nil {
			continue
		}
		if any = true; f.Name.Name == "main" {
			return true, true
		}
	}
	return false, any
}

// mainsBelow looks where Go programs usually have their main packages.
func mainsBelow(dir string) []string {
	var out []string
	for _, sub := range []string{"cmd", "cmd/*"} {
		found, _ := filepath.Glob(filepath.Join(dir, sub))
		for _, f := range found[:min(len(found), 20)] {
			if main, _ := goPackage(f); main {
				out = append(out, relative(dir, f))
			}
		}
	}
	return out
}
