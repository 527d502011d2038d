package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/chaos/toxiproxy"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newChaosServe(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve --toxiproxy",
		Short: "Let clients of Toxiproxy drive faults",
		Long: "serve --toxiproxy answers Toxiproxy's HTTP API (" + toxiproxy.Version + ") on loopback, so that its clients in any language work as\n" +
			"they are. The edges of the running fleet are proxies under their names, payments:bank and outside:gateway, and where\n" +
			"a caller has several ways to a callee with the port, orders:payments/grpc; GET /proxies lists them. Disabling one\n" +
			"refuses its calls, its listen and upstream cannot be changed. Clients make free proxies beside them, with any\n" +
			"listener on loopback and any upstream; those need no fleet.\n\n" +
			"Each toxic is a fault that `msctl chaos list` shows. All are lifted when the server ends, and 5 s after it is killed.\n" +
			"packet_loss is refused: a proxy carries streams, which lose nothing. Toxicity is drawn once for a connection.\n" +
			"It runs until Ctrl-C, and prints its address on standard output.\n\n" +
			"Exit codes: 2 the command line is wrong, 3 it cannot listen at the address, 130 ended by Ctrl-C.",
		Example: "  msctl chaos serve --toxiproxy\n  curl http://127.0.0.1:8474/proxies\n" +
			"  curl -d '{\"type\":\"latency\",\"attributes\":{\"latency\":300}}' http://127.0.0.1:8474/proxies/payments:bank/toxics",
		Args: args(cobra.NoArgs),
	}
	toxic := cmd.Flags().Bool("toxiproxy", false, "serve the API of Toxiproxy")
	listen := cmd.Flags().String("listen", "127.0.0.1:8474", "`ADDRESS` on loopback to listen at (port 0: a free one)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !*toxic {
			return usage("write `msctl chaos serve --toxiproxy`", "serve: say which API")
		}
		return a.chaosServe(cmd.Context(), *listen)
	}
	return cmd
}

func (a *App) chaosServe(ctx context.Context, listen string) error {
	if at, err := netip.ParseAddrPort(listen); err != nil || !at.Addr().IsLoopback() {
		return usage("an address such as 127.0.0.1:8474", "serve toxiproxy: %q is no address on loopback", listen)
	}
	s := &toxiproxy.Server{Compile: chaos.Compile, Lease: fmt.Sprintf("toxiproxy-%d", os.Getpid()), Stray: a.strayProxy}
	if p, err := a.place(); err == nil {
		s.Fleet = fleetAt{p}
	} else {
		fmt.Fprintf(a.Err, "%v: free proxies only\n", err)
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return &codedError{fmt.Errorf("serve toxiproxy: %w", err), exitInfrastructure, "--listen names another address"}
	}
	fmt.Fprintf(a.Err, "serving Toxiproxy's API until Ctrl-C\n")
	fmt.Fprintf(a.Out, "http://%s\n", ln.Addr())
	err = s.Run(ctx, ln)
	if cause := context.Cause(ctx); cause != nil && err == nil {
		return cause
	}
	return err
}

// strayProxy tells of a proxy that a client asked for and that is not there: Toxiproxy's answer does not say what is.
func (a *App) strayProxy(name string, near []string) {
	hint := ""
	if len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	fmt.Fprintf(a.Err, "find proxy %q: there is none of that name%s\n", name, clean(hint))
}

// fleetAt is the fleet of a place, whichever runs there when it is asked.
type fleetAt struct{ place }

func (f fleetAt) ask(ctx context.Context, do func(*control.Client) error) error {
	c, err := f.connect(ctx)
	if err == nil {
		defer c.Close()
		err = do(c)
	}
	if errors.Is(err, control.ErrNotRunning) {
		return fmt.Errorf("%w: %w", toxiproxy.ErrNoFleet, err)
	}
	return err
}

func (f fleetAt) Edges(ctx context.Context) (edges []state.Edge, err error) {
	err = f.ask(ctx, func(c *control.Client) error { edges, err = c.Edges(ctx); return err })
	return edges, err
}

func (f fleetAt) Faults(ctx context.Context) (faults []state.Fault, err error) {
	err = f.ask(ctx, func(c *control.Client) error { faults, err = c.Faults(ctx); return err })
	return faults, err
}

func (f fleetAt) AddFaults(ctx context.Context, list []state.Fault) (faults []state.Fault, err error) {
	err = f.ask(ctx, func(c *control.Client) error { faults, err = c.AddFaults(ctx, list); return err })
	return faults, err
}

func (f fleetAt) RemoveFaults(ctx context.Context, ids []string) (n int, err error) {
	err = f.ask(ctx, func(c *control.Client) error { n, err = c.RemoveFaults(ctx, ids); return err })
	return n, err
}

func (f fleetAt) KeepLease(ctx context.Context, name string) error {
	return f.ask(ctx, func(c *control.Client) error { return c.KeepLease(ctx, name) })
}
