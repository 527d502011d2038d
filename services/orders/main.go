// Command orders takes orders and sees them through: it keeps what happened to each as events, and
// drives it as a saga over inventory and payments, which is undone in reverse where a step is
// refused. Lists come from a read model; `orders rebuild` makes that anew from the events.
package main

import (
	"context"
	"embed"
	"os"
	"time"

	"google.golang.org/grpc"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/flags"
	"msctl.dev/msctl/services/kit/rpc"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
	ordersv1 "msctl.dev/msctl/services/proto/shop/orders/v1"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
	usersv1 "msctl.dev/msctl/services/proto/shop/users/v1"
)

//go:embed migrations/*.sql
var migrations embed.FS

func main() {
	if len(os.Args) > 1 && os.Args[1] == "rebuild" {
		kit.Main("orders", rebuild)
		return
	}
	kit.Main("orders", run)
}

func run(ctx context.Context, app *kit.App) error {
	fs, err := flags.Open(ctx, app)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, app, "orders-db", migrations)
	if err != nil {
		return err
	}
	defer d.Close()
	broker, err := bus.Dial(ctx, app, "broker")
	if err != nil {
		return err
	}
	defer broker.Close()
	lease, err := app.Env.Duration("SAGA_LEASE", 10*time.Second)
	if err != nil {
		return err
	}
	s := store{db: d, log: app.Log, me: kit.NewID(), lease: lease,
		due: kit.NewBell(), fresh: kit.NewBell()}
	h := handler{store: s}
	conns, err := h.dial(app)
	for _, c := range conns {
		defer c.Close()
	}
	if err != nil {
		return err
	}
	h.drive = func(w work) <-chan Order {
		return h.saga.start(ctx, w, time.Now().Add(h.saga.wait))
	}
	return app.Go(ctx, fs.Run, d.Relay(broker), broker.Consume(s.news()), h.saga.run, s.projector,
		app.HTTP(routes(h)), rpc.Server(app, func(srv *grpc.Server) {
			ordersv1.RegisterOrdersServiceServer(srv, server{store: s})
		}))
}

// dial connects the handler to the services that it calls. The connections are the caller's to close.
func (h *handler) dial(app *kit.App) (conns []*grpc.ClientConn, err error) {
	if h.catalog.client, err = app.Client("catalog"); err != nil {
		return nil, err
	}
	for _, service := range []string{"inventory", "payments", "users"} {
		c, err := rpc.Dial(app, service)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
	}
	h.users = usersv1.NewUsersServiceClient(conns[2])
	h.saga = saga{app: app, store: h.store, slots: make(chan struct{}, sagasAtOnce),
		inventory: inventoryv1.NewInventoryServiceClient(conns[0]),
		payments:  paymentsv1.NewPaymentsServiceClient(conns[1])}
	return conns, h.saga.configure(app.Env)
}

// configure reads how patient a saga is: SAGA_TIMEOUT bounds one step, SAGA_BACKOFF is the first
// delay between two tries of it, SAGA_WAIT is how long a client waits for an order's end.
func (s *saga) configure(env kit.Env) (err error) {
	if s.timeout, err = env.Duration("SAGA_TIMEOUT", 3*time.Second); err != nil {
		return err
	}
	if s.backoff, err = env.Duration("SAGA_BACKOFF", 100*time.Millisecond); err != nil {
		return err
	}
	s.wait, err = env.Duration("SAGA_WAIT", 2*time.Second)
	return err
}
