// Package rpc serves and calls gRPC with what the fleet wants of it: standard health, reflection,
// spans and metrics, correlation id, deadlines.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"msctl.dev/msctl/services/kit"
)

const (
	header      = "x-correlation-id"
	callTimeout = 5 * time.Second  // of a call whose caller set no deadline
	serveFor    = 10 * time.Second // of a request that carries none
)

// Server returns the part of a service that serves gRPC on GRPC_PORT until its context ends; calls
// in flight are finished within the grace. register adds the service's own servers. The service is not ready
// before the port is open: its health may be asked on another one.
func Server(app *kit.App, register func(*grpc.Server)) func(context.Context) error {
	var open atomic.Bool
	app.Check("grpc", func(context.Context) error {
		if !open.Load() {
			return errors.New("not listening yet")
		}
		return nil
	})
	return func(ctx context.Context) error {
		ln, err := app.Listen(ctx, "grpc", "GRPC_PORT")
		if err != nil {
			return err
		}
		open.Store(true)
		srv, hs := newServer(app), health.NewServer()
		register(srv)
		grpc_health_v1.RegisterHealthServer(srv, hs)
		reflection.Register(srv)
		for name := range srv.GetServiceInfo() {
			hs.SetServingStatus(name, grpc_health_v1.HealthCheckResponse_SERVING)
		}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(ln) }()
		select {
		case err := <-done:
			return fmt.Errorf("serve grpc: %w", err)
		case <-ctx.Done():
		}
		hs.Shutdown()
		if !app.On("drain") {
			srv.Stop()
			<-done
			return nil
		}
		stop := time.AfterFunc(app.Grace, srv.Stop)
		defer stop.Stop()
		srv.GracefulStop()
		if err := <-done; !errors.Is(err, grpc.ErrServerStopped) { // it was stopped before it began
			return err
		}
		return nil
	}
}

func newServer(app *kit.App) *grpc.Server {
	opts := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo,
			next grpc.UnaryHandler,
		) (any, error) {
			return serve(ctx, app, req, info.FullMethod, next)
		}),
		grpc.MaxRecvMsgSize(1 << 20),
		grpc.ConnectionTimeout(5 * time.Second), // until a new connection has said hello
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}),
	}
	if app.Traced {
		opts = append(opts, grpc.StatsHandler(otelgrpc.NewServerHandler()))
	}
	return grpc.NewServer(opts...)
}

// serve gives a call its correlation id and a deadline, and turns a panic into an error.
func serve(ctx context.Context, app *kit.App, req any, method string, next grpc.UnaryHandler) (
	resp any, err error) {
	id := ""
	if v := metadata.ValueFromIncomingContext(ctx, header); len(v) > 0 {
		id = v[0]
	}
	ctx, cancel := context.WithTimeout(kit.WithCorrelation(ctx, id), serveFor)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			app.Log.ErrorContext(ctx, "call panicked", "method", method, "err", fmt.Sprint(v),
				"stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "something went wrong here")
		}
	}()
	return next(ctx, req)
}

// retries asks grpc-go to try again where the callee did not take the call, within a budget.
const retries = `{
	"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.05s",
		"maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}],
	"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.2}}`

// Dial returns a connection to the service by its name in stack.yaml: "payments" is at
// PAYMENTS_GRPC_ADDR. It connects when it is used, and breaks the circuit to a service that keeps
// failing. Close it when done.
func Dial(app *kit.App, service string) (*grpc.ClientConn, error) {
	key := strings.ToUpper(strings.ReplaceAll(service, "-", "_")) + "_GRPC_ADDR"
	addr := app.Env(key)
	if addr == "" {
		return nil, fmt.Errorf("read %s: not set", key)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(retries),
		grpc.WithChainUnaryInterceptor(carry, breaking(service, app.Log, func() bool { return !app.On("breaker") })),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 20 * time.Second, Timeout: 5 * time.Second}),
	}
	if app.Traced {
		opts = append(opts, grpc.WithStatsHandler(otelgrpc.NewClientHandler()))
	}
	return grpc.NewClient("passthrough:///"+addr, opts...)
}

// carry sends the correlation id along and sets a deadline where there is none.
func carry(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	if id := kit.Correlation(ctx); id != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, header, id)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}
