package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/telemetry"
)

func newWhy(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "why [TRACE]",
		Short: "Name what makes requests fail or slow",
		Long: "why looks at the failed and slow requests of the last minutes, or at one, and names the edge or service\n" +
			"that most likely causes it, with the evidence: where the error was first seen, whose time on the\n" +
			"critical path grew against what was usual in the hour before, and the faults and restarts of that moment.",
		Example: "  msctl why\n  msctl why --since 30m\n  msctl why 4bf92f35\n  msctl why --json | jq -r .subject",
		Args:    args(cobra.MaximumNArgs(1)),
	}
	since := cmd.Flags().String("since", "5m", "requests of the last `DURATION`, or since this time")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		from, err := momentFlag("--since", *since, time.Now())
		if err != nil {
			return err
		}
		trace := ""
		if len(words) > 0 {
			trace = words[0]
			if err := checkTraceID(trace); err != nil {
				return err
			}
		}
		return a.tell(cmd.Context(), func(t teller) error {
			r, err := t.Why(cmd.Context(), trace, from)
			if err != nil {
				return err
			}
			if *asJSON {
				return a.jsonLines("cause", len(r.Causes), func(i int) any { return r.Causes[i] })
			}
			drawReason(a.shown(), r)
			return nil
		})
	}
	return cmd
}

func drawReason(s screen, r telemetry.Reason) {
	width := min(s.width, 100)
	what := fmt.Sprintf("%s since %s: %d failed, %d slow", count(r.Total, "request"), clockText(r.Since), r.Failed, r.Slow)
	if r.Trace != (telemetry.TraceID{}) {
		what = "trace " + r.Trace.String() + " of " + clockText(r.Since)
	}
	fmt.Fprintln(s, fold(what, width, ""))
	if len(r.Causes) == 0 {
		fmt.Fprintln(s, "nobody is to blame: nothing failed, and nothing took longer than usual")
	}
	for i, c := range r.Causes {
		if i == 5 {
			fmt.Fprintf(s, "\n%d less likely ones: --json\n", len(r.Causes)-i)
			break
		}
		fmt.Fprintf(s, "\n%s\n", s.paint(bold, fmt.Sprintf("%d. %s", i+1, clean(c.Subject))))
		fmt.Fprintln(s, fold(clean(c.Text), width, "   "))
		for _, e := range c.Evidence {
			fmt.Fprintln(s, fold("- "+clean(e), width, "   "))
		}
		if len(c.Traces) > 0 {
			fmt.Fprintln(s, s.paint(dim, "   msctl trace "+shortIDs(c.Traces[:1])))
		}
	}
}
