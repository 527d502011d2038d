// Command payments takes the money of orders and gives it back, once each, by a bank that may be
// slow, away, or hang up when it is done. What it does not know yet is pending, and found out later.
package main

import (
	"context"
	"embed"
	"time"

	"google.golang.org/grpc"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/flags"
	"msctl.dev/msctl/services/kit/rpc"
	"msctl.dev/msctl/services/payments/bank"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

//go:embed migrations/*.sql
var migrations embed.FS

func main() { kit.Main("payments", run) }

func run(ctx context.Context, app *kit.App) error {
	fs, err := flags.Open(ctx, app)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, app, "payments-db", migrations)
	if err != nil {
		return err
	}
	defer d.Close()
	broker, err := bus.Dial(ctx, app, "broker")
	if err != nil {
		return err
	}
	defer broker.Close()
	work, err := newSettler(app, d)
	if err != nil {
		return err
	}
	serve := rpc.Server(app, func(s *grpc.Server) {
		paymentsv1.RegisterPaymentsServiceServer(s, &server{settler: work})
	})
	return app.Go(ctx, fs.Run, d.Relay(broker), work.run, serve, app.HTTP(routes(work.store)))
}

// newSettler reads how patient the service is: BANK_TIMEOUT is for one answer of the bank,
// PAYMENTS_BACKOFF the first delay after a call that the bank did not answer, PAYMENTS_LEASE how late
// another replica takes over after a crash.
func newSettler(app *kit.App, d *db.DB) (settler, error) {
	w := settler{app: app}
	var patience bank.Patience
	var err error
	if patience.Try, err = app.Env.Duration("BANK_TIMEOUT", 0); err != nil {
		return w, err
	}
	if w.bank, err = bank.New(app, patience); err != nil {
		return w, err
	}
	if w.backoff, err = app.Env.Duration("PAYMENTS_BACKOFF", 500*time.Millisecond); err != nil {
		return w, err
	}
	lease, err := app.Env.Duration("PAYMENTS_LEASE", 10*time.Second)
	w.store = store{db: d, lease: lease}
	return w, err
}
