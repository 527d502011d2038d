package consumer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// binary is the test binary of one package, or why there is none.
type binary struct {
	file   string
	err    error
	output string
}

// batch is packages of one module whose binaries have different names, so that one `go test -c` makes them.
type batch struct {
	root string // of the module
	n    int    // which of the module
	dirs []string
}

// compile makes the test binary of every package, by folder. What did not change is not linked again.
func (r Runner) compile(ctx context.Context, suites []Suite) map[string]binary {
	built := map[string]binary{}
	var batches []*batch
	for _, s := range suites {
		for _, f := range s.Go {
			root, err := moduleRoot(f.dir)
			if err != nil {
				built[f.dir] = binary{err: err}
				continue
			}
			batches = placed(batches, root, f.dir)
		}
	}
	for _, b := range batches {
		r.compileBatch(ctx, b, built)
	}
	return built
}

// placed puts dir into the first batch that can take it.
func placed(batches []*batch, root, dir string) []*batch {
	n := 0
	for _, b := range batches {
		if b.root != root {
			continue
		}
		same := func(d string) bool { return filepath.Base(d) == filepath.Base(dir) }
		if !slices.ContainsFunc(b.dirs, same) {
			b.dirs = append(b.dirs, dir)
			return batches
		}
		n++
	}
	return append(batches, &batch{root, n, []string{dir}})
}

// compileBatch makes all of a batch at once, and one by one where that fails, to tell whose fault it is.
func (r Runner) compileBatch(ctx context.Context, b *batch, built map[string]binary) {
	made, err := r.goTest(ctx, b)
	if len(b.dirs) == 1 || err == nil || !errors.Is(err, ErrFailed) {
		for _, dir := range b.dirs {
			built[dir] = binary{binaryFile(made.file, dir), err, made.output}
		}
		return
	}
	for _, dir := range b.dirs {
		r.compileBatch(ctx, &batch{b.root, b.n, []string{dir}}, built)
	}
}

// goTest compiles the tests of a batch into the folder of its module.
func (r Runner) goTest(ctx context.Context, b *batch) (binary, error) {
	sum := sha256.Sum256([]byte(b.root))
	out := filepath.Join(r.Cache, fmt.Sprintf("%x-%d", sum[:6], b.n))
	if err := os.MkdirAll(out, 0o755); err != nil {
		return binary{}, fmt.Errorf("compile consumer tests: %w", err)
	}
	argv := []string{"go", "test", "-c", "-tags", Tag, "-ldflags=-s -w", "-o", out + string(filepath.Separator)}
	for _, dir := range b.dirs {
		rel, err := filepath.Rel(b.root, dir)
		if err != nil {
			return binary{}, fmt.Errorf("compile consumer tests: %w", err)
		}
		argv = append(argv, "./"+filepath.ToSlash(rel))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("compile consumer tests: it took longer than %v", r.Timeout))
	defer cancel()
	var said tail
	cmd := command(ctx, b.root, argv, append(slices.Clone(r.Env), "PWD="+b.root))
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case context.Cause(ctx) != nil:
		err = context.Cause(ctx)
	case errors.As(err, &exit):
		err = fmt.Errorf("%w: they do not compile", ErrFailed)
	case err != nil:
		err = fmt.Errorf("compile consumer tests: %w", err)
	}
	return binary{file: out, output: said.String()}, err
}

func binaryFile(out, dir string) string { return filepath.Join(out, filepath.Base(dir)+".test") }

// moduleRoot returns the folder of the go.mod that dir belongs to.
func moduleRoot(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("find the module of %s: there is no go.mod", dir)
		}
	}
}
