package main

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"msctl.dev/msctl/services/kit"
	usersv1 "msctl.dev/msctl/services/proto/shop/users/v1"
)

// batchMost is how many users one call may ask for.
const batchMost = 200

// server serves users to other services as gRPC.
type server struct {
	usersv1.UnimplementedUsersServiceServer
	store store
}

func (s server) register(to *grpc.Server) { usersv1.RegisterUsersServiceServer(to, s) }

// Get tells of one user.
func (s server) Get(ctx context.Context, in *usersv1.GetRequest) (*usersv1.GetResponse, error) {
	u, err := s.store.user(ctx, in.GetId())
	if p := (*kit.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return nil, status.Error(codes.NotFound, p.Detail)
	}
	if err != nil {
		return nil, err
	}
	return &usersv1.GetResponse{User: u.proto()}, nil
}

// BatchGet tells of those of the ids that there are, each once, in the order asked.
func (s server) BatchGet(ctx context.Context, in *usersv1.BatchGetRequest) (
	*usersv1.BatchGetResponse, error,
) {
	if n := len(in.GetIds()); n > batchMost {
		return nil, status.Errorf(codes.InvalidArgument, "%d ids are over %d", n, batchMost)
	}
	us, err := s.store.batch(ctx, in.GetIds())
	if err != nil {
		return nil, err
	}
	out := &usersv1.BatchGetResponse{}
	for _, u := range us {
		out.Users = append(out.Users, u.proto())
	}
	return out, nil
}

func (u User) proto() *usersv1.User {
	ways := map[string]*usersv1.Channel{}
	for name, c := range u.Channels {
		ways[name] = &usersv1.Channel{On: c.On, To: c.To}
	}
	return &usersv1.User{Id: u.ID, Name: u.Name, Language: u.Language, Channels: ways, Version: u.Version}
}
