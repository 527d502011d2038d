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
		s := a.screenOf(a.Out)
		for _, k := range kinds {
			if *asJSON {
				err = writeJSON(a.Out, "kind", k)
			} else {
				err = describeKind(s, k)
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

// Columns of the list of kinds: where what a kind does begins, and behind the names of parameters what these are.
const (
	kindColumn  = 19
	paramColumn = kindColumn + 14
)

// describeKind prints a kind and, below it, its parameters. Only the example is never broken: it is there to be copied.
func describeKind(s screen, k chaos.Kind) error {
	var b strings.Builder
	line := func(column int, name, colour, doc string) {
		folded := fold(doc, max(s.width, column+20), strings.Repeat(" ", column))
		b.WriteString(s.paint(colour, fmt.Sprintf("%-*s", column, name)) + folded[min(column, len(folded)):] + "\n")
	}
	indent := strings.Repeat(" ", kindColumn)
	line(kindColumn, k.Name, bold, k.Doc)
	for _, p := range k.Params {
		line(paramColumn, indent+p.Name, "", p.Describe())
	}
	if k.Example != "" {
		b.WriteString(indent + s.paint(dim, "msctl chaos add "+k.Example) + "\n")
	}
	_, err := fmt.Fprint(s, b.String())
	return err
}
