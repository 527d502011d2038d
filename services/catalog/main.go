// Command catalog tells what there is to buy: items from its database through a cache, and beside
// each how many are available, from the event stock.changed.
package main

import (
	"context"
	"embed"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/flags"
)

//go:embed migrations/*.sql
var migrations embed.FS

func main() { kit.Main("catalog", run) }

func run(ctx context.Context, app *kit.App) error {
	fs, err := flags.Open(ctx, app)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, app, "catalog-db", migrations)
	if err != nil {
		return err
	}
	defer d.Close()
	c, err := openCache(app)
	if err != nil {
		return err
	}
	defer c.redis.Close()
	broker, err := bus.Dial(ctx, app, "broker")
	if err != nil {
		return err
	}
	defer broker.Close()
	s := store{db: d, due: kit.NewBell()}
	shelf := newShelf(app.Log, c, s)
	shelf.on = app.On
	w := sweeper{store: s, cache: c, log: app.Log}
	return app.Go(ctx, fs.Run, d.Relay(broker), broker.Consume(s.changes()), shelf.run, w.run,
		app.HTTP(routes(s, shelf, c)))
}
