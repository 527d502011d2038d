package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/chaos"
)

func newChaosKinds(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kinds [KIND…]",
		Short: "List the kinds of faults with their parameters",
		Long: "kinds lists what can be done to a fleet: each kind of fault, what it acts on, and its parameters, the main one first.\n\n" +
			"Exit codes: 0 done, 2 there is no such kind.",
		Example: "  msctl chaos kinds\n  msctl chaos kinds latency bandwidth\n" +
			"  msctl chaos kinds --json",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return chaos.Names(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, names []string) error {
		kinds, err := kindsNamed(names)
		if err != nil {
			return err
		}
		for _, k := range kinds {
			if *asJSON {
				err = writeJSON(a.Out, "kind", k)
			} else {
				err = a.describeKind(k)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func kindsNamed(names []string) ([]chaos.Kind, error) {
	if len(names) == 0 {
		return chaos.Kinds, nil
	}
	var out []chaos.Kind
	for _, name := range names {
		k := chaos.Find(name)
		if k == nil {
			hint := "`msctl chaos kinds` lists them"
			if near := nearest(name, chaos.Names()); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, usage(hint, "unknown kind of fault %q", name)
		}
		out = append(out, *k)
	}
	return out, nil
}

// describeKind prints a kind and, below it, its parameters.
func (a *App) describeKind(k chaos.Kind) error {
	s := a.screenOf(a.Out)
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", s.paint(bold, fmt.Sprintf("%-12s", k.Name)), k.Doc)
	for _, p := range k.Params {
		fmt.Fprintf(&b, "              %-14s %s\n", p.Name, p.Describe())
	}
	if k.Example != "" {
		fmt.Fprintf(&b, "              %s\n", s.paint(dim, "msctl chaos add "+k.Example))
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}
