package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/rpc"
	usersv1 "msctl.dev/msctl/services/proto/shop/users/v1"
)

// domain is whose reasons those of a refused call are.
const domain = "users"

// batchMost is how many users one call may ask for.
const batchMost = 200

// server serves users to other services as gRPC.
type server struct {
	usersv1.UnimplementedUsersServiceServer
	store store
	log   *slog.Logger
}

func (s server) register(to *grpc.Server) { usersv1.RegisterUsersServiceServer(to, s) }

// Get tells of one user.
func (s server) Get(ctx context.Context, in *usersv1.GetRequest) (*usersv1.GetResponse, error) {
	u, err := s.store.user(ctx, in.GetId())
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	return &usersv1.GetResponse{User: u.proto()}, nil
}

// BatchGet tells of those of the ids that there are, each once, in the order asked.
func (s server) BatchGet(ctx context.Context, in *usersv1.BatchGetRequest) (
	*usersv1.BatchGetResponse, error,
) {
	if n := len(in.GetIds()); n > batchMost {
		return nil, rpc.Refuse(codes.InvalidArgument, domain, "TOO_MANY", nil, "%d ids are over %d", n, batchMost)
	}
	us, err := s.store.batch(ctx, in.GetIds())
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	out := &usersv1.BatchGetResponse{}
	for _, u := range us {
		out.Users = append(out.Users, u.proto())
	}
	return out, nil
}

// refuse is what a caller is told of err: that there is no such user, that time is over, or no more
// than that something is wrong here.
func (s server) refuse(ctx context.Context, err error) error {
	if p := (*kit.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return rpc.Refuse(codes.NotFound, domain, "UNKNOWN_USER", nil, "%s", p.Detail)
	}
	return rpc.Failed(ctx, s.log, err, codes.Internal, "something went wrong here")
}

func (u User) proto() *usersv1.User {
	ways := map[string]*usersv1.Channel{}
	for name, c := range u.Channels {
		ways[name] = &usersv1.Channel{On: c.On, To: c.To}
	}
	return &usersv1.User{Id: u.ID, Name: u.Name, Language: u.Language, Channels: ways, Version: u.Version}
}
