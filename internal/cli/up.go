package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// upOptions is what `up` was asked.
type upOptions struct {
	services  []string
	detach    bool
	wait      bool
	timeout   time.Duration
	profile   string
	noDeps    bool
	dryRun    bool
	runtime   string
	watch     bool
	isolated  bool
	ephemeral bool
	json      bool
	plain     bool // lines, also at a terminal
	daemon    bool // this is the background half of `up -d`, or of `up` at a terminal
	lifeline  bool // it ends with the half in front
}

// runtimes is what --runtime takes.
var runtimes = []string{"auto", "container", "native", "embedded"}

func newUp(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up [SERVICE…]",
		Short: "Bring the stack up",
		Long: "up builds and starts the services of stack.yaml with all that they need, each the moment what it needs\n" +
			"is ready. At a terminal it shows them on one screen, as `msctl dash` does; with --plain, in a pipe and in\n" +
			"CI it prints their output. Ctrl-C takes everything down; a second Ctrl-C kills at once. With -d it returns\n" +
			"once all is up and leaves the stack running. Two `up` of one stack are one: the second attaches to the\n" +
			"first. After a crash of msctl, `up` takes over what still runs.",
		Example:           "  msctl up\n  msctl up gateway --watch\n  msctl up -d --timeout 2m && msctl ps\n  msctl up --runtime embedded --profile minimal",
		ValidArgsFunction: a.completeNames,
	}
	o := &upOptions{}
	f := cmd.Flags()
	f.BoolVarP(&o.detach, "detach", "d", false, "return when all is up, and leave it running")
	f.BoolVar(&o.wait, "wait", false, "like -d, and wait through crash loops until all is ready or --timeout")
	f.DurationVar(&o.timeout, "timeout", 0, "fail when it is not up after this `DURATION` (0: never)")
	f.StringVar(&o.profile, "profile", "", "only the services of this `PROFILE` and what they need")
	f.BoolVar(&o.noDeps, "no-deps", false, "only the named services, without what they need")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would be started, in order, and why")
	f.StringVar(&o.runtime, "runtime", "auto", "how backing servers run: "+strings.Join(runtimes, ", "))
	f.BoolVarP(&o.watch, "watch", "w", false, "rebuild and restart what is edited")
	f.BoolVar(&o.isolated, "isolated", false, "a second copy of the stack beside the first, on other ports")
	f.BoolVar(&o.ephemeral, "ephemeral", true, "everything ends with msctl, even if that is killed; off with -d unless said")
	f.BoolVar(&o.daemon, "daemon", false, "")
	f.BoolVar(&o.plain, "plain", false, "print lines at a terminal too, instead of the dashboard")
	f.BoolVar(&o.lifeline, "lifeline", false, "")
	f.MarkHidden("daemon")
	f.MarkHidden("lifeline")
	asJSON := cmd.Flags().Bool("json", false, "print events and the units' output, one JSON object per line, each with a \"type\": event or line")
	cmd.RegisterFlagCompletionFunc("runtime", cobra.FixedCompletions(runtimes, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("profile", a.completeProfile)
	cmd.RunE = func(cmd *cobra.Command, services []string) error {
		o.services, o.json = services, *asJSON
		o.detach = o.detach || o.wait
		if !cmd.Flags().Changed("ephemeral") {
			o.ephemeral = !o.detach
		}
		return a.up(cmd.Context(), o)
	}
	return cmd
}

// up checks what was asked and runs it in one of its four ways.
func (a *App) up(ctx context.Context, o *upOptions) error {
	if !slices.Contains(runtimes, o.runtime) {
		return usage(strings.Join(runtimes, ", "), "read --runtime: unknown runtime %q", o.runtime)
	}
	st, err := a.load("")
	if err != nil {
		return err
	}
	if err := checkUp(st, o); err != nil {
		return err
	}
	p, err := a.place()
	if err != nil {
		return err
	}
	if o.isolated && !o.daemon {
		if p, err = a.isolate(p); err != nil {
			return err
		}
	}
	o.isolated = o.isolated || p.instance != "" // a copy stays one
	a.tellUnembedded(st, o)
	if o.dryRun {
		return a.dryRun(ctx, p, st, o)
	}
	if err := p.prepare(); err != nil {
		return err
	}
	if o.detach && !o.daemon {
		return a.upDetached(ctx, p, o)
	}
	if a.onScreen(o) {
		return a.upScreen(ctx, p, o)
	}
	if o.daemon {
		keepPrivate()
	}
	l, err := takeLock(p.lock())
	if errors.Is(err, errLocked) && !o.daemon {
		return a.attach(ctx, p, o)
	}
	if err != nil {
		return a.hold(o, err)
	}
	defer l.release()
	return a.hold(o, a.supervise(ctx, p, st, l, o))
}

// checkUp refuses services and profiles that the stack does not have.
func checkUp(st *stack.Stack, o *upOptions) error {
	var known []string
	for _, s := range st.Services {
		known = append(known, s.Name)
	}
	for _, r := range st.Resources {
		known = append(known, r.Name)
	}
	if err := checkNames(o.services, known); err != nil {
		return err
	}
	if o.profile == "" {
		return nil
	}
	if len(o.services) > 0 {
		return usage("name services or a profile, not both", "read --profile: services are named too")
	}
	_, err := narrow(st, o.profile)
	return err
}

// tellUnembedded says which resources do not run embedded although --runtime asks for it.
func (a *App) tellUnembedded(st *stack.Stack, o *upOptions) {
	if o.runtime != string(resource.Embedded) || o.daemon {
		return
	}
	if o.profile != "" {
		if part, err := narrow(st, o.profile); err == nil {
			st = part
		}
	}
	needed := slices.Clone(o.services)
	for i := 0; i < len(needed); i++ {
		for _, e := range st.Edges {
			if e.From == needed[i] && !slices.Contains(needed, e.To) {
				needed = append(needed, e.To)
			}
		}
	}
	some := slices.DeleteFunc(slices.Clone(st.Resources), func(r *stack.Resource) bool {
		return len(needed) > 0 && !slices.Contains(needed, r.Name)
	})
	if text := resource.Unembedded(some); text != "" {
		fmt.Fprint(a.Err, cleanLines(text+"\n"))
	}
}

// isolate finds the first copy of the stack that does not run.
func (a *App) isolate(p place) (place, error) {
	if p.instance != "" {
		return p, nil
	}
	for n := 1; n < 100; n++ {
		p.instance = fmt.Sprintf("i%d", n)
		if err := p.prepare(); err != nil {
			return p, err
		}
		l, err := takeLock(p.lock())
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return p, err
		}
		l.release()
		a.instance = p.instance
		fmt.Fprintf(a.Err, "this copy is %s: %s ps\n", p.instance, a.called())
		return p, nil
	}
	return p, failed("`msctl down --instance i1` ends one", "find a free copy: 99 copies run")
}

// argv is the command line of the background half of `up -d`.
func (o *upOptions) argv(a *App, p place) []string {
	argv := []string{"up", "--daemon", "--detach", "--runtime", o.runtime,
		fmt.Sprintf("--ephemeral=%t", o.ephemeral), fmt.Sprintf("--watch=%t", o.watch),
		fmt.Sprintf("--no-deps=%t", o.noDeps), fmt.Sprintf("--isolated=%t", o.isolated), fmt.Sprintf("--lifeline=%t", o.lifeline)}
	for _, f := range a.files {
		argv = append(argv, "--file", f)
	}
	if p.instance != "" {
		argv = append(argv, "--instance", p.instance)
	}
	if o.profile != "" {
		argv = append(argv, "--profile", o.profile)
	}
	return append(append(argv, "--"), o.services...)
}
