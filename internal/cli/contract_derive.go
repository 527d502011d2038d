package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/traffic"
)

func newContractDerive(a *App) *cobra.Command {
	o := deriveOptions{}
	cmd := &cobra.Command{
		Use:   "derive EDGE",
		Short: "Write pending interactions from calls that were seen on an edge",
		Long: "derive looks at the calls that went over an edge and writes each kind that its pact does not know into\n" +
			"contracts/pacts as a pending interaction, which `contract verify` tries and which breaks nothing. It is a\n" +
			"beginning for a consumer without tests. The edge keeps method, path and status, of gRPC the method and\n" +
			"code, of messages the key; no bodies, headers or queries, so that none of their secrets can get into the\n" +
			"file, and so that bodies and states have to be added. Long ids and addresses in paths are made up. What a\n" +
			"test wrote is never changed, and `contract test` keeps what was derived until it is removed by hand.",
		Example: "  msctl contract derive orders:payments --dry-run\n  msctl contract derive orders:payments --since 5m\n  msctl contract derive orders:payments --for 30s",
		Args:    args(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return a.edgeNames(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.since, "since", time.Hour, "calls of the last `DURATION`")
	f.DurationVar(&o.length, "for", 0, "calls that come within this `DURATION` from now, instead")
	f.BoolVar(&o.dry, "dry-run", false, "print what would be written")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if o.since <= 0 || o.length < 0 {
			return usage("such as 5m", "read --since and --for: a duration must be positive")
		}
		return a.contractDerive(cmd.Context(), words[0], o)
	}
	return cmd
}

type deriveOptions struct {
	since, length time.Duration
	dry           bool
}

func (a *App) contractDerive(ctx context.Context, edge string, o deriveOptions) error {
	st, pacts, err := a.stackAndPacts([]string{edge})
	if err != nil {
		return err
	}
	since := time.Now().Add(-o.since)
	if o.length > 0 {
		since = time.Now()
		if err := a.mustRun(ctx); err != nil {
			return err
		}
		fmt.Fprintf(a.Err, "waiting %s for calls over %s\n", shortDuration(o.length), edge)
		select {
		case <-time.After(o.length):
		case <-ctx.Done(): // what came is derived
		}
		ctx = context.WithoutCancel(ctx)
	}
	var calls []traffic.Call
	err = a.tell(ctx, func(t teller) error {
		calls, err = newTrafficReader(t, st, pacts, since).read(ctx, time.Now())
		return err
	})
	if err != nil {
		return err
	}
	consumer, provider, _ := strings.Cut(edge, ":")
	derived, err := traffic.Derive(traffic.NewBook(pacts), consumer, provider, calls)
	if err != nil {
		fmt.Fprintf(a.Err, "left out: %s\n", a.veil().Text(err.Error()))
	}
	return a.keepDerived(filepath.Join(st.Dir, contracts.Dir), pacts, derived, o)
}

// keepDerived puts interactions to those that the file of their edge has.
func (a *App) keepDerived(dir string, pacts []contracts.Pact, derived contracts.Pact, o deriveOptions) error {
	if len(derived.Interactions) == 0 {
		fmt.Fprintf(a.Err, "nothing to add: every call that was seen over %s is in its pact, or none was seen\n", derived.Edge())
		return nil
	}
	file := filepath.Join(dir, derived.FileName())
	whole := contracts.Pact{Consumer: derived.Consumer, Provider: derived.Provider}
	for _, p := range pacts {
		if p.Edge() == derived.Edge() {
			whole, file = p, p.File
		}
	}
	whole, _ = contracts.Merge(whole, derived) // where both have one of that name, the file's stays
	for _, i := range derived.Interactions {
		fmt.Fprintf(a.Err, "+ %s %s\n", i.Kind, a.veil().Text(i.Title()))
	}
	if o.dry {
		_, err := a.Out.Write(derived.Canonical())
		return err
	}
	if err := contracts.Replace(file, whole.Canonical(), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	fmt.Fprintf(a.Err, "%s written to %s, all pending: add bodies and states\n", count(len(derived.Interactions), "interaction"), file)
	return nil
}
