// Command gateway is the one door of the fleet: it knows who asks, whether they may, how often, and
// whether they asked before, and hands the request to the service behind.
package main

import (
	"context"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/cache"
	"msctl.dev/msctl/services/kit/flags"
)

func main() { kit.Main("gateway", run) }

func run(ctx context.Context, app *kit.App) error {
	app.Public = true
	redis, err := cache.Open(app, "cache")
	if err != nil {
		return err
	}
	defer redis.Close()
	rate, err := app.Env.Int("RATE_LIMIT", 50)
	if err != nil {
		return err
	}
	burst, err := app.Env.Int("RATE_BURST", 2*rate)
	if err != nil {
		return err
	}
	hold, err := app.Env.Duration("IDEMPOTENCY_TTL", 24*time.Hour)
	if err != nil {
		return err
	}
	wait, err := app.Env.Duration("PART_TIMEOUT", partWait)
	if err != nil {
		return err
	}
	fs, err := flags.Open(ctx, app)
	if err != nil {
		return err
	}
	g := &gateway{
		app:      app,
		flags:    fs,
		partWait: wait,
		auth:     newAuth(app, redis),
		limit:    cache.NewLimiter(redis, rate, burst),
		once:     cache.Idempotency{Redis: redis, TTL: hold},
	}
	h, err := g.handler(routes)
	if err != nil {
		return err
	}
	return app.Go(ctx, fs.Run, app.HTTP(h))
}
