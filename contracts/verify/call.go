package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/dynamicpb"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/schema"
)

// caller makes gRPC calls with JSON.
type caller struct {
	addr string

	mu    sync.Mutex // guards conn and known
	conn  *grpc.ClientConn
	known map[string]*schema.Files // by service
}

// methodOf returns the method that a call is about: by its metadata, else by its description.
func methodOf(i contracts.Interaction) (service, method string, ok bool) {
	if i.Content != nil {
		if name, said := i.Content.Metadata["grpc-method"].(string); said {
			return schema.Name(name)
		}
	}
	return schema.Name(i.Description)
}

// answered is what a call came to.
type answered struct {
	body     []byte
	metadata map[string]any
}

// call makes the call of an interaction. The status of the answer is metadata, as the consumer's test
// writes it: "grpc-status" is OK or the code's name, "grpc-message" its text; its body is then
// {"code", "message", "reason"}.
func (c *caller) call(ctx context.Context, i contracts.Interaction) (answered, error) {
	service, method, _ := methodOf(i)
	conn, files, err := c.reach(ctx, service)
	if err != nil {
		return answered{}, err
	}
	m, err := files.Method(service, method)
	if err != nil {
		return answered{}, &differs{err.Error()}
	}
	if m.IsStreamingClient() || m.IsStreamingServer() {
		return answered{}, &unsupported{fmt.Sprintf("%s/%s is a stream: streams of gRPC are not supported, only single calls can be verified", service, method)}
	}
	request, err := i.Content.Body.Bytes()
	if err != nil {
		return answered{}, err
	}
	in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if len(request) > 0 {
		if err := protojson.Unmarshal(request, in); err != nil {
			return answered{}, &differs{fmt.Sprintf("the request does not fit %s: %v", m.Input().FullName(), err)}
		}
	}
	for name, value := range i.Content.Metadata {
		if text, ok := value.(string); ok && name != "grpc-method" && name != "contentType" {
			ctx = metadata.AppendToOutgoingContext(ctx, name, text)
		}
	}
	err = conn.Invoke(ctx, "/"+service+"/"+method, in, out)
	return read(out, err)
}

// call makes a call that a state or a message wants.
func (t *Target) call(ctx context.Context, a Action, p params) error {
	body, err := a.body(p)
	if err != nil {
		return fmt.Errorf("call %s: %w", a.Call, err)
	}
	c := caller{addr: t.GRPC}
	defer c.close()
	got, err := c.call(ctx, contracts.Interaction{Description: a.Call, Content: &contracts.Content{Body: &contracts.Body{Content: body}}})
	if err != nil {
		return fmt.Errorf("call %s: %w", a.Call, err)
	}
	if code := got.metadata["grpc-status"]; code != "OK" {
		return fmt.Errorf("call %s: %v: %s", a.Call, code, got.body)
	}
	return nil
}

// differs is a provider that cannot be asked what its consumer asks: a mismatch, and no failure.
type differs struct{ text string }

func (d *differs) Error() string { return d.text }

// unsupported is what can be asked of a provider, and not by msctl: neither a mismatch nor the provider's failure.
type unsupported struct{ text string }

func (u *unsupported) Error() string { return u.text }

// read makes JSON of an answer or of the status of a refused call.
func read(out *dynamicpb.Message, err error) (answered, error) {
	st, ok := status.FromError(err)
	switch {
	case err == nil:
		body, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(out)
		return answered{body, map[string]any{"grpc-status": "OK", "contentType": "application/json"}}, err
	case !ok, st.Code() == codes.Unavailable, st.Code() == codes.DeadlineExceeded:
		return answered{}, err
	}
	refusal := map[string]any{"code": codeName(st.Code()), "message": st.Message()}
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			refusal["reason"], refusal["domain"], refusal["metadata"] = info.GetReason(), info.GetDomain(), info.GetMetadata()
		}
	}
	body, err := json.Marshal(refusal)
	return answered{body, map[string]any{"grpc-status": codeName(st.Code()), "grpc-message": st.Message(), "contentType": "application/json"}}, err
}

// codeName returns a code as specifications write it: NOT_FOUND.
func codeName(c codes.Code) string {
	names := []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
		"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
		"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("CODE_%d", uint32(c))
}

// reach returns a connection and what the server says of one of its services.
func (c *caller) reach(ctx context.Context, service string) (*grpc.ClientConn, *schema.Files, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		conn, err := grpc.NewClient("passthrough:///"+c.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
			grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 2 * time.Second}))
		if err != nil {
			return nil, nil, err
		}
		c.conn, c.known = conn, map[string]*schema.Files{}
	}
	if c.known[service] == nil {
		files, err := schema.Reflect(ctx, c.conn, service)
		if err != nil {
			return nil, nil, err
		}
		c.known[service] = files
	}
	return c.conn, c.known[service], nil
}

func (c *caller) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	return errors.Join(c.conn.Close())
}
