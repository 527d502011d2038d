// Command legacy is the monolith that the fleet grew out of. It still is the bank at /bank, has the
// old catalogue, coupons, invoices and the warehouse, and takes pushes. Its formats are odd, as those
// of old systems are; it keeps everything in one file.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

func main() { kit.Main("legacy", run) }

func run(ctx context.Context, app *kit.App) error {
	d, err := open(ctx, app)
	if err != nil {
		return err
	}
	defer d.Close()
	return app.Go(ctx, app.HTTP(routes(store{d})))
}

// open opens the file that LEGACY_FILE names. Replicas may share it.
func open(ctx context.Context, app *kit.App) (*db.DB, error) {
	name := app.Env("LEGACY_FILE")
	if name == "" {
		return nil, errors.New("read LEGACY_FILE: not set")
	}
	file, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	// The kit finds databases by their addresses.
	given := app.Env
	app.Env = func(name string) string {
		if name == "LEGACY_DB_URL" {
			return (&url.URL{Scheme: "sqlite", Path: filepath.ToSlash(file)}).String()
		}
		return given(name)
	}
	return db.Open(ctx, app, "legacy-db", migrations)
}

func routes(s store) http.Handler {
	mux := http.NewServeMux()
	bank := bank{s}
	mux.Handle("POST /bank/txn", kit.HandlerFunc(bank.transact))
	mux.Handle("GET /bank/booked", kit.HandlerFunc(bank.booked))
	mux.Handle("GET /invoices/{order}", kit.HandlerFunc(bank.invoice))
	catalogue := catalogue{s}
	mux.Handle("GET /catalogue.php", kit.HandlerFunc(catalogue.read))
	mux.Handle("POST /catalogue.php", kit.HandlerFunc(catalogue.write))
	mux.Handle("GET /coupons/{code}", kit.HandlerFunc(coupon))
	mux.Handle("GET /warehouse/{item}", kit.HandlerFunc(restock))
	pushes := pushes{s}
	mux.Handle("POST /push", kit.HandlerFunc(pushes.send))
	mux.Handle("POST /push/send", kit.HandlerFunc(pushes.send))
	mux.Handle("GET /push/deliveries", kit.HandlerFunc(pushes.deliveries))
	return mux
}
