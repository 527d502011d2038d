// Command templates keeps what the fleet says to people: texts with variables, by channel and
// language, each change a new version that stays readable.
package main

import (
	"context"
	"embed"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

func main() { kit.Main("templates", run) }

func run(ctx context.Context, app *kit.App) error {
	// The database belongs to notifications too: a schema keeps the two apart.
	d, err := db.OpenWith(ctx, app, "notify-db", db.Options{Schema: "templates", Migrations: migrations})
	if err != nil {
		return err
	}
	defer d.Close()
	return app.Go(ctx, app.HTTP(routes(store{d})))
}
