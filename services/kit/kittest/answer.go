//go:build pact

package kittest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"msctl.dev/msctl/services/kit/rpc"
)

// PactCall is one gRPC call as a pact says it, with the messages as JSON.
type PactCall struct {
	Provider string
	Method   string // full: "shop.users.v1.UsersService/BatchGet"
	Request  []byte
	Code     codes.Code // of the answer
	Reply    []byte     // where the code is not OK: message, reason and domain
}

// Answer has ask make the call of a server that answers what the pact says, and holds what it sent against
// the pact.
func (c PactCall) Answer(t testing.TB, ask func(*grpc.ClientConn) error) error {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var wrong error
	srv := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) (err error) {
		wrong, err = c.serve(stream)
		return err
	}))
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	conn, err := rpc.Dial(App(t, map[string]string{strings.ToUpper(c.Provider) + "_GRPC_ADDR": ln.Addr().String()}), c.Provider)
	if err == nil {
		err = ask(conn)
		conn.Close()
	}
	srv.Stop()
	<-done
	return errors.Join(err, wrong)
}

// serve answers one call. What the client did otherwise than the pact says is wrong.
func (c PactCall) serve(stream grpc.ServerStream) (wrong, err error) {
	if name, _ := grpc.MethodFromServerStream(stream); name != "/"+c.Method {
		err := status.Errorf(codes.Unimplemented, "%s is not expected, but %s", name, c.Method)
		return err, err
	}
	in, out, err := messages(c.Method)
	if err == nil {
		err = stream.RecvMsg(in)
	}
	if err != nil {
		return nil, err
	}
	wrong = equal(in, c.Request)
	if c.Code != codes.OK {
		return wrong, refused(c.Code, c.Reply)
	}
	if err := protojson.Unmarshal(c.Reply, out); err != nil {
		return wrong, err
	}
	return wrong, stream.SendMsg(out)
}

// messages returns an empty request and answer of a method.
func messages(method string) (in, out proto.Message, err error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(method, "/", ".")))
	if err != nil {
		return nil, nil, err
	}
	m, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, nil, fmt.Errorf("%s is no method", method)
	}
	return dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output()), nil
}

// equal holds what was sent against the pact's JSON.
func equal(got proto.Message, want []byte) error {
	m := got.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(want, m); err != nil {
		return err
	}
	if !proto.Equal(m, got) {
		return fmt.Errorf("the client sent %v, the pact says %s", got, want)
	}
	return nil
}

func refused(code codes.Code, answer []byte) error {
	var said struct{ Message, Reason, Domain string }
	if err := json.Unmarshal(answer, &said); err != nil {
		return err
	}
	st := status.New(code, said.Message)
	if said.Reason != "" {
		var err error
		if st, err = st.WithDetails(&errdetails.ErrorInfo{Reason: said.Reason, Domain: said.Domain}); err != nil {
			return err
		}
	}
	return st.Err()
}
