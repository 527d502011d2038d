package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/telemetry"
)

func newAdvise(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "advise",
		Short: "Say what is wrong with the traffic between services",
		Long: "advise looks at the requests of the last minutes for what costs later: the same call again and again\n" +
			"(N+1), chatty edges, retries on retries, long chains of services that wait for each other, calls in a\n" +
			"circle, calls without a timeout, services that lose the trace, databases with two owners, and calls\n" +
			"that stack.yaml does not know. Each comes with traces that show it.",
		Example: "  msctl advise\n  msctl advise --since 1h\n  msctl advise --json | jq -r '.kind + \" \" + .subject'",
		Args:    args(cobra.NoArgs),
	}
	since := cmd.Flags().String("since", "15m", "of the last `DURATION`, or since this time")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		from, err := momentFlag("--since", *since, time.Now())
		if err != nil {
			return err
		}
		return a.tell(cmd.Context(), func(t teller) error {
			found, err := t.Advise(cmd.Context(), from)
			if err != nil {
				return err
			}
			if *asJSON {
				return a.jsonLines("finding", len(found), func(i int) any { return found[i] })
			}
			if len(found) == 0 {
				fmt.Fprintf(a.screenOf(a.Err), "nothing to say about the traffic since %s\n", clockText(from))
				return nil
			}
			drawFindings(a.shown(), found)
			return nil
		})
	}
	return cmd
}

func drawFindings(s screen, found []telemetry.Finding) {
	width := min(s.width, 100)
	for i, f := range found {
		if i > 0 {
			fmt.Fprintln(s)
		}
		fmt.Fprintf(s, "%s  %s\n", s.paint(yellow, f.Kind), s.paint(bold, clean(f.Subject)))
		fmt.Fprintln(s, fold(clean(f.Text), width, "  "))
		if f.Hint != "" {
			fmt.Fprintln(s, s.paint(dim, fold(clean(f.Hint), width, "  ")))
		}
		if len(f.Traces) > 0 {
			fmt.Fprintln(s, s.paint(dim, fold("seen in "+traceCount(f.Count)+": "+shortIDs(f.Traces), s.width, "  ")))
		}
	}
}

func traceCount(n int) string {
	if n == 1 {
		return "1 trace"
	}
	return fmt.Sprintf("%d traces", n)
}

// shortIDs are as many digits as `msctl trace` needs.
func shortIDs(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id[:min(len(id), 16)]
	}
	return strings.Join(out, " ")
}
