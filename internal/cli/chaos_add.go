package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newChaosAdd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add TARGET KIND[=VALUE][,PARAMETER=VALUE…]… [OPTION=VALUE…]",
		Short: "Put faults on an edge, or on something that runs",
		Long: "add puts faults on a TARGET, all of them or none. An edge is CALLER:CALLEE, outside:CALLEE for calls from\n" +
			"outside, and with /PORT one port of several. orders+users:payments is two edges, *:payments every one to payments.\n" +
			"A partition cuts both ways between two sides, or one side from everybody: orders+users:payments, or just orders.\n" +
			"Kinds that act on what runs take a service, which is all its replicas, one replica, orders-2, or a resource, which\n" +
			"is its server.\n\n" +
			"`msctl chaos kinds` lists the kinds with their parameters. The first one may follow the kind: latency=300ms.\n\n" +
			"Options, for all kinds of the line:\n" + optionsHelp() +
			"\nEvery fault ends: after its for=, else after " + shortDuration(state.FaultTime) + ", with its lease, and with the fleet." + chaosCodes,
		Example: "  msctl chaos add orders:payments latency=300ms,jitter=50ms for=1m\n" +
			"  msctl chaos add gateway:users refuse toxicity=0.5 seed=7\n" +
			"  msctl chaos add outside:gateway latency=1s name=slow\n" +
			"  msctl chaos add orders:payments+users partition\n" +
			"  msctl chaos add orders-2 pause for=10s",
		Args:              args(cobra.MinimumNArgs(2)),
		ValidArgsFunction: a.completeFault,
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		faults, err := chaos.Parse(words)
		if err != nil {
			return faultMistake(err)
		}
		if err := single(faults); err != nil {
			return err
		}
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			faults, err := c.AddFaults(ctx, faults)
			if errors.Is(err, state.ErrUnknownTarget) {
				return strangeTarget(ctx, c, words[0], err)
			}
			if err != nil {
				return err
			}
			for _, f := range faults {
				if f.Was != nil {
					fmt.Fprintf(a.Err, "%s is replaced: %s: %s\n", f.ID, state.EdgeTitle(f.Was.Target), chaos.Title(*f.Was))
				}
				fmt.Fprintf(a.Err, "%s: %s: %s, %s%s\n", f.ID, state.EdgeTitle(f.Target), chaos.Title(f), ending(f), also(f))
				if *asJSON {
					if err := writeJSON(a.Out, "fault", f); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return cmd
}

// single refuses several names for kinds that act on what runs.
func single(faults []state.Fault) error {
	for _, f := range faults {
		if !f.OnEdge() && strings.ContainsAny(f.Target, "+*") {
			return usage("put it on each by itself: `msctl ps` lists what runs",
				"put %s on %s: it acts on what runs, and takes one service, replica or resource", f.Kind, f.Target)
		}
	}
	return nil
}

// optionsHelp lists the options of a line of faults.
func optionsHelp() string {
	var b strings.Builder
	for _, o := range chaos.Options {
		fmt.Fprintf(&b, "  %-10s %s\n", o.Name+"=", o.Doc)
	}
	return b.String()
}

// ending says when a fault is lifted.
func ending(f state.Fault) string {
	text := "for " + shortDuration(f.For)
	switch {
	case f.For == 0 && f.Lease == "":
		return "done"
	case f.Lease != "" && f.For > 0:
		text += " and while the lease " + f.Lease + " is kept"
	case f.Lease != "":
		text = "while the lease " + f.Lease + " is kept"
	}
	if f.Toxicity > 0 && f.Toxicity < 1 {
		text += fmt.Sprintf(", seed %d", f.Seed)
	}
	return text
}

// also says who else feels it.
func also(f state.Fault) string {
	if len(f.Also) == 0 {
		return ""
	}
	names := f.Also[0]
	if last := len(f.Also) - 1; last > 0 {
		names = strings.Join(f.Also[:last], ", ") + " and " + f.Also[last]
	}
	return "; " + names + " on the same server too"
}

// strangeTarget is the error about a target that no fault can be put on: with the nearest one where there is none of
// that name, instead of the list of all that there are.
func strangeTarget(ctx context.Context, c *control.Client, target string, err error) error {
	if said := new(control.Refusal); errors.As(err, &said) && said.Hint != "" {
		return usage(said.Hint, "%w", err)
	}
	if !strings.Contains(target, ":") {
		return strangeUnit(ctx, c, target, err)
	}
	edges, lost := c.Edges(ctx)
	if lost != nil {
		return err
	}
	var known []string
	found := strings.ContainsAny(target, "+*")
	for _, e := range edges {
		name := state.EdgeTitle(e.Name())
		found = found || target == name || target == name+"/"+e.Listen || state.EdgeName(target) == e.Name()
		if known = append(known, name); strings.Contains(target, "/") {
			known = append(known, name+"/"+e.Listen)
		}
	}
	if found {
		return usage("`msctl edges` lists them", "%w", err)
	}
	return usage(meant(target, known, "`msctl edges` lists them"), "find edge %q: this fleet has none of that name", target)
}

// strangeUnit is strangeTarget for what is no edge.
func strangeUnit(ctx context.Context, c *control.Client, target string, err error) error {
	snap, lost := c.Snapshot(ctx)
	if lost != nil {
		return err
	}
	known := unitNames(snap)
	if slices.Contains(known, target) || strings.Contains(target, "+") {
		return usage("`msctl ps` lists what runs", "%w", err)
	}
	return usage(meant(target, known, "`msctl ps` lists what runs"), "find %q: nothing in this fleet has that name", target)
}

// meant is a hint at the nearest name, or else where all are listed.
func meant(name string, known []string, list string) string {
	if near := nearest(name, known); near != "" && near != name {
		return "did you mean " + near + "?"
	}
	return list
}
