// Command notifications tells users things: it takes a request, asks users how they want to be
// reached and templates what to say, hands the work to email and push, and knows what became of it.
package main

import (
	"context"
	"embed"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/flags"
)

//go:embed migrations/*.sql
var migrations embed.FS

func main() { kit.Main("notifications", run) }

func run(ctx context.Context, app *kit.App) error {
	fs, err := flags.Open(ctx, app)
	if err != nil {
		return err
	}
	// The database belongs to templates too: a schema keeps the two apart.
	d, err := db.OpenWith(ctx, app, "notify-db",
		db.Options{Schema: "notifications", Migrations: migrations})
	if err != nil {
		return err
	}
	defer d.Close()
	broker, err := bus.Dial(ctx, app, "broker")
	if err != nil {
		return err
	}
	defer broker.Close()
	s := store{db: d, due: kit.NewBell()}
	work, err := newDispatcher(app, s)
	if err != nil {
		return err
	}
	shop := app.Env.Or("SHOP_URL", "https://shop.example")
	return app.Go(ctx, fs.Run, d.Relay(broker), work.run, broker.Consume(s.events(shop)),
		broker.Consume(s.failures()), app.HTTP(routes(s)))
}

// newDispatcher reads how patient the service is: DISPATCH_BACKOFF is the first delay after a try
// that found users or templates down, DISPATCH_GIVE_UP the age at which a notification fails.
func newDispatcher(app *kit.App, s store) (dispatcher, error) {
	w := dispatcher{app: app, store: s}
	var err error
	if w.users, err = app.Client("users"); err != nil {
		return w, err
	}
	if w.templates, err = app.Client("templates"); err != nil {
		return w, err
	}
	if w.backoff, err = app.Env.Duration("DISPATCH_BACKOFF", 500*time.Millisecond); err != nil {
		return w, err
	}
	w.giveUp, err = app.Env.Duration("DISPATCH_GIVE_UP", 24*time.Hour)
	return w, err
}
