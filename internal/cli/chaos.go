package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/state"
)

func newChaos(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Disturb the fleet, and find out what it survives",
		Long: "chaos puts faults on the edges of the running fleet, and on what runs in it. Open connections feel them\n" +
			"at once, nobody is restarted unless asked for, each fault ends by itself, and all are gone when the fleet\n" +
			"goes down. `msctl chaos list` shows which act.",
		Example: "  msctl chaos add orders:payments latency=300ms,jitter=50ms for=30s\n  msctl chaos list\n  msctl chaos clear",
	}
	cmd.AddCommand(
		newChaosAdd(a),
		newChaosList(a),
		newChaosRemove(a),
		newChaosClear(a),
		newChaosHeal(a),
		newChaosKinds(a),
		newChaosServe(a),
		newChaosRun(a),
		newChaosExplore(a),
		newChaosScore(a),
	)
	return cmd
}

// chaosCodes are the exit codes of the commands of chaos that have no verdict to tell.
const chaosCodes = "\n\nExit codes: 0 done, 1 it failed, 2 the command line is wrong or names what is not in the fleet,\n3 there is no stack.yaml, 4 no fleet runs."

// faultMistake gives an error of package chaos its hint and the code of the command line.
func faultMistake(err error) error {
	if e := new(chaos.Error); errors.As(err, &e) {
		return usage(e.Hint, "%w", err)
	}
	return err
}

// count is a number with its noun: 1 fault, 2 faults.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// completeFault completes a target, then the words for a fault.
func (a *App) completeFault(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(given) == 0 {
		return a.completeEdges(cmd, given, begun)
	}
	return chaos.Complete(given[1:], begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeEdges completes the edges of stack.yaml.
func (a *App) completeEdges(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	st, err := a.load("")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, e := range st.Edges {
		out = append(out, e.String())
	}
	for _, s := range st.Services {
		if slices.ContainsFunc(s.Listen, s.Ingress) {
			out = append(out, state.EdgeTitle(":"+s.Name))
		}
	}
	out = slices.DeleteFunc(out, func(name string) bool { return !strings.HasPrefix(name, begun) })
	return out, cobra.ShellCompDirectiveNoFileComp
}
