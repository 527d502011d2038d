package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newChaos(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Disturb the calls between services, and stop doing so",
		Long: "chaos puts faults on the edges of the running fleet. Open connections feel them at once, nobody is\n" +
			"restarted, and all are gone when the fleet goes down. `msctl edges` shows which act.",
		Example: "  msctl chaos add orders:payments latency=300ms jitter=50ms for=30s\n  msctl chaos list\n  msctl chaos clear",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newChaosAdd(a), newChaosList(a), newChaosClear(a))
	return cmd
}

// faultWords is what `chaos add` takes after the edge.
var faultWords = []string{"latency=", "jitter=", "refuse", "for="}

func newChaosAdd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add EDGE FAULT…",
		Short: "Put faults on an edge",
		Long: "add puts faults on an edge, in the place of those that it put there before. An EDGE is CALLER:CALLEE,\n" +
			"outside:CALLEE or :CALLEE for calls from outside, and with /PORT one port of several.\n\n" +
			"  latency=300ms   answers take so much longer\n" +
			"  jitter=50ms     give or take so much\n" +
			"  refuse          connections and requests are refused\n" +
			"  for=30s         all of it is lifted after so long (default: when you clear it)",
		Example:           "  msctl chaos add orders:payments latency=300ms for=1m\n  msctl chaos add gateway:users refuse\n  msctl chaos add outside:gateway latency=1s",
		Args:              args(cobra.MinimumNArgs(2)),
		ValidArgsFunction: a.completeFault,
	}
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		f, err := readFault(words)
		if err != nil {
			return err
		}
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			if err := knownEdge(ctx, c, f.Edge); err != nil {
				return err
			}
			if err := c.SetFault(ctx, f); err != nil {
				return err
			}
			until := "until `msctl chaos clear`"
			if f.For > 0 {
				until = "for " + f.For.String()
			}
			fmt.Fprintf(a.Err, "%s: %s, %s\n", state.EdgeTitle(f.Edge), f, until)
			return nil
		})
	}
	return cmd
}

// knownEdge refuses what is no edge of the running fleet, with the nearest one.
func knownEdge(ctx context.Context, c *control.Client, name string) error {
	edges, err := c.Edges(ctx)
	if err != nil {
		return err
	}
	var known []string
	for _, e := range edges {
		if known = append(known, state.EdgeTitle(e.Name())); strings.Contains(name, "/") {
			known = append(known, state.EdgeTitle(e.Name())+"/"+e.Listen)
		}
	}
	title := state.EdgeTitle(name)
	if slices.Contains(known, title) {
		return nil
	}
	hint := "`msctl edges` lists them"
	if near := nearest(title, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	return usage(hint, "unknown edge %q", title)
}

const faultExample = "latency=300ms, jitter=50ms, refuse or for=30s"

// readFault reads an edge and words such as latency=300ms.
func readFault(words []string) (state.Fault, error) {
	f := state.Fault{Edge: state.EdgeName(words[0])}
	if !strings.Contains(f.Edge, ":") {
		return f, usage("`msctl edges` lists them", "read %q: an edge is CALLER:CALLEE", f.Edge)
	}
	for _, w := range words[1:] {
		if err := f.Set(w); err != nil {
			key, _, _ := strings.Cut(w, "=")
			hint := "write " + key + "=300ms"
			if errors.Is(err, state.ErrUnknownFault) {
				if hint = faultExample; nearest(key, state.FaultWords()) != "" {
					hint = "did you mean " + nearest(key, state.FaultWords()) + "?"
				}
			}
			return f, usage(hint, "%w", err)
		}
	}
	if err := f.Check(); err != nil {
		return f, usage(faultExample, "put a fault on %s: %w", f.Edge, err)
	}
	return f, nil
}

func newChaosList(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Show the faults that act now",
		Long:    "list shows the faults that act on the edges of the running fleet, and when they are lifted.",
		Example: "  msctl chaos list\n  msctl chaos list --json",
		Args:    args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			faults, err := c.Faults(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				for _, f := range faults {
					if err := writeJSON(a.Out, "fault", f); err != nil {
						return err
					}
				}
				return nil
			}
			if len(faults) == 0 {
				fmt.Fprintln(a.Err, "no faults act")
				return nil
			}
			faultTable(a.screenOf(a.Out), faults, time.Now())
			return nil
		})
	}
	return cmd
}

func faultTable(s screen, faults []state.Fault, now time.Time) {
	rows := make([][]cell, len(faults))
	for i, f := range faults {
		left := "until it is cleared"
		if !f.Until.IsZero() {
			left = shortDuration(f.Until.Sub(now)) + " more"
		}
		rows[i] = []cell{{state.EdgeTitle(f.Edge), bold}, {f.String(), ""}, {left, ""}}
	}
	writeTable(s, "", []column{{title: "EDGE", least: 12}, {title: "FAULT", least: 12}, {title: "LEFT"}}, rows)
}

func newChaosClear(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "clear [EDGE…]",
		Short:             "Lift the faults of edges, or all",
		Long:              "clear lifts the faults that were put on an EDGE, or all where none is named. Open connections feel it at once.",
		Example:           "  msctl chaos clear\n  msctl chaos clear orders:payments",
		ValidArgsFunction: a.completeEdges,
	}
	cmd.RunE = func(cmd *cobra.Command, edges []string) error {
		if len(edges) == 0 {
			edges = []string{""}
		}
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			total := 0
			for _, e := range edges {
				n, err := c.ClearFaults(ctx, state.EdgeName(e))
				if err != nil {
					return err
				}
				total += n
			}
			fmt.Fprintf(a.Err, "%s lifted\n", count(total, "fault"))
			return nil
		})
	}
	return cmd
}

// count is a number with its noun: 1 fault, 2 faults.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// completeFault completes an edge, then the words for a fault.
func (a *App) completeFault(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(given) == 0 {
		return a.completeEdges(cmd, given, begun)
	}
	return faultWords, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
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
