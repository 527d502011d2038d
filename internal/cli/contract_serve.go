package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts/broker"
)

// serveOptions is what `contract serve` was asked.
type serveOptions struct {
	port int
	dir  string
}

// tokenVariable holds the token that clients of `contract serve` must send; Pact's own clients read it too.
const tokenVariable = "PACT_BROKER_TOKEN"

func newContractServe(a *App) *cobra.Command {
	o := &serveOptions{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API of a Pact Broker",
		Long: "serve answers the requests that Pact's own tools send to a broker: publishing pacts, pacts to be verified\n" +
			"with selectors and pending, results, environments, deployments and releases, the matrix and can-i-deploy.\n" +
			"It keeps all in a folder and listens on loopback only. With " + tokenVariable + " set, it asks each request for\n" +
			"that token. It runs until Ctrl-C.",
		Example: "  msctl contract serve --port 9292\n  pact broker publish contracts/pacts --broker-base-url http://127.0.0.1:9292 --consumer-app-version 1 --branch main",
		Args:    args(cobra.NoArgs),
	}
	cmd.Flags().IntVar(&o.port, "port", 9292, "port to listen on (0: a free one)")
	cmd.Flags().StringVar(&o.dir, "dir", "", "keep everything in this `FOLDER` (default .msctl/broker beside stack.yaml)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.contractServe(cmd.Context(), o) }
	return cmd
}

func (a *App) contractServe(ctx context.Context, o *serveOptions) error {
	dir := a.absolute(o.dir)
	if o.dir == "" {
		p, err := a.place()
		if err != nil {
			return err
		}
		dir = filepath.Join(p.state(), "broker")
	}
	store, err := broker.OpenDisk(dir)
	if err != nil {
		return &codedError{err, exitInfrastructure, "--dir names another folder"}
	}
	defer store.Close()
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)))
	if err != nil {
		return &codedError{fmt.Errorf("serve contracts: %w", err), exitInfrastructure, "--port names another port, 0 a free one"}
	}
	api := &broker.Broker{Store: store, Token: a.Getenv(tokenVariable)}
	srv := api.Server()
	fmt.Fprintf(a.Err, "serving contracts on http://%s, kept in %s\n", ln.Addr(), dir)
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err = srv.Serve(ln)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err == http.ErrServerClosed {
		return nil
	}
	return &codedError{fmt.Errorf("serve contracts: %w", err), exitInfrastructure, ""}
}
