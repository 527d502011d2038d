package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

// maxReplicas bounds a slip of the finger.
const maxReplicas = 100

func newScale(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scale SERVICE=N…",
		Short: "Run N replicas of a service",
		Long: "scale starts or stops replicas until N of the service run. Callers keep one address and are spread over them.\n" +
			"The replica that runs goes on: it keeps the service's own address, which leads from outside to it alone\n" +
			"until `msctl restart`, a stop and a start, or an edit runs it anew; then msctl stands there, in front of all.\n" +
			"After a crash it comes back where it was. It is restarted at once where that address is how replicas are\n" +
			"reached: nobody in the stack calls the service, or somebody goes past the edges (`mesh: off`). A service that\n" +
			"says `listen: {http: \"8080:auto\"}` has msctl there from the start, and no scaling restarts what runs.",
		Example:           "  msctl scale email=3\n  msctl scale email=1 users=2",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeScale,
	}
	timeout := cmd.Flags().Duration("timeout", 0, "give up after this `DURATION` (0: never)")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		wanted, err := readScales(words)
		if err != nil {
			return err
		}
		var names []string
		for _, w := range wanted {
			names = append(names, w.service)
		}
		return a.withUnits(cmd.Context(), names, func(ctx context.Context, c *control.Client, snap state.Snapshot) error {
			for _, w := range wanted {
				if err := scalable(snap, w.service); err != nil {
					return err
				}
				err := a.during(ctx, c, waitFor{doing: "scaling " + w.service, timeout: *timeout, after: snap.Seq, of: []string{w.service}, notices: []string{w.service}}, func(ctx context.Context) error {
					return c.Scale(ctx, w.service, w.n)
				})
				if err != nil {
					return err
				}
				fmt.Fprintf(a.Err, "%s has %s\n", w.service, replicas(w.n))
			}
			return nil
		})
	}
	return cmd
}

// scalable refuses what has no replicas.
func scalable(snap state.Snapshot, name string) error {
	if u, ok := backing(snap, name); ok {
		return usage("", "scale %s: %s is a %s: only services have replicas", name, name, u.Sort)
	}
	for _, u := range pick(snap.Units, []string{name}) {
		if u.Sort == state.Job {
			return usage("", "scale %s: %s is a job: it runs once", name, name)
		}
	}
	return nil
}

func replicas(n int) string {
	if n == 1 {
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}

type scaleTo struct {
	service string
	n       int
}

func readScales(words []string) ([]scaleTo, error) {
	var out []scaleTo
	for _, w := range words {
		service, count, ok := strings.Cut(w, "=")
		n, err := strconv.Atoi(count)
		if !ok || service == "" || err != nil || n < 1 || n > maxReplicas {
			return nil, usage("write SERVICE=N, for example users=3; `msctl stop` stops a service",
				"read %q: not a service and a number from 1 to %d", w, maxReplicas)
		}
		out = append(out, scaleTo{service, n})
	}
	return out, nil
}
