package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/telemetry"
)

func newMap(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Show who called whom, how often and how fast",
		Long: "map lists every edge between services, databases and brokers with what went over it: calls, rate,\n" +
			"errors and how long they took. It also shows what stack.yaml says and nobody did, and what was done\n" +
			"and stack.yaml does not say. `msctl graph` draws what is declared.",
		Example: "  msctl map\n  msctl map --since 5m\n  msctl map --json | jq -r 'select(.errors>0) | \"\\(.from):\\(.to)\"'",
		Args:    args(cobra.NoArgs),
	}
	since := cmd.Flags().String("since", "15m", "of the last `DURATION`, or since this time")
	until := cmd.Flags().String("until", "", "before this time, or that `DURATION` ago")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		from, err := momentFlag("--since", *since, time.Now())
		if err != nil {
			return err
		}
		to, err := momentFlag("--until", *until, time.Now())
		if err != nil {
			return err
		}
		return a.tell(cmd.Context(), func(t teller) error {
			m, err := t.Map(cmd.Context(), from, to)
			if err != nil {
				return err
			}
			if *asJSON {
				return a.jsonLines("edge", len(m.Edges), func(i int) any { return m.Edges[i] })
			}
			mapTable(a.shown(), m)
			if slices.ContainsFunc(m.Edges, func(e telemetry.MapEdge) bool { return e.Direct != "" }) {
				s := a.screenOf(a.Err)
				fmt.Fprintln(s, fold("direct: nothing of msctl stands between; such calls are seen where the caller tells of them, over OpenTelemetry", s.width, ""))
			}
			return nil
		})
	}
	return cmd
}

func mapTable(s screen, m telemetry.Map) {
	cols := []column{
		{title: "FROM", least: 12}, {title: "TO", least: 12}, {title: "BY", spare: 3}, {title: "CALLS", right: true}, {title: "RATE", right: true, spare: 2},
		{title: "ERRORS", right: true}, {title: "P50", right: true, spare: 4}, {title: "P95", right: true}, {title: "NOTE", least: 18, spare: 1},
	}
	rows := make([][]cell, len(m.Edges))
	for i, e := range m.Edges {
		from := cell{clean(e.From), ""}
		if e.From == "" {
			from = cell{"(outside)", dim}
		}
		rows[i] = []cell{
			from, {clean(e.To), ""}, {clean(e.Protocol), dim}, {calls(e.Count), ""}, {rate(e.Rate), ""}, failures(e.RED), {figure(e.P50, e.Count), ""},
			{figure(e.P95, e.Count), ""}, note(e, s.width < roomy),
		}
	}
	writeTable(s, "", cols, rows)
}

// roomy is how wide a screen is on which notes are whole sentences.
const roomy = 110

// note says what is special about an edge. What is not said where it is to be brief stands below the map.
func note(e telemetry.MapEdge, brief bool) cell {
	switch {
	case len(e.Faults) > 0:
		return cell{"fault: " + strings.Join(e.Faults, ", "), yellow}
	case !e.Declared:
		return cell{"not in stack.yaml", yellow}
	case e.Direct != "" && brief && e.Seen:
		return cell{"direct", dim}
	case e.Direct != "" && brief:
		return cell{"direct, not seen", dim}
	case e.Direct != "" && e.Seen:
		return cell{"direct: " + clean(e.Direct) + "; told by " + clean(e.From), dim}
	case e.Direct != "":
		return cell{"direct: " + clean(e.Direct) + "; " + clean(e.From) + " tells none", dim}
	case !e.Seen:
		return cell{"not seen", dim}
	}
	return cell{}
}

func calls(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func rate(perSecond float64) string {
	switch {
	case perSecond <= 0:
		return ""
	case perSecond < 1:
		return fmt.Sprintf("%.1f/min", perSecond*60)
	}
	return fmt.Sprintf("%.1f/s", perSecond)
}

func figure(d time.Duration, n int64) string {
	if n == 0 {
		return ""
	}
	return telemetry.Took(d)
}

func failures(r telemetry.RED) cell {
	if r.Errors == 0 {
		return cell{}
	}
	return cell{fmt.Sprintf("%d (%.0f%%)", r.Errors, 100*float64(r.Errors)/float64(max(r.Count, 1))), red}
}
