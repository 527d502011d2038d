package otlp

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"msctl.dev/msctl/internal/telemetry"
)

func dial(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(256<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestGRPCAnswers: success, partial success, full, and what is not valid or too large (I2, I4).
func TestGRPCAnswers(t *testing.T) {
	store := &memory{answer: telemetry.Result{Rejected: 2, Err: "no id"}}
	r := &Receiver{Store: store, MaxBytes: 1 << 20}
	_, addr := run(t, r)
	conn := dial(t, addr)
	client := tracepb.NewTraceServiceClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var req tracepb.ExportTraceServiceRequest
	if err := proto.Unmarshal(oneSpan(t, nil), &req); err != nil {
		t.Fatal(err)
	}
	res, err := client.Export(ctx, &req)
	if err != nil || res.GetPartialSuccess().GetRejectedSpans() != 2 || res.GetPartialSuccess().GetErrorMessage() != "no id" {
		t.Fatalf("answered %v, %v", res, err)
	}

	store.setFull(true)
	_, err = client.Export(ctx, &req)
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted || len(st.Details()) != 1 {
		t.Fatalf("full: %v %v", st, st.Details())
	}
	if info, ok := st.Details()[0].(*errdetails.RetryInfo); !ok || info.RetryDelay.AsDuration() != time.Second {
		t.Errorf("full: details %v, want a delay of 1s", st.Details())
	}
	store.setFull(false)

	for _, c := range []struct {
		name string
		body []byte
		zip  bool
		want codes.Code
	}{
		{"garbage", []byte("garbage"), false, codes.InvalidArgument},
		{"too large", make([]byte, 2<<20), false, codes.ResourceExhausted},
		{"bomb", make([]byte, 8<<20), true, codes.ResourceExhausted},
	} {
		opts := []grpc.CallOption{grpc.ForceCodecV2(raw{})}
		if c.zip {
			opts = append(opts, grpc.UseCompressor(gzip.Name))
		}
		err := conn.Invoke(ctx, "/"+signals[traces].service+"/Export", &c.body, new(mem.Buffer), opts...)
		if status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := client.Export(ctx, &req); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestGRPCFrame: a message that claims a gigabyte is refused before any of it is read (I2).
func TestGRPCFrame(t *testing.T) {
	_, addr := run(t, &Receiver{Store: &memory{}})
	nc, fr := http2Conn(t, addr)
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	headers(t, fr)
	head := binary.BigEndian.AppendUint32([]byte{0}, 1<<30)
	if err := fr.WriteData(1, false, head); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatalf("read answer: %v", err)
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok {
			for _, field := range h.Fields {
				if field.Name == "grpc-status" {
					if want := "8"; field.Value != want {
						t.Errorf("status %s, want %s", field.Value, want)
					}
					return
				}
			}
		}
	}
}

// http2Conn opens a connection and answers the server's settings.
func http2Conn(t *testing.T, addr string) (net.Conn, *http2.Framer) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if _, err := nc.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	fr := http2.NewFramer(nc, nc)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return nc, fr
}

// headers begins a request for spans on stream 1.
func headers(t *testing.T, fr *http2.Framer) {
	t.Helper()
	var block writer
	enc := hpack.NewEncoder(&block)
	for _, h := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "localhost"},
		{Name: ":path", Value: "/" + signals[traces].service + "/Export"}, {Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	} {
		if err := enc.WriteField(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}
