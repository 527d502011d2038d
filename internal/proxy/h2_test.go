package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

// callee is a gRPC server that does as its requests say.
type callee struct {
	grpc_testing.UnimplementedTestServiceServer
	name  string
	ended chan error        // of streams, when their context ended
	block chan struct{}     // a unary call waits for it where it is asked to
	seen  func(metadata.MD) // of unary calls
}

func (s *callee) UnaryCall(ctx context.Context, in *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	if md, ok := metadata.FromIncomingContext(ctx); ok && s.seen != nil {
		s.seen(md)
	}
	if st := in.GetResponseStatus(); st.GetCode() != 0 {
		grpc.SetTrailer(ctx, metadata.Pairs("why", "asked"))
		return nil, status.Error(codes.Code(st.GetCode()), st.GetMessage())
	}
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			s.ended <- ctx.Err()
			return nil, ctx.Err()
		}
	}
	grpc.SetHeader(ctx, metadata.Pairs("head", "h"))
	grpc.SetTrailer(ctx, metadata.Pairs("tail-bin", "\x00\x01"))
	return &grpc_testing.SimpleResponse{Payload: in.GetPayload(), Username: s.name}, nil
}

func (s *callee) StreamingInputCall(st grpc_testing.TestService_StreamingInputCallServer) error {
	var n int32
	for {
		in, err := st.Recv()
		if err == io.EOF {
			return st.SendAndClose(&grpc_testing.StreamingInputCallResponse{AggregatedPayloadSize: n})
		}
		if err != nil {
			return err
		}
		n += int32(len(in.GetPayload().GetBody()))
	}
}

func (s *callee) StreamingOutputCall(in *grpc_testing.StreamingOutputCallRequest, st grpc_testing.TestService_StreamingOutputCallServer) error {
	for _, p := range in.GetResponseParameters() {
		if err := st.Send(&grpc_testing.StreamingOutputCallResponse{Payload: &grpc_testing.Payload{Body: make([]byte, p.GetSize())}}); err != nil {
			return err
		}
	}
	return nil
}

func (s *callee) FullDuplexCall(st grpc_testing.TestService_FullDuplexCallServer) error {
	for {
		in, err := st.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			if s.ended != nil {
				s.ended <- err
			}
			return err
		}
		if err := st.Send(&grpc_testing.StreamingOutputCallResponse{Payload: in.GetPayload()}); err != nil {
			return err
		}
	}
}

// listenGRPC starts a gRPC server.
func listenGRPC(t testing.TB, s *callee, opts ...grpc.ServerOption) string {
	t.Helper()
	srv := grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(16<<20))...)
	grpc_testing.RegisterTestServiceServer(srv, s)
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	reflection.Register(srv)
	ln := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ln) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return ln.Addr().String()
}

// dialGRPC returns a client of an address.
func dialGRPC(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// rpc puts an edge before callees and returns it with its record and a client.
func rpc(t testing.TB, callees ...*callee) (*Edge, *record, grpc_testing.TestServiceClient, *grpc.ClientConn) {
	t.Helper()
	var addrs []string
	for _, c := range callees {
		addrs = append(addrs, listenGRPC(t, c))
	}
	var r record
	e := &Edge{From: "orders", To: "payments", Protocol: "grpc", Record: r.add, Callee: &Flights{}}
	conn := dialGRPC(t, serve(t, e))
	e.SetTargets(to(addrs...))
	return e, &r, grpc_testing.NewTestServiceClient(conn), conn
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func payload(n int) *grpc_testing.Payload { return &grpc_testing.Payload{Body: make([]byte, n)} }

const unaryName = "grpc.testing.TestService/UnaryCall"

func TestGRPCUnary(t *testing.T) {
	var md metadata.MD
	e, r, c, _ := rpc(t, &callee{name: "a", seen: func(m metadata.MD) { md = m }})
	var head, tail metadata.MD
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := metadata.AppendToOutgoingContext(soon(t), "traceparent", parent, "data-bin", "\xff\x00", "many", "1", "many", "2")
	got, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{Payload: payload(4 << 20)}, grpc.Header(&head), grpc.Trailer(&tail))
	if err != nil || len(got.GetPayload().GetBody()) != 4<<20 {
		t.Fatalf("got %d bytes, %v", len(got.GetPayload().GetBody()), err)
	}
	if d := cmp.Diff([]string{"h", "\x00\x01"}, append(head.Get("head"), tail.Get("tail-bin")...)); d != "" {
		t.Errorf("head and tail: %s", d)
	}
	if d := cmp.Diff([]string{"\xff\x00", "1", "2"}, append(md.Get("data-bin"), md.Get("many")...)); d != "" {
		t.Errorf("metadata: %s", d)
	}
	call := r.wait(t, 1)[0]
	if call.Name != unaryName || call.Protocol != "grpc" || call.Unit != "u-1" || call.Code != 0 || call.Err != "" || call.Sent < 4<<20 || call.Received < 4<<20 {
		t.Errorf("got %+v", call)
	}
	if fmt.Sprintf("%x", call.Trace) != parent[3:35] || fmt.Sprintf("%x", call.Parent) != parent[36:52] || call.Inferred {
		t.Errorf("trace of %x, %x", call.Trace, call.Parent)
	}
	if want := fmt.Sprintf("00-%x-%x-01", call.Trace, call.Span); md.Get("traceparent")[0] != want {
		t.Errorf("the callee was told %v, want %s", md.Get("traceparent"), want)
	}
	if d := cmp.Diff([]Attr{{"rpc.system.name", "grpc"}, {"rpc.method", unaryName}, {"server.address", "payments"},
		{"network.protocol.version", "2"}, {"rpc.response.status_code", "OK"}}, call.Attrs); d != "" {
		t.Errorf("attributes: %s", d)
	}
	if s := e.Stats(time.Now()); s.Requests != 1 || s.InFlight != 0 || s.Errors != 0 || s.Sent < 4<<20 || s.Received < 4<<20 {
		t.Errorf("stats %+v", s)
	}
}

// TestGRPCStatus checks that a refusal, whose head is all of its answer, arrives as it was sent.
func TestGRPCStatus(t *testing.T) {
	for _, tt := range []struct {
		code   codes.Code
		failed string
	}{{codes.NotFound, ""}, {codes.Internal, "INTERNAL: no öl"}, {codes.Code(99), "99: no öl"}} {
		_, r, c, _ := rpc(t, &callee{})
		var tail metadata.MD
		_, err := c.UnaryCall(soon(t), &grpc_testing.SimpleRequest{ResponseStatus: &grpc_testing.EchoStatus{Code: int32(tt.code), Message: "no öl"}}, grpc.Trailer(&tail))
		if st := status.Convert(err); st.Code() != tt.code || st.Message() != "no öl" || len(tail.Get("why")) != 1 {
			t.Errorf("got %v, %v", err, tail)
		}
		if call := r.wait(t, 1)[0]; call.Code != int(tt.code) || call.Err != tt.failed {
			t.Errorf("got %d, %q", call.Code, call.Err)
		}
	}
}

func TestGRPCStreams(t *testing.T) {
	_, r, c, _ := rpc(t, &callee{})
	up, err := c.StreamingInputCall(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := up.Send(&grpc_testing.StreamingInputCallRequest{Payload: payload(100_000)}); err != nil {
			t.Fatal(err)
		}
	}
	if sum, err := up.CloseAndRecv(); err != nil || sum.GetAggregatedPayloadSize() != 5_000_000 {
		t.Fatalf("got %v, %v", sum, err)
	}
	sizes := &grpc_testing.StreamingOutputCallRequest{}
	for range 50 {
		sizes.ResponseParameters = append(sizes.ResponseParameters, &grpc_testing.ResponseParameters{Size: 100_000})
	}
	down, err := c.StreamingOutputCall(soon(t), sizes)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err = down.Recv(); err == nil; _, err = down.Recv() {
		n++
	}
	if n != 50 || err != io.EOF {
		t.Fatalf("got %d, %v", n, err)
	}
	both, err := c.FullDuplexCall(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // each is answered before the next is sent: nothing waits for more
		if err := both.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(10)}); err != nil {
			t.Fatal(err)
		}
		if _, err := both.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	if err := both.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := both.Recv(); err != io.EOF {
		t.Fatalf("got %v", err)
	}
	for _, call := range r.wait(t, 3) {
		if call.Err != "" || call.Code != 0 {
			t.Errorf("got %+v", call)
		}
	}
}

func TestGRPCCancel(t *testing.T) {
	s := &callee{ended: make(chan error, 2), block: make(chan struct{})}
	e, r, c, _ := rpc(t, s)
	ctx, cancel := context.WithCancel(soon(t))
	s.seen = func(metadata.MD) { // the callee has it
		if e.Callee.Len() != 1 || e.Stats(time.Now()).InFlight != 1 {
			t.Errorf("%d and %d in flight, want 1", e.Callee.Len(), e.Stats(time.Now()).InFlight)
		}
		cancel()
	}
	if _, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{}); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatal("the callee goes on")
	}
	if call := r.wait(t, 1)[0]; call.Code != grpcCanceled || !strings.HasPrefix(call.Err, "the caller left after ") {
		t.Errorf("got %d, %q", call.Code, call.Err)
	}
	if n := e.Callee.Len(); n != 0 {
		t.Errorf("%d in flight", n)
	}
}

// TestGRPCDeadline checks that a call whose deadline passes is told as that, and its callee is told to stop.
func TestGRPCDeadline(t *testing.T) {
	var came atomic.Bool
	s := &callee{ended: make(chan error, 100), block: make(chan struct{}), seen: func(metadata.MD) { came.Store(true) }}
	_, r, c, _ := rpc(t, s)
	for wait := 50 * time.Millisecond; !came.Load(); wait *= 2 { // a slow machine may not have brought it the call
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		if _, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		cancel()
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Error("the callee goes on")
	}
	if call := r.wait(t, 1)[0]; call.Code != grpcDeadline && call.Code != grpcCanceled {
		t.Errorf("got %d, %q", call.Code, call.Err)
	}
}

// TestGRPCBalance checks that the calls of one connection go to all replicas, and that one which is gone
// costs the caller nothing.
func TestGRPCBalance(t *testing.T) {
	e, _, c, _ := rpc(t, &callee{name: "a"}, &callee{name: "b"})
	gone := listen(t)
	gone.Close()
	list := e.table.Load().all
	e.SetTargets(append(list, Target{Unit: "gone", Addr: gone.Addr().String()}))
	got := map[string]int{}
	for range 200 {
		res, err := c.UnaryCall(soon(t), &grpc_testing.SimpleRequest{})
		if err != nil {
			t.Fatal(err)
		}
		got[res.GetUsername()]++
	}
	if got["a"] < 50 || got["b"] < 50 {
		t.Errorf("got %v", got)
	}
}

func TestGRPCMany(t *testing.T) {
	s := &callee{block: make(chan struct{})}
	e, r, c, _ := rpc(t, s)
	const n = 1000
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if _, err := c.UnaryCall(soon(t), &grpc_testing.SimpleRequest{Payload: payload(100)}); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "all are in flight", func() bool { return e.Stats(time.Now()).InFlight == n })
	close(s.block)
	all.Wait()
	r.wait(t, n)
}

func TestGRPCServices(t *testing.T) {
	_, _, _, conn := rpc(t, &callee{})
	res, err := grpc_health_v1.NewHealthClient(conn).Check(soon(t), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || res.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", res, err)
	}
	st, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	ask := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}
	if err := st.Send(ask); err != nil {
		t.Fatal(err)
	}
	if got, err := st.Recv(); err != nil || len(got.GetListServicesResponse().GetService()) < 3 {
		t.Errorf("reflection: %v, %v", got, err)
	}
	st.CloseSend()
	if _, err := st.Recv(); err != io.EOF {
		t.Errorf("got %v", err)
	}
}

func TestGRPCUnreachable(t *testing.T) {
	gone := listen(t)
	gone.Close()
	e, r, c, _ := rpc(t, &callee{})
	e.SetTargets(to(gone.Addr().String()))
	_, err := c.UnaryCall(soon(t), &grpc_testing.SimpleRequest{})
	if st := status.Convert(err); st.Code() != codes.Unavailable || !strings.Contains(st.Message(), "connect payments") {
		t.Errorf("got %v", err)
	}
	if call := r.wait(t, 1)[0]; call.Code != grpcUnavailable || !strings.Contains(call.Err, "connection refused") {
		t.Errorf("got %+v", call)
	}
}

func TestGRPCFaults(t *testing.T) {
	e, r, c, _ := rpc(t, &callee{})
	for i, tc := range []struct {
		faults *Faults
		words  []string
		code   codes.Code
		least  time.Duration
	}{
		{},
		{&Faults{List: []Fault{Latency{Delay: 30 * time.Millisecond}}}, []string{"latency 30ms"}, codes.OK, 30 * time.Millisecond},
		{&Faults{List: []Fault{Refuse{}}}, []string{"refuse"}, codes.Unavailable, 0},
		{},
	} {
		e.SetFaults(tc.faults)
		before := time.Now()
		if _, err := c.UnaryCall(soon(t), &grpc_testing.SimpleRequest{}); status.Code(err) != tc.code || time.Since(before) < tc.least {
			t.Errorf("%v: got %v after %v", tc.words, err, time.Since(before))
		}
		call := r.wait(t, i+1)[i] // a call may be recorded after the caller has its answer, and so behind the next one
		if d := cmp.Diff(tc.words, call.Faults); d != "" {
			t.Error(d)
		}
	}
}

// TestGRPCReset checks that the end of a callee's process ends its streams, with the reason.
func TestGRPCReset(t *testing.T) {
	e, r, c, _ := rpc(t, &callee{})
	ln := listen(t)
	srv := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(srv, &callee{})
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ln) }()
	e.SetTargets(to(ln.Addr().String()))
	st, err := c.FullDuplexCall(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Send(&grpc_testing.StreamingOutputCallRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Recv(); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	<-done
	if _, err := st.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	if call := r.wait(t, 1)[0]; call.Code != grpcUnavailable || !strings.Contains(call.Err, "ended its answer early") {
		t.Errorf("got %d, %q", call.Code, call.Err)
	}
}

// TestGRPCGoAway checks that the end of an edge is told to its callers, and ends what they wait for.
func TestGRPCGoAway(t *testing.T) {
	s := &callee{block: make(chan struct{}), ended: make(chan error, 1)}
	addr := listenGRPC(t, s)
	e := &Edge{To: "payments", Protocol: "grpc"}
	e.SetTargets(to(addr))
	ln := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx, ln) }()
	c := grpc_testing.NewTestServiceClient(dialGRPC(t, ln.Addr().String()))
	go func() {
		until(t, "the call is in flight", func() bool { return e.Stats(time.Now()).InFlight == 1 })
		cancel()
	}()
	if _, err := c.UnaryCall(soon(t), &grpc_testing.SimpleRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the edge serves on")
	}
}

// h2Web runs a server that speaks HTTP/2 without TLS behind an edge, and returns a client of that.
func h2Web(t *testing.T, h http.HandlerFunc) (*record, *http.Client, string) {
	t.Helper()
	var r record
	e := &Edge{From: "orders", To: "payments", Protocol: "http", Record: r.add}
	addr := serve(t, e)
	e.SetTargets(to(h2Server(t, h)))
	tr := &http.Transport{Protocols: unencryptedH2()}
	t.Cleanup(tr.CloseIdleConnections)
	return &r, &http.Client{Transport: tr, Timeout: patience}, "http://" + addr
}

// h2Server starts a server that speaks HTTP/2 without TLS.
func h2Server(t testing.TB, h http.HandlerFunc) string {
	srv := &http.Server{Handler: h, Protocols: unencryptedH2()}
	ln := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return ln.Addr().String()
}

func unencryptedH2() *http.Protocols {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &p
}

func TestH2Requests(t *testing.T) {
	r, c, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Sum")
		w.Header()["X-Seen"] = []string{r.Proto, r.Host, r.RequestURI, fmt.Sprint(len(body)), r.UserAgent()}
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
		w.Header().Set("Sum", "42")
	})
	req, _ := http.NewRequestWithContext(t.Context(), "PUT", base+"/v1/a%2Fb/4711?q=%20x", strings.NewReader(strings.Repeat("x", 1<<20)))
	req.Host = "payments.local"
	req.Header.Set("User-Agent", "")
	res, err := c.Do(req)
	if got := text(t, res, err); got != "short and stout" || res.StatusCode != http.StatusTeapot {
		t.Fatalf("got %q, %d", got, res.StatusCode)
	}
	if d := cmp.Diff([]string{"HTTP/2.0", "payments.local", "/v1/a%2Fb/4711?q=%20x", "1048576", ""}, res.Header["X-Seen"]); d != "" {
		t.Error(d)
	}
	if got := res.Trailer.Get("Sum"); got != "42" {
		t.Errorf("trailer %q", got)
	}
	call := r.wait(t, 1)[0]
	if call.Name != "PUT /v1/a/b/{id}" || call.Code != http.StatusTeapot || call.Protocol != "http" || call.Sent != 1<<20 || call.Received != 15 {
		t.Errorf("got %+v", call)
	}
}

// TestH2Streams checks that the first bytes of an answer arrive before its end, and that a caller who leaves
// is noticed by the callee.
func TestH2Streams(t *testing.T) {
	left := make(chan struct{})
	_, c, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "data: 1\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	})
	res, err := c.Get(base + "/events")
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 9)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "data: 1\n\n" {
		t.Errorf("got %q, %v", first, err)
	}
	res.Body.Close()
	select {
	case <-left:
	case <-time.After(patience):
		t.Error("the callee goes on")
	}
}

// TestH2Reset checks that a reset arrives as one.
func TestH2Reset(t *testing.T) {
	r, c, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	res, err := c.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err == nil || !strings.Contains(err.Error(), "INTERNAL_ERROR") {
		t.Errorf("got %v", err)
	}
	if call := r.wait(t, 1)[0]; !strings.Contains(call.Err, "reset the stream") {
		t.Errorf("got %q", call.Err)
	}
}

// TestH2SlowCaller checks that an answer that is not read is not kept (H6).
func TestH2SlowCaller(t *testing.T) {
	stuck := make(chan int64, 1)
	_, c, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
		var n int64
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		for {
			m, err := w.Write(make([]byte, 32<<10))
			n += int64(m)
			if err != nil {
				stuck <- n
				return
			}
		}
	})
	res, err := c.Get(base + "/big")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	select {
	case n := <-stuck: // the caller's own 4 MiB, and what the edge and the sockets hold
		if n > 12<<20 {
			t.Errorf("%d bytes were taken from the callee", n)
		}
	case <-time.After(patience):
		t.Fatal("the callee is never stopped")
	}
}

// TestH2Garbage checks that what begins as HTTP/2 and is not ends the connection (H7).
func TestH2Garbage(t *testing.T) {
	_, _, base := h2Web(t, func(http.ResponseWriter, *http.Request) {})
	c := dial(t, strings.TrimPrefix(base, "http://"))
	fmt.Fprintf(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n%s", strings.Repeat("garbage!", 100))
	if _, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("got %v", err)
	}
}

// TestGRPCRestarts checks that a callee that is replaced again and again costs no call (H5, H11).
func TestGRPCRestarts(t *testing.T) {
	e, _, c, _ := rpc(t, &callee{name: "old"})
	ctx, cancel := context.WithCancel(soon(t))
	var load, servers sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.UnaryCall(soon(t), &grpc_testing.SimpleRequest{Payload: payload(10)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var old *grpc.Server
	began := time.Now()
	for range 20 {
		srv, ln := grpc.NewServer(), listen(t)
		grpc_testing.RegisterTestServiceServer(srv, &callee{})
		servers.Go(func() { srv.Serve(ln) })
		e.SetTargets(to(ln.Addr().String()))
		before := e.Stats(time.Now()).Requests
		until(t, "the new one has calls", func() bool { return e.Stats(time.Now()).Requests > before+8 })
		if old != nil {
			old.GracefulStop()
		}
		old = srv
	}
	t.Logf("20 restarts took %v", time.Since(began)) // a callee that waits for a GOAWAY to be heard takes a second each
	cancel()
	load.Wait()
	old.Stop()
	servers.Wait()
}

// TestH2RapidReset checks that streams which are opened and ended at once stay bounded: the connection ends, whether
// the caller resets them (H7, CVE-2023-44487) or has the edge reset them (CVE-2025-8671).
func TestH2RapidReset(t *testing.T) {
	for name, end := range map[string]func(f *frames, id uint32) error{
		"reset":   func(f *frames, id uint32) error { return f.WriteRSTStream(id, http2.ErrCodeCancel) },
		"at once": func(f *frames, id uint32) error { return f.WriteData(id, true, nil) },
		"no room": func(f *frames, id uint32) error { return f.WriteWindowUpdate(id, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			var busy, most atomic.Int64
			_, _, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
				n := busy.Add(1)
				defer busy.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				<-r.Context().Done()
			})
			f := h2Dial(t, base)
			f.AllowIllegalWrites = true
			go io.Copy(io.Discard, f.conn)
			var err error
			for id := uint32(1); err == nil; id += 2 {
				f.get(id, true)
				err = end(f, id)
			}
			if n := most.Load(); n > 2*h2Streams || timedOut(err) {
				t.Errorf("ended with %v, %d streams at once reached the callee", err, n)
			}
		})
	}
}

// BenchmarkGRPC measures small unary calls through an edge, and without one.
func BenchmarkGRPC(b *testing.B) {
	addr := listenGRPC(b, &callee{})
	e := &Edge{From: "orders", To: "payments", Protocol: "grpc", Record: func(Call) {}}
	e.SetTargets(to(addr))
	for name, at := range map[string]string{"edge": serve(b, e), "direct": addr} {
		b.Run(name, func(b *testing.B) {
			c := grpc_testing.NewTestServiceClient(dialGRPC(b, at))
			ctx := soon(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{Payload: payload(100)}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
