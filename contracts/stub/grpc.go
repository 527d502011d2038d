package stub

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/dynamicpb"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/schema"
)

// Method returns the method that a call is about: by its metadata, else by its description.
func Method(i contracts.Interaction) (service, method string, ok bool) {
	if i.Content != nil {
		if name, said := i.Content.Metadata["grpc-method"].(string); said {
			return schema.Name(name)
		}
	}
	return schema.Name(i.Description)
}

// Services returns the gRPC services that the calls name.
func (s *Stub) Services() []string {
	var out []string
	for _, i := range s.interactions(contracts.Call) {
		if service, _, ok := Method(i); ok && !slices.Contains(out, service) {
			out = append(out, service)
		}
	}
	return out
}

// Server serves the calls; files describes their methods. It is healthy where no pact says how it is.
func (s *Stub) Server(files *schema.Files) *grpc.Server {
	all := s.interactions(contracts.Call)
	srv := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		name, _ := grpc.MethodFromServerStream(stream)
		return s.serve(stream, name, files, all)
	}))
	if !slices.Contains(s.Services(), grpc_health_v1.Health_ServiceDesc.ServiceName) {
		grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	}
	return srv
}

func (s *Stub) serve(stream grpc.ServerStream, name string, files *schema.Files, all []contracts.Interaction) error {
	service, method, _ := schema.Name(name)
	m, err := files.Method(service, method)
	if err != nil {
		s.seen(strings.TrimPrefix(name, "/"), "", "UNIMPLEMENTED")
		return status.Errorf(codes.Unimplemented, "no pact with %s says what %s answers: %v", s.Provider, name, err)
	}
	in := dynamicpb.NewMessage(m.Input())
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	raw, err := protojson.Marshal(in)
	if err != nil {
		return status.Errorf(codes.Internal, "read request: %v", err)
	}
	i, ok := bestCall(all, service+"/"+method, parse(raw))
	if !ok {
		s.seen(service+"/"+method, "", "UNIMPLEMENTED")
		return status.Errorf(codes.Unimplemented, "no pact with %s says what %s answers", s.Provider, name)
	}
	out := dynamicpb.NewMessage(m.Output())
	err = reply(i, out)
	s.seen(service+"/"+method, i.Title(), status.Code(err).String())
	if err != nil {
		return err
	}
	return stream.SendMsg(out)
}

// bestCall returns the call of a method whose request differs least.
func bestCall(all []contracts.Interaction, name string, got any) (contracts.Interaction, bool) {
	found, least := contracts.Interaction{}, -1
	for _, i := range all {
		service, method, ok := Method(i)
		if !ok || service+"/"+method != name {
			continue
		}
		n := 0
		if body, err := i.Content.Body.Bytes(); err == nil && len(body) > 0 {
			n = differences(parse(body), got, "$", readRules(i.Content.Rules), false)
		}
		n *= 2
		if code(i) != codes.OK {
			n++
		}
		if least < 0 || n < least {
			found, least = i, n
		}
	}
	return found, least >= 0
}

// code returns the status of a call's reply.
func code(i contracts.Interaction) codes.Code {
	if len(i.Replies) == 0 {
		return codes.OK
	}
	name, _ := i.Replies[0].Metadata["grpc-status"].(string)
	var c codes.Code
	if c.UnmarshalJSON([]byte(fmt.Sprintf("%q", strings.ToUpper(name)))) != nil {
		return codes.OK
	}
	return c
}

// reply fills out with the example, or returns the status that it is.
func reply(i contracts.Interaction, out *dynamicpb.Message) error {
	if len(i.Replies) == 0 {
		return nil
	}
	body, err := i.Replies[0].Body.Bytes()
	if err != nil {
		return status.Errorf(codes.Internal, "read reply: %v", err)
	}
	if c := code(i); c != codes.OK {
		return refusal(i, c, body)
	}
	if len(body) == 0 {
		return nil
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, out); err != nil {
		return status.Errorf(codes.Internal, "the pact's reply does not fit: %v", err)
	}
	return nil
}

func refusal(i contracts.Interaction, c codes.Code, body []byte) error {
	said := struct {
		Message, Reason, Domain string
		Metadata                map[string]string
	}{}
	json.Unmarshal(body, &said) // a refusal may have no body
	text, _ := i.Replies[0].Metadata["grpc-message"].(string)
	st := status.New(c, cmp.Or(said.Message, text, i.Description))
	if said.Reason != "" {
		if with, err := st.WithDetails(&errdetails.ErrorInfo{Reason: said.Reason, Domain: said.Domain, Metadata: said.Metadata}); err == nil {
			st = with
		}
	}
	return st.Err()
}
