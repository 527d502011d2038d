package consumer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// runGo runs the tests of every package of one suite.
func (r Runner) runGo(ctx context.Context, parts string, s Suite, built map[string]binary) Result {
	begun := time.Now()
	result := Result{Suite: s}
	for _, f := range s.Go {
		b := built[f.dir]
		if b.err != nil {
			result.Err = errors.Join(result.Err, b.err)
			result.Output += b.output
			continue
		}
		argv := []string{b.file, "-test.run", "^(" + strings.Join(f.tests, "|") + ")$", "-test.timeout", r.Timeout.String()}
		one := r.runProcess(ctx, parts, f.dir, argv, "the tests in "+within(s.Dir, s.Service, f.dir))
		result.Err = errors.Join(result.Err, one.err)
		result.Output += one.output
		for _, p := range one.pacts {
			result.add(p)
		}
	}
	result.Took = time.Since(begun)
	return result
}

// within names a folder of a service for people: "orders", "orders/ledger".
func within(root, service, dir string) string {
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return dir
	}
	return filepath.ToSlash(filepath.Join(service, rel))
}

// runCommand runs a suite that is a command.
func (r Runner) runCommand(ctx context.Context, parts string, s Suite) Result {
	begun := time.Now()
	one := r.runProcess(ctx, parts, s.Dir, s.Argv, fmt.Sprintf("the tests of %s", s.Service))
	result := Result{Suite: s, Err: one.err, Output: one.output}
	for _, p := range one.pacts {
		result.add(p)
	}
	result.Took = time.Since(begun)
	return result
}
