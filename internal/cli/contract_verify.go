package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/library"
	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/stack"
)

// verifyOptions is what `contract verify` was asked.
type verifyOptions struct {
	services []string
	changed  bool
	fresh    bool
	runtime  string
	urls     []string
	junit    string
	github   bool
	timeout  time.Duration
	results  *string
	json     *bool
}

func newContractVerify(a *App) *cobra.Command {
	o := &verifyOptions{}
	cmd := &cobra.Command{
		Use:   "verify [SERVICE…]",
		Short: "Prove that providers do what their consumers' pacts say",
		Long: "verify starts each provider alone, with databases and brokers of its own and with stubs, made from its own\n" +
			"pacts, in place of the services that it calls. It brings the provider into the states that the pacts name,\n" +
			"as contracts/states/SERVICE.yaml says, sends it every request, makes it publish every message, and compares.\n" +
			"Where pacts, states and source have not changed since, what was found is told again at once.\n" +
			"An interaction that is marked as pending is verified too, and breaks nothing. A broken contract exits with\n" +
			"1, what could not be tried with 3, and a state that nobody described with 4.",
		Example:           "  msctl contract verify\n  msctl contract verify users --runtime native\n  msctl contract verify orders --url orders=http://127.0.0.1:8080\n  msctl contract verify --changed --junit results.xml",
		ValidArgsFunction: a.completeNames,
	}
	f := cmd.Flags()
	f.BoolVar(&o.changed, "changed", false, "only what has changed since it was verified")
	f.BoolVar(&o.fresh, "fresh", false, "verify all, changed or not")
	f.StringVar(&o.runtime, "runtime", "embedded", "how backing servers run: "+strings.Join(runtimes, ", "))
	f.StringArrayVar(&o.urls, "url", nil, "verify a service that runs already: `SERVICE=URL`; repeat")
	f.StringVar(&o.junit, "junit", "", "also write the results into this `FILE`, as JUnit")
	f.BoolVar(&o.github, "github", false, "also print annotations for GitHub Actions")
	f.DurationVar(&o.timeout, "timeout", 10*time.Minute, "give up what is not verified after this `DURATION`")
	o.results = resultsFlag(cmd)
	o.json = jsonFlag(cmd)
	cmd.RegisterFlagCompletionFunc("runtime", cobra.FixedCompletions(runtimes, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, services []string) error {
		o.services = services
		return a.contractVerify(cmd.Context(), o)
	}
	return cmd
}

// verification is one run of `contract verify`.
type verification struct {
	app     *App
	opts    *verifyOptions
	stack   *stack.Stack
	place   place
	pacts   []contracts.Pact // all of the stack's
	targets map[string]*verify.Target
	cache   verify.Cache
	keys    map[string]string // of the cache, by provider
	reports []verify.Report
	bare    []string   // edges of what was started that have no pact
	golang  goPackages // nil: not asked yet
}

func (a *App) contractVerify(ctx context.Context, o *verifyOptions) error {
	if !slices.Contains(runtimes, o.runtime) {
		return usage(strings.Join(runtimes, ", "), "read --runtime: unknown runtime %q", o.runtime)
	}
	v, err := a.newVerification(o)
	if err != nil {
		return err
	}
	kept := v.openBook(ctx, *o.results)
	left := v.known()
	if len(left) > 0 {
		bounded, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not verified after %s", shortDuration(o.timeout)))
		defer cancel()
		if err := v.verify(bounded, left); err != nil {
			return err
		}
	}
	kept.close(ctx)
	if err := v.print(); err != nil {
		return err
	}
	if code := verify.ExitCode(v.reports); code != 0 {
		return silent(code)
	}
	return nil
}

// newVerification reads what there is to verify.
func (a *App) newVerification(o *verifyOptions) (*verification, error) {
	v := &verification{app: a, opts: o, targets: map[string]*verify.Target{}, keys: map[string]string{}}
	var err error
	if v.stack, err = a.load(""); err != nil {
		return nil, err
	}
	if v.place, err = a.place(); err != nil {
		return nil, err
	}
	if err := checkNames(o.services, serviceNamesOf(v.stack)); err != nil {
		return nil, err
	}
	if v.pacts, err = contracts.Load(filepath.Join(v.stack.Dir, contracts.Dir)); err != nil {
		return nil, &codedError{err, exitInfrastructure, "`msctl contract test` writes them"}
	}
	if err := v.choose(); err != nil {
		return nil, err
	}
	v.cache = v.place.verified(v.stack)
	return v, v.takeURLs()
}

// choose makes a target of each provider that is asked for, or of all that have pacts.
func (v *verification) choose() error {
	for _, p := range v.pacts {
		if len(v.opts.services) > 0 && !slices.Contains(v.opts.services, p.Provider) {
			continue
		}
		if v.stack.Service(p.Provider) == nil {
			return &codedError{fmt.Errorf("read %s: the stack has no service %q", p.File, p.Provider), exitUsage,
				"names in pacts are names of stack.yaml"}
		}
		t := v.targets[p.Provider]
		if t == nil {
			states, err := verify.LoadStates(filepath.Join(v.stack.Dir, verify.StatesDir), p.Provider)
			if err != nil {
				return &codedError{err, exitUsage, ""}
			}
			t = &verify.Target{Name: p.Provider, States: states}
			v.targets[p.Provider] = t
		}
		t.Pacts = append(t.Pacts, p)
	}
	for _, name := range v.opts.services {
		if v.targets[name] == nil {
			return &codedError{fmt.Errorf("verify %s: no pact names it as a provider", name), exitUnknown,
				"`msctl contract test` writes pacts from the tests of its consumers"}
		}
	}
	if len(v.targets) == 0 {
		return &codedError{fmt.Errorf("verify: %s holds no pacts", contracts.Dir), exitUnknown,
			"`msctl contract test` writes them from the tests of consumers"}
	}
	return nil
}

// takeURLs sets where the providers are that run already.
func (v *verification) takeURLs() error {
	for _, word := range v.opts.urls {
		name, url, ok := strings.Cut(word, "=")
		if !ok || !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
			return usage("write --url SERVICE=http://…", "read --url: %q names no service and URL", word)
		}
		t := v.targets[name]
		if t == nil {
			return usage("it must be a provider that is verified", "read --url: no pact names %q as a provider", name)
		}
		t.URL = strings.TrimSuffix(url, "/")
	}
	return nil
}

// names returns the providers in the order of the stack.
func (v *verification) names() []string {
	var out []string
	for _, s := range v.stack.Services {
		if v.targets[s.Name] != nil {
			out = append(out, s.Name)
		}
	}
	return out
}

// known takes what the cache knows and returns the providers that it does not.
func (v *verification) known() []string {
	var left []string
	for _, name := range v.names() {
		t := v.targets[name]
		if t.URL != "" { // nobody knows what runs there
			left = append(left, name)
			continue
		}
		v.keys[name] = verify.Key(v.stack, t, v.pacts, v.opts.runtime)
		report, ok := v.cache.Get(name, v.keys[name])
		switch {
		case v.opts.fresh || !ok:
			left = append(left, name)
		case !v.opts.changed:
			v.reports = append(v.reports, report)
		}
	}
	return left
}

// verify verifies providers, and keeps what was found.
func (v *verification) verify(ctx context.Context, names []string) error {
	lib, err := library.Find(v.app.pactPlace())
	if err != nil {
		return noLibrary(err)
	}
	reports, err := v.run(ctx, names, lib)
	if err != nil {
		return err
	}
	for _, r := range reports {
		if key := v.keys[r.Provider]; key != "" {
			v.cache.Put(v.inputs(r.Provider), key, r) // what cannot be kept is verified again
		}
	}
	v.reports = append(v.reports, reports...)
	order := v.names()
	slices.SortStableFunc(v.reports, func(x, y verify.Report) int {
		return slices.Index(order, x.Provider) - slices.Index(order, y.Provider)
	})
	return nil
}
