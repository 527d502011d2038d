package rpc_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
	"msctl.dev/msctl/services/kit/rpc"
)

// echo is a service without generated code: its method is whatever the test says.
func echo(fn func(ctx context.Context) (string, error)) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{ServiceName: "test.Echo", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Say",
		Handler: func(_ any, ctx context.Context, decode func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
			in := &emptypb.Empty{}
			if err := decode(in); err != nil {
				return nil, err
			}
			return chain(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/test.Echo/Say"}, func(ctx context.Context, _ any) (any, error) {
				out, err := fn(ctx)
				return wrapperspb.String(out), err
			})
		},
	}}}
}

// start serves fn and returns a connection to it, and a function that stops the server.
func start(t *testing.T, fn func(ctx context.Context) (string, error)) (*grpc.ClientConn, func() error) {
	t.Helper()
	app := kittest.App(t, nil)
	addr := make(chan string, 1)
	app.Listening = func(_ string, a net.Addr) { addr <- a.String() }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- rpc.Server(app, func(s *grpc.Server) { s.RegisterService(echo(fn), nil) })(ctx)
	}()
	c, err := rpc.Dial(kittest.App(t, map[string]string{"OTHER_GRPC_ADDR": <-addr}), "other")
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		c.Close()
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return c, stop
}

// TestReadyOnceListening: health on another port does not say ready while calls would be refused.
func TestReadyOnceListening(t *testing.T) {
	app := kittest.App(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	open, done := make(chan struct{}), make(chan error, 1)
	app.Listening = func(string, net.Addr) { close(open) }
	serve := rpc.Server(app, func(*grpc.Server) {})
	if bad := app.Ready(ctx); bad["grpc"] == "" {
		t.Error("ready before it listens")
	}
	go func() { done <- serve(ctx) }()
	<-open
	kittest.Eventually(t, "ready", func() bool { return len(app.Ready(ctx)) == 0 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func say(ctx context.Context, c *grpc.ClientConn) (string, error) {
	out := &wrapperspb.StringValue{}
	err := c.Invoke(ctx, "/test.Echo/Say", &emptypb.Empty{}, out)
	return out.GetValue(), err
}

func TestCallCarriesIDAndDeadline(t *testing.T) {
	c, _ := start(t, func(ctx context.Context) (string, error) {
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > 5*time.Second {
			t.Errorf("deadline %v %v, want one within 5 s", at, ok)
		}
		return kit.Correlation(ctx), nil
	})
	if got, err := say(kit.WithCorrelation(t.Context(), "c-1"), c); err != nil || got != "c-1" {
		t.Errorf("got %q, %v; want c-1", got, err)
	}
}

func TestPanicIsInternal(t *testing.T) {
	c, _ := start(t, func(context.Context) (string, error) { panic("oops") })
	if _, err := say(t.Context(), c); status.Code(err) != codes.Internal {
		t.Errorf("got %v, want Internal", err)
	}
}

func TestUnavailableIsTriedAgain(t *testing.T) {
	calls := 0
	c, _ := start(t, func(context.Context) (string, error) {
		if calls++; calls < 3 {
			return "", status.Error(codes.Unavailable, "not yet")
		}
		return "here", nil
	})
	if got, err := say(t.Context(), c); err != nil || got != "here" || calls != 3 {
		t.Errorf("got %q, %v after %d calls; want here after 3", got, err, calls)
	}
}

func TestHealthAndReflection(t *testing.T) {
	c, _ := start(t, nil)
	for _, name := range []string{"", "test.Echo"} {
		out, err := grpc_health_v1.NewHealthClient(c).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: name})
		if err != nil || out.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: got %v, %v", name, out, err)
		}
	}
	s, err := grpc_reflection_v1.NewServerReflectionClient(c).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &grpc_reflection_v1.ServerReflectionRequest_ListServices{}
	if err := s.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: ask}); err != nil {
		t.Fatal(err)
	}
	out, err := s.Recv()
	if err != nil || len(out.GetListServicesResponse().GetService()) < 2 {
		t.Errorf("reflection: got %v, %v", out, err)
	}
	_ = s.CloseSend()
}

// TestStopDrains stops a server while a call is in flight: it is answered.
func TestStopDrains(t *testing.T) {
	entered, finish := make(chan struct{}), make(chan struct{})
	c, stop := start(t, func(ctx context.Context) (string, error) {
		close(entered)
		<-finish
		return "done", ctx.Err()
	})
	answer := make(chan error, 1)
	go func() { _, err := say(t.Context(), c); answer <- err }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(finish)
	if err := <-answer; err != nil {
		t.Errorf("call: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// TestStopBeforeServing stops a server that has hardly begun: that is no failure.
func TestStopBeforeServing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		if err := rpc.Server(kittest.App(t, nil), func(*grpc.Server) {})(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("serve: %v", err)
		}
	}
}

// TestCircuitBreaks stops calling a service that keeps failing, and calls it again once it is well.
// A refusal is no failure.
func TestCircuitBreaks(t *testing.T) {
	calls, answer := 0, rpc.Refuse(codes.FailedPrecondition, "test", "NO", nil, "no")
	var mu sync.Mutex // guards both
	c, _ := start(t, func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		calls++
		return "", answer
	})
	try := func(times int, with error) int {
		mu.Lock()
		calls, answer = 0, with
		mu.Unlock()
		for range times {
			_, _ = say(t.Context(), c)
		}
		mu.Lock()
		defer mu.Unlock()
		return calls
	}
	if n := try(20, answer); n != 20 {
		t.Errorf("%d of 20 calls arrived that are refused", n)
	}
	if n := try(20, status.Error(codes.Internal, "broken")); n != 5 {
		t.Errorf("%d of 20 calls arrived that fail, want 5", n)
	}
	if _, err := say(t.Context(), c); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v from an open circuit, want UNAVAILABLE", err)
	}
	kittest.Eventually(t, "a closed circuit", func() bool { return try(1, nil) == 1 })
	if n := try(5, nil); n != 5 {
		t.Errorf("%d of 5 calls arrived of a service that is well", n)
	}
}
