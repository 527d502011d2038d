package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
	"msctl.dev/msctl/services/kit/rpc"
	usersv1 "msctl.dev/msctl/services/proto/shop/users/v1"
)

// TestRPC reads over gRPC what was written over REST, on every database that this machine has.
func TestRPC(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { testRPC(t, kittest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) {
		need.Native(t, "postgres")
		testRPC(t, kittest.Postgres(t, need.Program("initdb"), need.Program("postgres")))
	})
}

func testRPC(t *testing.T, database string) {
	url, addr := serve(t, map[string]string{"BROKER_URL": kittest.NATS(t), "USERS_DB_URL": database})
	do(t, "POST", url+"/users", ada)
	do(t, "POST", url+"/users", `{"id": "bob", "name": "Bob"}`)
	conn, err := rpc.Dial(kittest.App(t, map[string]string{"USERS_GRPC_ADDR": addr}), "users")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, ctx := usersv1.NewUsersServiceClient(conn), t.Context()

	one, err := c.Get(ctx, &usersv1.GetRequest{Id: "ada"})
	u := one.GetUser()
	if err != nil || u.GetName() != "Ada" || u.GetLanguage() != "de" || u.GetVersion() != 1 ||
		u.GetChannels()["email"].GetTo() != "ada@example.org" || u.GetChannels()["push"].GetOn() {
		t.Errorf("get: %v, %v", u, err)
	}
	_, err = c.Get(ctx, &usersv1.GetRequest{Id: "eve"})
	if reason, _ := rpc.Reason(err); status.Code(err) != codes.NotFound || reason != "UNKNOWN_USER" {
		t.Errorf("get nobody: %v, want NotFound as UNKNOWN_USER", err)
	}
	over, cancel := context.WithTimeout(ctx, 0)
	defer cancel()
	if err := (server{}).refuse(over, errors.New("no answer")); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("over time: %v, want DeadlineExceeded", err)
	}
	many, err := c.BatchGet(ctx, &usersv1.BatchGetRequest{Ids: []string{"bob", "eve", "ada", "bob"}})
	names := ""
	for _, u := range many.GetUsers() {
		names += u.GetName() + " "
	}
	if err != nil || names != "Bob Ada " {
		t.Errorf("batch: %q, %v, want Bob Ada", names, err)
	}
	if none, err := c.BatchGet(ctx, &usersv1.BatchGetRequest{}); err != nil || len(none.GetUsers()) != 0 {
		t.Errorf("batch of none: %v, %v", none, err)
	}
	var ids []string
	for i := range batchMost + 1 {
		ids = append(ids, fmt.Sprint(i))
	}
	if _, err := c.BatchGet(ctx, &usersv1.BatchGetRequest{Ids: ids}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("batch of too many: %v, want InvalidArgument", err)
	}
	state, err := grpc_health_v1.NewHealthClient(conn).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: "shop.users.v1.UsersService"})
	if err != nil || state.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", state, err)
	}
}

// serve runs the whole service and returns where it speaks HTTP and gRPC.
// TestDatabaseCut cuts the connection in the middle of statements: the caller hears that another try may
// help, which is made where the budget for it lasts.
func TestDatabaseCut(t *testing.T) {
	need.Native(t, "postgres")
	server := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
	_, addr := serve(t, map[string]string{"BROKER_URL": kittest.NATS(t),
		"USERS_DB_URL": kittest.LossySQL(t, server, "FROM users WHERE id", 3)})
	conn, err := rpc.Dial(kittest.App(t, map[string]string{"USERS_GRPC_ADDR": addr}), "users")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := usersv1.NewUsersServiceClient(conn)
	for _, want := range []codes.Code{codes.Unavailable, codes.NotFound} { // a call is tried three times
		if _, err := c.Get(t.Context(), &usersv1.GetRequest{Id: "eve"}); status.Code(err) != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func serve(t *testing.T, env map[string]string) (url, addr string) {
	t.Helper()
	rpcs := make(chan string, 1)
	url = kittest.Start(t, func(ctx context.Context, app *kit.App) error {
		next := app.Listening
		app.Listening = func(name string, a net.Addr) {
			if next(name, a); name == "grpc" {
				rpcs <- a.String()
			}
		}
		return run(ctx, app)
	}, env)
	return url, <-rpcs
}
