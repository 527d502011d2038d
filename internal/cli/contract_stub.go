package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/schema"
	"msctl.dev/msctl/contracts/stub"
	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/stack"
)

// stubOptions is what `contract stub` was asked.
type stubOptions struct {
	port, grpcPort int
	json           *bool
}

func newContractStub(a *App) *cobra.Command {
	o := &stubOptions{}
	cmd := &cobra.Command{
		Use:   "stub SERVICE|EDGE…",
		Short: "Serve a provider from its pacts",
		Long: "stub answers in a service's place with the examples of its pacts, over HTTP and, where a .proto file below\n" +
			"the stack's folder describes the calls, over gRPC: a consumer can be developed without the provider.\n" +
			"An EDGE such as orders:payments answers from the pact of that consumer alone. Of interactions that fit a\n" +
			"request equally the header Pact-State names one by its state. It runs until Ctrl-C.",
		Example:           "  msctl contract stub users --port 8081\n  curl -H 'Pact-State: nobody is there' http://127.0.0.1:8081/users/ana",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().IntVar(&o.port, "port", 0, "port of HTTP, of the first service (0: a free one)")
	cmd.Flags().IntVar(&o.grpcPort, "grpc-port", 0, "port of gRPC, of the first service (0: a free one)")
	o.json = jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error { return a.contractStub(cmd.Context(), o, words) }
	return cmd
}

// contractStub opens the listeners of every word and serves them until ctx ends.
func (a *App) contractStub(ctx context.Context, o *stubOptions, words []string) error {
	st, err := a.load("")
	if err != nil {
		return err
	}
	pacts, err := contracts.Load(filepath.Join(st.Dir, contracts.Dir))
	if err != nil {
		return &codedError{err, exitInfrastructure, ""}
	}
	t := &stubTeller{app: a, json: *o.json}
	g, ctx := errgroup.WithContext(ctx)
	for n, word := range words {
		s, err := a.stubOf(st, pacts, word)
		if err != nil {
			return err
		}
		s.Seen = func(c stub.Call) { t.call(s.Provider, c) }
		ports := map[string]int{}
		if n == 0 {
			ports["http"], ports["grpc"] = o.port, o.grpcPort
		}
		if err := a.serveStub(ctx, g, st, s, word, ports, t); err != nil {
			return err
		}
	}
	err = g.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil {
		return cause
	}
	return err
}

// stubOf makes the stub that a service or an edge names.
func (a *App) stubOf(st *stack.Stack, pacts []contracts.Pact, word string) (*stub.Stub, error) {
	consumer, provider, edge := strings.Cut(word, ":")
	if !edge {
		provider = word
	}
	if err := checkNames([]string{provider}, serviceNamesOf(st)); err != nil {
		return nil, err
	}
	s := &stub.Stub{Provider: provider}
	for _, p := range pacts {
		if p.Provider == provider && (!edge || p.Consumer == consumer) {
			s.Pacts = append(s.Pacts, p)
		}
	}
	return s, nil
}

func serviceNamesOf(st *stack.Stack) []string {
	var out []string
	for _, s := range st.Services {
		out = append(out, s.Name)
	}
	return out
}

// serveStub opens a stub's listeners: those of the service that it stands for.
func (a *App) serveStub(ctx context.Context, g *errgroup.Group, st *stack.Stack, s *stub.Stub, word string, ports map[string]int, t *stubTeller) error {
	listens := st.Service(s.Provider).Listen
	if len(listens) == 0 {
		listens = []stack.Listen{{Name: "http"}}
	}
	for _, l := range listens {
		port := ports[l.Name]
		if given, err := strconv.Atoi(a.Getenv(verify.StubPort(word, l.Name))); err == nil {
			port = given
		}
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return failed("name another port, or none", "serve %s: %w", s.Provider, err)
		}
		if l.Name == "grpc" {
			err = a.serveCalls(ctx, g, st, s, ln)
		} else {
			serveRequests(ctx, g, s, ln)
		}
		if err != nil {
			return err
		}
		t.listening(s, l.Name, ln.Addr().String())
	}
	return nil
}

// serveRequests serves the HTTP interactions.
func serveRequests(ctx context.Context, g *errgroup.Group, s *stub.Stub, ln net.Listener) {
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	g.Go(func() error {
		defer stop()
		if err := srv.Serve(ln); ctx.Err() == nil {
			return fmt.Errorf("serve %s: %w", s.Provider, err)
		}
		return nil
	})
}

// serveCalls serves the gRPC interactions; without any, none is known.
func (a *App) serveCalls(ctx context.Context, g *errgroup.Group, st *stack.Stack, s *stub.Stub, ln net.Listener) error {
	files, err := schema.Read(ctx, st.Dir, s.Services())
	if err != nil {
		ln.Close()
		return failed("write the .proto files into the stack's folder", "serve %s: %w", s.Provider, err)
	}
	srv := s.Server(files)
	stop := context.AfterFunc(ctx, srv.Stop)
	g.Go(func() error {
		defer stop()
		if err := srv.Serve(ln); ctx.Err() == nil && err != grpc.ErrServerStopped {
			return fmt.Errorf("serve %s: %w", s.Provider, err)
		}
		return nil
	})
	return nil
}

// stubTeller says what stubs are asked.
type stubTeller struct {
	app  *App
	json bool
	mu   sync.Mutex // lines are not mixed
}

func (t *stubTeller) listening(s *stub.Stub, listen, addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var consumers []string
	for _, p := range s.Pacts {
		consumers = append(consumers, p.Consumer)
	}
	if t.json {
		writeJSON(t.app.Out, "stub", struct {
			Service   string   `json:"service"`
			Listen    string   `json:"listen"`
			Addr      string   `json:"addr"`
			Consumers []string `json:"consumers"`
		}{s.Provider, listen, addr, slices.Compact(consumers)})
		return
	}
	if listen == "http" {
		addr = "http://" + addr
	}
	what := "from no pact: everything is refused until `msctl contract test` has written one"
	if len(consumers) > 0 {
		what = "from what " + list(slices.Compact(consumers)) + " needs"
	}
	fmt.Fprintf(t.app.Err, "%s %s: %s, %s\n", s.Provider, listen, addr, what)
}

func (t *stubTeller) call(provider string, c stub.Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json {
		writeJSON(t.app.Out, "call", struct {
			Service     string `json:"service"`
			Request     string `json:"request"`
			Interaction string `json:"interaction,omitempty"`
			Status      string `json:"status"`
		}{provider, c.Request, c.Interaction, c.Status})
		return
	}
	from := c.Interaction
	if from == "" {
		from = "no interaction fits"
	}
	fmt.Fprintf(t.app.Out, "%s  %s  %s  %s\n", provider, clean(c.Request), c.Status, clean(from))
}
