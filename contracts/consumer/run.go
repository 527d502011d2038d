package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/contracts"
)

// Runner runs suites.
type Runner struct {
	Cache   string        // folder for test binaries: what did not change is not linked again
	Env     []string      // complete environment
	Timeout time.Duration // of one test process, and of compiling; 0 means five minutes

	Begin func(service string) // is told of each suite when it begins, by one at a time; nil: nobody
}

// Result is what became of one suite.
type Result struct {
	Suite
	Err       error // nil: every test passed, and wrote pacts that can be read
	Output    string
	Took      time.Duration
	Pacts     []contracts.Pact
	Conflicts []contracts.Conflict // between the service's own tests
}

// ErrFailed is what a suite's error matches when its tests failed; any other error says that they could not run.
var ErrFailed = errors.New("its consumer tests failed")

// ErrNotRun is what the error of a command matches that exited with 3: what its tests need could not be had.
var ErrNotRun = errors.New("its consumer tests could not be run")

// exitNotRun is how a command says so, as msctl does itself.
const exitNotRun = 3

// Run runs every suite, some at once, and tells of each when it has ended. It returns early only where ctx ends.
func (r Runner) Run(ctx context.Context, suites []Suite, tell func(Result)) error {
	if r.Timeout == 0 {
		r.Timeout = 5 * time.Minute
	}
	release, err := r.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	parts, err := contracts.TempDir("msctl-pacts")
	if err != nil {
		return fmt.Errorf("make a folder for pacts: %w", err)
	}
	defer os.RemoveAll(parts)
	var one sync.Mutex // tell and Begin are called by one at a time
	told := func(result Result) {
		one.Lock()
		defer one.Unlock()
		tell(result)
	}
	begin := func(s Suite) {
		one.Lock()
		defer one.Unlock()
		if r.Begin != nil {
			r.Begin(s.Service)
		}
	}
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for _, s := range suites {
		if len(s.Argv) > 0 {
			g.Go(func() error { begin(s); told(r.runCommand(ctx, parts, s)); return nil })
		}
	}
	inGo := slices.DeleteFunc(slices.Clone(suites), func(s Suite) bool { return len(s.Go) == 0 })
	built := r.compile(ctx, inGo)
	for _, s := range inGo {
		g.Go(func() error { begin(s); told(r.runGo(ctx, parts, s, built)); return nil })
	}
	g.Wait()
	return context.Cause(ctx)
}
