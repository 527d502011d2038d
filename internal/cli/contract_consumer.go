package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/consumer"
	"msctl.dev/msctl/contracts/library"
	"msctl.dev/msctl/internal/stack"
)

// consumerOptions is the flags of `contract test`. Its file is not called contract_test.go, which would be a test.
type consumerOptions struct {
	check bool
	json  *bool
}

func newContractTest(a *App) *cobra.Command {
	o := &consumerOptions{}
	cmd := &cobra.Command{
		Use:   "test [SERVICE...]",
		Short: "Run consumer tests and keep the pacts that they write",
		Long: "test runs the consumer tests of every service, or of those that are named: Go tests under the build tag\n" +
			"pact, the script test:contract of a package.json, test_contract.py, or what `contract: {test: ...}` in\n" +
			"stack.yaml says. Each process writes into a folder of its own (MSCTL_PACT_DIR). The pacts are put\n" +
			"together, contradictions are shown with both sides, and contracts/pacts/ is written: only when every test\n" +
			"passed, and each file whole or not at all.\n" +
			"Code 1 says that a test failed, that tests contradict each other or, with --check, that a file is stale;\n" +
			"code 3 that tests could not be run.",
		Example: "  msctl contract test\n  msctl contract test orders payments\n  msctl contract test --check --json",
	}
	f := cmd.Flags()
	f.BoolVar(&o.check, "check", false, "write nothing; fail when contracts/pacts/ is not what the tests say")
	o.json = jsonFlag(cmd)
	cmd.ValidArgsFunction = a.completeNames
	cmd.RunE = func(cmd *cobra.Command, names []string) error { return a.contractTest(cmd.Context(), o, names) }
	return cmd
}

func (a *App) contractTest(ctx context.Context, o *consumerOptions, names []string) error {
	st, err := a.load("")
	if err != nil {
		return err
	}
	p, err := a.place()
	if err != nil {
		return err
	}
	suites, err := chooseSuites(st, names)
	if err != nil {
		return err
	}
	env, err := a.pactEnviron(suites)
	if err != nil {
		return err
	}
	run := consumer.Runner{Cache: filepath.Join(p.cache(), "contracts"), Env: env}
	var results []consumer.Result
	end, ended := func() {}, func(consumer.Result) {}
	if a.screenOf(a.Err).terminal {
		end = a.progress(ctx, "running the consumer tests of "+someOf(suiteNames(suites)), func(context.Context) string { return "" })
	} else {
		run.Begin = func(service string) { fmt.Fprintf(a.Err, "%s: its consumer tests begin\n", service) }
		ended = func(r consumer.Result) {
			fmt.Fprintf(a.Err, "%s: %s after %s\n", r.Service, endOf(r), shortDuration(r.Took))
		}
	}
	err = run.Run(ctx, suites, func(r consumer.Result) { results = append(results, r); ended(r) })
	end()
	if err != nil {
		return err
	}
	slices.SortFunc(results, func(x, y consumer.Result) int { return strings.Compare(x.Service, y.Service) })
	return a.keepPacts(st, o, results)
}

// endOf says in a word how tests ended.
func endOf(r consumer.Result) string {
	switch {
	case couldNotRun(r.Err):
		return "could not be run"
	case r.Err != nil:
		return "failed"
	}
	return "passed"
}

// chooseSuites returns the suites of the named services, or all.
func chooseSuites(st *stack.Stack, names []string) ([]consumer.Suite, error) {
	all, err := consumer.Find(st)
	if err != nil {
		return nil, failed("", "%w", err)
	}
	if len(names) == 0 {
		if len(all) == 0 {
			return nil, usage("docs/contracts.md says how to write one", "run consumer tests: no service has any")
		}
		return all, nil
	}
	var out []consumer.Suite
	for _, name := range names {
		if st.Service(name) == nil {
			hint := "there is " + someOf(suiteNames(all))
			if near := nearest(name, suiteNames(all)); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, usage(hint, "unknown service %q", name)
		}
		at := slices.IndexFunc(all, func(s consumer.Suite) bool { return s.Service == name })
		if at < 0 {
			return nil, usage("docs/contracts.md says how to write one", "run consumer tests: %s has none", name)
		}
		if !slices.ContainsFunc(out, func(s consumer.Suite) bool { return s.Service == name }) {
			out = append(out, all[at])
		}
	}
	return out, nil
}

func suiteNames(suites []consumer.Suite) []string {
	out := make([]string, len(suites))
	for i, s := range suites {
		out[i] = s.Service
	}
	return out
}

// pactEnviron is the environment of the tests: with the library, where a test in Go needs it.
func (a *App) pactEnviron(suites []consumer.Suite) ([]string, error) {
	env := append(slices.Clone(a.Environ), "PACT_DO_NOT_TRACK=true")
	if !slices.ContainsFunc(suites, func(s consumer.Suite) bool { return s.Pact }) {
		return env, nil
	}
	l, err := library.Find(a.pactPlace())
	if err != nil {
		return nil, noLibrary(err)
	}
	return append(env, l.Env(a.Getenv)...), nil
}

// keepPacts reports the results, and writes or compares the pacts where every test passed.
func (a *App) keepPacts(st *stack.Stack, o *consumerOptions, results []consumer.Result) error {
	r := consumerReport{app: a, json: *o.json, check: o.check, dir: st.Dir}
	for _, result := range results {
		if err := r.result(result); err != nil {
			return err
		}
	}
	if r.broken+r.contradictions+r.infrastructure > 0 {
		return r.end()
	}
	var pacts []contracts.Pact
	var consumers []string
	for _, result := range results {
		pacts = append(pacts, result.Pacts...)
		consumers = append(consumers, result.Service)
	}
	files := consumer.Compare(filepath.Join(st.Dir, contracts.Dir), pacts, consumers)
	if !o.check {
		if err := consumer.Write(files); err != nil {
			return &codedError{err, exitInfrastructure, ""}
		}
	}
	for _, f := range files {
		if err := r.file(f); err != nil {
			return err
		}
	}
	r.strangers(st, pacts)
	return r.end()
}

// couldNotRun reports an error that says nothing about the contracts.
func couldNotRun(err error) bool { return err != nil && !errors.Is(err, consumer.ErrFailed) }
