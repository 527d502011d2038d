package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// App is what a running service has at hand. Make one with [New]; [Main] does it for a process.
type App struct {
	Name   string
	Env    Env
	Log    *slog.Logger
	Grace  time.Duration // for work in flight once the service is asked to stop (GRACE, 8s)
	Traced bool          // whether telemetry leaves the process
	// Public says that anybody may call: how long a caller waits is then not believed. It would open the
	// circuits behind, which count what is cut off as a failure of the callee.
	Public bool
	// Patience is how long a callee may take until its answer begins; 0 means 4 s. A call's own deadline
	// may be sooner.
	Patience time.Duration
	// Listening is told each address that the app listens on; nil is fine. Tests find ports by it.
	Listening func(listener string, addr net.Addr)
	// Flag answers a feature flag, or other where there is none of that name. nil: there are no flags.
	Flag func(name string, other bool) bool

	health health
	flush  func(context.Context) error
}

// Main runs a service as a process: until run returns, or TERM or INT ask it to stop. It exits 1
// on an error.
func Main(name string, run func(context.Context, *App) error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	app, err := New(ctx, name, os.Getenv, os.Stdout)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	err = app.Run(ctx, run)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

// New makes an app that logs to out and whose telemetry, if any, has begun. End it with [App.Run].
func New(ctx context.Context, name string, env Env, out io.Writer) (*App, error) {
	grace, err := env.Duration("GRACE", 8*time.Second)
	if err != nil {
		return nil, err
	}
	app := &App{Name: env.Or("OTEL_SERVICE_NAME", name), Env: env, Grace: grace}
	tel, err := startTelemetry(ctx, app.Name, env)
	if err != nil {
		return nil, err
	}
	app.Traced, app.flush = tel.on, tel.stop
	app.Log, err = newLog(out, env.Or("LOG_LEVEL", "info"), tel.logs)
	return app, err
}

// On reports whether a pattern of the service is in use. It is, unless the flag "<service>.<pattern>"
// says false: that is for experiments, which show what the pattern is for.
func (a *App) On(pattern string) bool { return a.Flag == nil || a.Flag(a.Name+"."+pattern, true) }

// Seeded reports whether a known mistake is in use. It is not, unless the flag "<service>.<mistake>" says
// true: that is for whoever shows that such a mistake is found.
func (a *App) Seeded(mistake string) bool { return a.Flag != nil && a.Flag(a.Name+"."+mistake, false) }

// Run calls run, logs how it ended, and sends what telemetry is left.
func (a *App) Run(ctx context.Context, run func(context.Context, *App) error) error {
	err := run(ctx, a)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		a.Log.Error("service failed", "err", err)
	} else {
		a.Log.Info("service stopped")
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if ferr := a.flush(last); ferr != nil {
		a.Log.Debug("telemetry lost", "err", ferr)
	}
	return err
}

// Go runs each part until all have ended. The first that fails cancels the others.
func (a *App) Go(ctx context.Context, parts ...func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		g.Go(func() error { return part(ctx) })
	}
	return g.Wait()
}

// Draining returns a context for work in flight: it keeps ctx's values, and is cancelled the app's
// grace after ctx is. Call the returned function when the work is done.
func (a *App) Draining(ctx context.Context) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(a.Grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(errors.New("grace is over"))
		case <-work.Done():
		}
	})
	return work, func() { stop(); cancel(context.Canceled) }
}

func (a *App) listen(ctx context.Context, listener string, names ...string) (net.Listener, error) {
	port := "0"
	for i := len(names) - 1; i >= 0; i-- {
		port = a.Env.Or(names[i], port)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", net.JoinHostPort(a.Env.Or("HOST", "127.0.0.1"), port))
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", listener, err)
	}
	a.Log.Info("service listening", "listener", listener, "addr", ln.Addr().String())
	if a.Listening != nil {
		a.Listening(listener, ln.Addr())
	}
	return ln, nil
}

// Listen opens the app's port of that name ("grpc" is GRPC_PORT) on HOST.
func (a *App) Listen(ctx context.Context, name, variable string) (net.Listener, error) {
	return a.listen(ctx, name, variable)
}
