// Command users keeps people's profiles and how they want to be told things. It is the source of
// truth for destinations; others hear of changes by the event user.updated.
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

func main() { kit.Main("users", run) }

func run(ctx context.Context, app *kit.App) error {
	fs, err := flags.Open(ctx, app)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, app, "users-db", migrations)
	if err != nil {
		return err
	}
	defer d.Close()
	broker, err := bus.Dial(ctx, app, "broker")
	if err != nil {
		return err
	}
	defer broker.Close()
	s := store{d}
	return app.Go(ctx, fs.Run, d.Relay(broker), rpc.Server(app, server{store: s, log: app.Log}.register),
		app.HTTP(routes(s)))
}
