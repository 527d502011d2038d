package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/chaos/experiment"
	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/telemetry/desk"
)

// exploreOptions are the flags of chaos explore, and some of them of chaos score.
type exploreOptions struct {
	workload, invariants string
	edges, modes         []string
	faults, runs         int
	budget               time.Duration
	seed                 uint64
	thorough, all        bool
	state, output        string
	json                 bool
}

func newChaosExplore(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explore",
		Short: "Find the smallest set of faults that breaks what must hold",
		Long: "explore makes one request again and again. First it learns from the edges which calls the request leads to:\n" +
			"HTTP, gRPC, statements, commands, messages. Then it disturbs each call alone, then two of them, and so on, and\n" +
			"looks after each run whether the invariants hold. Runs are left out whose end is known: a part of the set breaks\n" +
			"already, every service saw its part before and no invariant looks at both, another mode has the same effect.\n" +
			"Faults act on the one request alone, until nothing comes of it any more; then the invariants must come to hold.\n" +
			"A set that breaks something is run three times more, and written as an experiment that `msctl chaos run`\n" +
			"replays. Nothing else should use the fleet meanwhile, and no other search can.\n\n" +
			"Invariants are an experiment without faults: its setup is done once, its after probes are looked at behind each\n" +
			"run, ${run} is the name of the run, and its workload is the request, or what --workload names.\n\n" +
			modesHelp() + "\n\n" +
			"Exit codes: 0 no set of so many faults breaks anything, 1 one does, 2 usage, a mistake in a file (stack.yaml too), or\n" +
			"the request leads to no call that is to be disturbed, 3 something is broken without a fault, 4 a fault or probe\n" +
			"could not run, no fleet runs, or another search of it goes on, 6 the search is incomplete, 130 interrupted. A search\n" +
			"that was interrupted tells what it has found, and goes on where it was when it is started again with the same flags.",
		Example: "  msctl chaos explore --workload 'POST /v1/orders'\n" +
			"  msctl chaos explore --workload 'POST gateway/v1/orders {\"card\": \"tok_ok\"}' --invariants chaos/invariants.yaml --max-faults 3\n" +
			"  msctl chaos explore --edges orders:* --modes omit,delay --budget 10m",
		Args: args(cobra.NoArgs),
	}
	o := &exploreOptions{}
	f := cmd.Flags()
	o.flags(cmd)
	f.IntVar(&o.faults, "max-faults", 2, "most faults in one set")
	_ = f.SetAnnotation("max-faults", leastOne, nil) // there is this flag
	f.Uint64Var(&o.seed, "seed", 0, "try the sets of a round in an order drawn by it (default: the order of the calls)")
	f.BoolVar(&o.thorough, "thorough", false, "leave out only sets of which a part breaks something, and none whose end is likely")
	f.BoolVar(&o.all, "all", false, "go on behind the first set that breaks something")
	f.StringVar(&o.state, "state", "", "`FILE` of the runs that were made (default: explore.json in .msctl)")
	f.StringVarP(&o.output, "output", "o", "chaos-found.yaml", "`FILE` for the experiment that replays what was found")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.output == "" {
			return usage("name a file", "read --output: it is empty")
		}
		return a.searching(cmd.Context(), o, func(ctx context.Context, x *exploring) error { return x.explore(ctx, x.search()) })
	}
	return cmd
}

// flags are those that explore and score have in common.
func (o *exploreOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.workload, "workload", "", "the request, as `'METHOD /path {json}'` (default: the workload of the invariants)")
	f.StringVar(&o.invariants, "invariants", "chaos/invariants.yaml", "`FILE` with what must hold")
	f.StringSliceVar(&o.edges, "edges", nil, "disturb only calls over these edges, as `CALLER:CALLEE`; * stands for anybody")
	f.StringSliceVar(&o.modes, "modes", explore.WayNames(true), "how calls fail")
	f.IntVar(&o.runs, "max-runs", 0, "most runs (default: no limit)")
	f.DurationVar(&o.budget, "budget", 0, "most time (default: no limit)")
	f.BoolVar(&o.json, "json", false, "print each result as one JSON object per line, with a \"type\"")
	cmd.RegisterFlagCompletionFunc("modes", cobra.FixedCompletions(explore.WayNames(false), cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("edges", cobra.NoFileCompletions)
}

func modesHelp() string {
	var b strings.Builder
	b.WriteString("Modes:")
	for _, w := range explore.Ways {
		note := ""
		if w.Odd {
			note = "; only with --modes, as each run waits for it"
		}
		fmt.Fprintf(&b, "\n  %-7s %s%s", w.Name, w.Doc, note)
	}
	return b.String()
}

func (o *exploreOptions) check() error {
	for _, m := range o.modes {
		if !slices.Contains(explore.WayNames(false), m) {
			return usage(strings.Join(explore.WayNames(false), ", "), "read --modes: unknown mode %q", m)
		}
	}
	for _, e := range o.edges {
		if !strings.Contains(e, ":") {
			return usage("`msctl edges` lists them", "read --edges: %q is not CALLER:CALLEE", e)
		}
	}
	if o.faults < 0 || o.runs < 0 || o.budget < 0 {
		return usage("", "read flags: a number is below 0")
	}
	return nil
}

// prepare looks at all that the flags name, before anything is done.
func (x *exploring) prepare(ctx context.Context) (err error) {
	if err := x.places(); err != nil {
		return err
	}
	x.edges.targets = x.o.edges
	if x.edges.fleet, err = x.fleet.Edges(ctx); err != nil {
		return err
	}
	return x.edges.check()
}

// searching prepares runs on the running fleet, and ends what they left behind.
func (a *App) searching(ctx context.Context, o *exploreOptions, do func(context.Context, *exploring) error) error {
	if err := o.check(); err != nil {
		return err
	}
	st, err := a.chaosStack()
	if err != nil {
		return err
	}
	path := o.invariants
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.Dir, path)
		if _, err := os.Stat(path); err != nil && !strings.HasPrefix(o.invariants, ".") {
			path = filepath.Join(st.Dir, o.invariants)
		}
	}
	plot, err := readPlot(path, o.invariants, o.workload, entryOf(st))
	if mistakes := (stack.Errors)(nil); errors.As(err, &mistakes) {
		return mistaken(mistakes)
	}
	if err != nil {
		return err
	}
	p, err := a.place()
	if err != nil {
		return err
	}
	if st.Telemetry.Off {
		return failed("set telemetry in stack.yaml on", "learn the calls: telemetry is off")
	}
	return a.withClient(ctx, func(ctx context.Context, c *control.Client) error {
		l, err := p.takeSearch()
		if err != nil {
			return err
		}
		defer l.release()
		site := experiment.Site{Fleet: c, Stack: st, Logs: p.logs(), Environ: a.Environ, Exe: a.Exe, Telemetry: desk.Remote{Ask: c.Ask}, Owed: p.owed()}
		x := &exploring{App: a, o: o, plot: plot, site: site, fleet: c, file: a.absolute(o.state)}
		if o.state == "" {
			x.file = filepath.Join(p.state(), "explore.json")
		}
		if err := x.prepare(ctx); err != nil {
			return err
		}
		if err := x.open(ctx); err != nil {
			x.close(ctx)
			return err
		}
		err = do(ctx, x)
		if lost := x.close(ctx); lost != nil {
			return &codedError{lost, experiment.Stuck.Code(), "`msctl chaos clear` lifts all"}
		}
		return err
	})
}
