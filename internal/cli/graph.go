package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/stack"
)

func newGraph(a *App) *cobra.Command {
	formats := strings.Join(stack.GraphFormats, ", ")
	cmd := &cobra.Command{
		Use:     "graph",
		Short:   "Draw who calls and uses whom",
		Long:    "graph prints the services, resources and edges of stack.yaml. Nothing needs to run.",
		Example: "  msctl graph\n  msctl graph --format mermaid > docs/graph.mmd\n  msctl graph --format dot | dot -Tsvg > graph.svg",
		Args:    args(cobra.NoArgs),
	}
	format := cmd.Flags().String("format", stack.GraphFormats[0], "`FORMAT`: "+formats)
	asJSON := cmd.Flags().Bool("json", false, "the same as --format json")
	profile := cmd.Flags().String("profile", "", "only the services of this `PROFILE` and what they need")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(stack.GraphFormats, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("profile", a.completeProfile)
	cmd.RunE = func(*cobra.Command, []string) error {
		if *asJSON {
			*format = "json"
		}
		if !slices.Contains(stack.GraphFormats, *format) {
			return usage(formats, "read --format: unknown format %q", *format)
		}
		st, err := a.load(*profile)
		if err != nil {
			return err
		}
		text, err := st.Graph(*format)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.Out, strings.TrimRight(text, "\n"))
		return err
	}
	return cmd
}
