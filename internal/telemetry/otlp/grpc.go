package otlp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // grpc takes compressors only from its own registry
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/types/known/durationpb"

	"msctl.dev/msctl/internal/telemetry"
)

// raw is a codec that leaves messages encoded: it reads into *mem.Buffer and writes *[]byte.
type raw struct{}

// Name says that what goes over the wire is protobuf.
func (raw) Name() string { return "proto" }

// Marshal hands over an encoded message.
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("encode %T: want *[]byte", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

// Unmarshal takes an encoded message. The buffer is to be freed.
func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*mem.Buffer)
	if !ok {
		return fmt.Errorf("decode into %T: want *mem.Buffer", v)
	}
	*b = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

// serveGRPC serves until ctx ends.
func (s *server) serveGRPC(ctx context.Context) error {
	srv := grpc.NewServer(
		grpc.ForceServerCodecV2(raw{}),
		grpc.MaxRecvMsgSize(s.max),
		grpc.MaxConcurrentStreams(16),
		grpc.MaxHeaderListSize(64<<10),
		grpc.ConnectionTimeout(s.timeout/2),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 2 * time.Minute, Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.InTapHandle(s.bounded),
	)
	for sig := range signals {
		srv.RegisterService(s.service(signal(sig)), s)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		hard := time.AfterFunc(drainTime, srv.Stop)
		defer hard.Stop()
		srv.GracefulStop()
	})
	err := srv.Serve(s.listen(s.GRPC))
	if !stop() {
		<-ended
	}
	if err == nil || errors.Is(err, grpc.ErrServerStopped) || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve OTLP over gRPC: %w", err)
}

type cancelKey struct{}

// bounded ends a request that its sender does not finish. The handler stops the timer, or else the end of
// the stream does.
func (s *server) bounded(ctx context.Context, _ *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	return context.WithValue(ctx, cancelKey{}, cancel), nil
}

func (s *server) service(sig signal) *grpc.ServiceDesc {
	export := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if cancel, ok := ctx.Value(cancelKey{}).(context.CancelFunc); ok {
			defer cancel()
		}
		if p, ok := peer.FromContext(ctx); ok {
			if a, ok := p.Addr.(addr); ok {
				defer a.conn.touch()
			}
		}
		var body mem.Buffer
		if err := decode(&body); err != nil {
			s.counts.malformed.Add(1)
			return nil, err
		}
		defer body.Free()
		res, err := s.ingest(sig, body.ReadOnlyData())
		if err != nil {
			return nil, grpcError(err)
		}
		b := answer(res)
		return &b, nil
	}
	return &grpc.ServiceDesc{
		ServiceName: signals[sig].service,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: export}},
	}
}

func grpcError(err error) error {
	if !errors.Is(err, telemetry.ErrFull) {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	full := status.New(codes.ResourceExhausted, err.Error())
	if st, err := full.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}); err == nil {
		full = st
	}
	return full.Err()
}
