package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts/ledger"
)

func newContractRecord(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "record ENVIRONMENT SERVICE[@REF]…",
		Short: "Note which version of a service is in an environment",
		Long: "record writes the commit of a service into contracts/environments.yaml (HEAD, unless another one is named), and\n" +
			"copies the results that the environments rest on into contracts/results/, where those of none any more are\n" +
			"removed. Commit both: that is how others know what is where. Comments in the file stay.",
		Example: "  msctl contract record production orders@HEAD\n  msctl contract record staging users orders@v1.4.0\n  msctl contract record production legacy --remove",
		Args:    args(cobra.MinimumNArgs(2)),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(given) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeNames(cmd, given[1:], begun)
		},
	}
	remove := cmd.Flags().Bool("remove", false, "the services are not there any more")
	results := resultsFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		return a.contractRecord(cmd.Context(), words[0], words[1:], *remove, *results)
	}
	return cmd
}

func (a *App) contractRecord(ctx context.Context, environment string, words []string, remove bool, results string) error {
	if !ledger.ValidEnvironment(environment) {
		return usage("small letters, digits, - _ and .", "record: %q is no name of an environment", environment)
	}
	l, st, err := a.openLedger(ctx, results)
	if err != nil {
		return err
	}
	commits := map[string]string{}
	for _, word := range words {
		service, ref, err := serviceAt(word, st)
		if err != nil {
			return err
		}
		if ref == ledger.Worktree {
			return usage("commit it, and name the commit", "record %s: what is in no commit cannot be found again", word)
		}
		if commits[service] = ""; remove {
			continue
		}
		if commits[service], err = l.Commit(ctx, ref); err != nil {
			return ledgerTrouble(err)
		}
	}
	changed, err := ledger.WriteEnvironment(ctx, st.Dir, environment, commits)
	if err != nil {
		return &codedError{err, exitInfrastructure, ""}
	}
	return a.pin(ctx, l, st.Dir, changed)
}

// pin keeps in git the results that the environments rest on.
func (a *App) pin(ctx context.Context, l *ledger.Ledger, dir string, changed bool) error {
	all, err := ledger.Environments(dir)
	if err != nil {
		return &codedError{err, exitInfrastructure, ""}
	}
	n, err := l.Pin(ctx, all)
	if err != nil {
		return ledgerTrouble(err)
	}
	if changed {
		fmt.Fprintf(a.Out, "written  %s\n", ledger.EnvironmentsFile)
	}
	if n > 0 {
		fmt.Fprintf(a.Out, "written  %s (%s)\n", ledger.ResultsDir, count(n, "file"))
	}
	if !changed && n == 0 {
		fmt.Fprintln(a.Err, "that is recorded already")
	}
	return nil
}
