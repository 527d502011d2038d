package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/scaffold/route"
)

// routeOptions are the flags that say more of a route.
type routeOptions struct {
	gateway string
	open    bool
	timeout time.Duration
}

func newAddRoute(a *App) *cobra.Command {
	o := &routeOptions{}
	cmd := &cobra.Command{
		Use:   "route /PREFIX[=/PATH] SERVICE",
		Short: "Lead requests through the gateway to a service",
		Long: "route adds a line to " + route.File + " of the gateway, and the edge from the gateway to the service to\n" +
			"stack.yaml. The service is asked for what is behind the prefix, below /PATH if that is said. A gateway is a\n" +
			"service with such a file, as the template go-gateway makes it; one that runs takes the route at once.\n" +
			"Exit code 1 if the route is there already or there is no gateway, 2 if it cannot be read.",
		Example: "  msctl add route /v1/billing billing\n  msctl add route /v1/items=/items catalog --open\n" +
			"  msctl add route /v1/reports reports --timeout 10s --gateway gateway --dry-run",
		Args: args(cobra.ExactArgs(2)),
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(given) != 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.completeOne(cmd, nil, begun)
	}
	f := cmd.Flags()
	f.StringVar(&o.gateway, "gateway", "", "`SERVICE` that is the gateway, where there are several")
	f.BoolVar(&o.open, "open", false, "ask for no token")
	f.DurationVar(&o.timeout, "timeout", 0, "how long an answer may take (default: what the gateway takes)")
	r := a.revisingFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		to, err := o.read(words[0])
		if err != nil {
			return err
		}
		to.Service = words[1]
		return r.addRoute(cmd.Context(), o.gateway, to)
	}
	return cmd
}

// read makes a route of a word and the flags.
func (o routeOptions) read(word string) (route.Route, error) {
	r, err := readRoute(word)
	if err != nil {
		return r, err
	}
	if r.Timeout = o.timeout; o.open {
		r.Auth = route.Open()
	}
	if err := r.Check(); err != nil {
		return r, usage("", "read route: %w", err)
	}
	return r, nil
}

func (r revising) addRoute(ctx context.Context, name string, to route.Route) error {
	st, err := r.app.load("")
	if err != nil {
		return err
	}
	if err := checkNames([]string{to.Service}, namesOf(st.Services)); err != nil {
		return err
	}
	g, err := theGateway(st, name)
	if err != nil {
		return err
	}
	if g.service == to.Service {
		return usage("", "add route %s: %s is the gateway itself", to.Prefix, g.service)
	}
	if err := httpPort(st.Service(to.Service)); err != nil {
		return err
	}
	table, err := g.add(to)
	if err != nil {
		return err
	}
	r.beside = []stack.FileChange{table}
	told := func(*stack.Revision) string {
		return fmt.Sprintf("%s now leads %s to %s, see %s", g.service, to.Prefix, to.Service, clean(g.shown))
	}
	return r.apply(ctx, jsonRevision{Action: "add route", Name: to.Prefix}, []string{g.service}, told,
		func(old *stack.Stack, ds []*stack.Document) error {
			for _, c := range old.Service(g.service).Calls {
				if c.To == to.Service {
					return nil // it may be called already
				}
			}
			return editing(ds, g.service, "calls").AddOptionalCall(g.service, to.Service, "")
		})
}
