// Command inventory knows what is there, what orders hold, and what is sold. Orders reserve over
// gRPC; others hear of changes by the event stock.changed.
package main

import (
	"context"
	"embed"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/flags"
	"msctl.dev/msctl/services/kit/rpc"
)

//go:embed migrations/*.sql
var migrations embed.FS

func main() { kit.Main("inventory", run) }

func run(ctx context.Context, app *kit.App) error {
	fs, err := flags.Open(ctx, app)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, app, "inventory-db", migrations)
	if err != nil {
		return err
	}
	defer d.Close()
	broker, err := bus.Dial(ctx, app, "broker")
	if err != nil {
		return err
	}
	defer broker.Close()
	w, err := newWarehouse(app)
	if err != nil {
		return err
	}
	s := store{d}
	return app.Go(ctx, fs.Run, d.Relay(broker), newExpirer(app, s).run,
		rpc.Server(app, server{store: s, log: app.Log}.register), app.HTTP(routes(s, w)))
}
