package consumer

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Tag is the build tag of consumer tests in Go.
const Tag = "pact"

// goFolder is one Go package with consumer tests.
type goFolder struct {
	dir     string   // absolute
	tests   []string // names of the functions
	library bool     // a file imports pact-go
}

// goFolders returns the packages below dir that have tests under the tag, without those of other modules.
func goFolders(dir string) ([]goFolder, error) {
	var out []goFolder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return nil
		}
		if path != dir && foreign(path, d.Name()) {
			return filepath.SkipDir
		}
		f, err := goTests(path)
		if len(f.tests) > 0 {
			out = append(out, f)
		}
		return err
	})
	return out, err
}

// foreign reports a folder that is none of the module's packages.
func foreign(path, name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	if slices.Contains([]string{"testdata", "vendor", "node_modules"}, name) {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

// goTests reads the test files of one folder.
func goTests(dir string) (goFolder, error) {
	f := goFolder{dir: dir}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return f, err
	}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return f, fmt.Errorf("read %s: %w", file, err)
		}
		if !tagged(tree) {
			continue
		}
		for _, i := range tree.Imports {
			f.library = f.library || strings.Contains(i.Path.Value, "github.com/pact-foundation/pact-go/")
		}
		f.tests = append(f.tests, testsOf(tree)...)
	}
	return f, nil
}

// tagged reports a file that is built with the tag on this machine, and not without it.
func tagged(tree *ast.File) bool {
	for _, group := range tree.Comments {
		if group.Pos() > tree.Package {
			break
		}
		for _, line := range group.List {
			expr, err := constraint.Parse(line.Text)
			if err == nil && constraint.IsGoBuild(line.Text) {
				return holds(expr, true) && !holds(expr, false)
			}
		}
	}
	return false
}

func holds(expr constraint.Expr, pact bool) bool {
	return expr.Eval(func(tag string) bool {
		switch tag {
		case Tag:
			return pact
		case build.Default.GOOS, build.Default.GOARCH, "cgo", "gc", "unix":
			return true
		}
		return strings.HasPrefix(tag, "go1.")
	})
}

func testsOf(tree *ast.File) []string {
	var out []string
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" {
			out = append(out, f.Name.Name)
		}
	}
	return out
}
