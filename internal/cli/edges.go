package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

func newEdges(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "edges [NAME…]",
		Short: "Show the calls between services, live",
		Long: "edges lists every caller and callee: the rate of calls, the share that fails and how long they take, over\n" +
			"the last ten seconds, and what faults act on them. A NAME is a service, a resource or an edge\n" +
			"(orders:payments). What a caller reaches without msctl between is listed with the reason.",
		Example:           "  msctl edges\n  msctl edges --watch\n  msctl edges gateway orders:payments\n  msctl edges --json | jq 'select(.errors>0)'",
		ValidArgsFunction: a.completeNames,
	}
	asJSON := jsonFlag(cmd)
	watch := cmd.Flags().Bool("watch", false, "show them again every second, until Ctrl-C")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			if !*watch {
				return a.printEdges(ctx, c, names, *asJSON, "")
			}
			return a.watchEdges(ctx, c, names, *asJSON)
		})
	}
	return cmd
}

// watchEdges prints them until ctx ends: over each other on a terminal, one after another elsewhere.
func (a *App) watchEdges(ctx context.Context, c *control.Client, names []string, asJSON bool) error {
	above := ""
	if a.screenOf(a.Out).terminal && !asJSON {
		above = "\x1b[H\x1b[2J"
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := a.printEdges(ctx, c, names, asJSON, above); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *App) printEdges(ctx context.Context, c *control.Client, names []string, asJSON bool, above string) error {
	edges, err := c.Edges(ctx)
	if err != nil {
		return err
	}
	if edges, err = pickEdges(edges, names); err != nil {
		return err
	}
	if asJSON {
		for _, e := range edges {
			if err := writeJSON(a.Out, "edge", e); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprint(a.Out, above)
	edgeTable(a.screenOf(a.Out), edges)
	return nil
}

// pickEdges returns the edges that are named, or at one end of which is a name. No names is all.
func pickEdges(edges []state.Edge, titles []string) ([]state.Edge, error) {
	var known, names []string
	for _, e := range edges {
		known = append(known, state.EdgeTitle(e.Name()), e.To, e.From)
	}
	for _, t := range titles {
		names = append(names, state.EdgeTitle(t))
	}
	if err := checkNames(names, slices.DeleteFunc(known, func(n string) bool { return n == "" })); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return edges, nil
	}
	return slices.DeleteFunc(edges, func(e state.Edge) bool {
		return !slices.Contains(names, state.EdgeTitle(e.Name())) && !slices.Contains(names, e.From) && !slices.Contains(names, e.To)
	}), nil
}

// edgeTable prints edges. On a narrow screen columns that tell nothing go first, then those that tell least;
// the name of an edge stays whole, as it is what other commands take.
func edgeTable(s screen, edges []state.Edge) {
	cols := []column{
		{title: "EDGE"}, {title: "PROTOCOL"}, {title: "RATE", right: true}, {title: "FAILED", right: true}, {title: "P50", right: true, spare: 1},
		{title: "P95", right: true}, {title: "P99", right: true, spare: 4}, {title: "NOW", right: true, spare: 2},
		{title: "TOTAL", right: true, spare: 3}, {title: "SENT", right: true, spare: 5}, {title: "GOT", right: true, spare: 6},
		{title: "NOTE", least: 10},
	}
	rows := make([][]cell, len(edges))
	for i, e := range edges {
		rows[i] = edgeRow(e)
	}
	cols, rows = spareEmpty(s.width, cols, rows)
	writeTable(s, "", cols, rows)
}

func edgeRow(e state.Edge) []cell {
	name := cell{state.EdgeTitle(e.Name()), bold}
	protocol := e.Protocol
	if e.Listen != "" && e.Listen != e.Protocol {
		protocol += " " + e.Listen
	}
	if !e.Mesh {
		return []cell{name, {protocol, ""}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {"direct: " + e.Direct, dim}}
	}
	failed := cell{}
	if e.Failed > 0 && e.Rate > 0 {
		failed = cell{fmt.Sprintf("%.1f%%", 100*e.Failed/e.Rate), red}
	}
	return []cell{
		name, {protocol, ""}, {rate(e.Rate), ""}, failed, {tookAny(e.P50), ""}, {tookAny(e.P95), ""}, {tookAny(e.P99), ""},
		{number(int(e.InFlight)), ""}, {number(int(e.Requests)), ""}, {amount(e.Sent), ""}, {amount(e.Received), ""}, edgeNote(e),
	}
}

// edgeNote says what is unusual about an edge: the faults on it, and replicas that are left out.
func edgeNote(e state.Edge) cell {
	notes := slices.Clone(e.Faults)
	for _, t := range e.Targets {
		if t.Ejected {
			notes = append(notes, t.Unit+" left out")
		}
	}
	return cell{strings.Join(notes, ", "), yellow}
}

// tookAny is a duration, or nothing for none.
func tookAny(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return telemetry.Took(d)
}

// amount is a number of bytes for people: 812B, 4.5K, 12M.
func amount(n int64) string {
	if n <= 0 {
		return ""
	}
	value, units := float64(n), "BKMGT"
	i := 0
	for ; value >= 1000 && i < len(units)-1; i++ {
		value /= 1024
	}
	if i == 0 || value >= 10 {
		return fmt.Sprintf("%.0f%c", value, units[i])
	}
	return fmt.Sprintf("%.1f%c", value, units[i])
}
