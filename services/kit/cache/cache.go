// Package cache connects a service to Redis, and holds what the fleet does with it: answers that
// are given once ([Idempotency]) and rate limits ([Limiter]).
package cache

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"msctl.dev/msctl/services/kit"
)

// Open returns a client of the Redis that the stack calls name ("cache" is at CACHE_URL) and adds
// it to the readiness checks. It connects when it is used. Close it when done.
func Open(app *kit.App, name string) (*redis.Client, error) {
	raw, err := app.Env.URL(name)
	if err != nil {
		return nil, err
	}
	o, err := redis.ParseURL(raw)
	if err != nil {
		return nil, fmt.Errorf("read URL of %s: it is not one of redis", name) // err quotes the password
	}
	// A Redis that is away is found out at once: callers have answers for that.
	o.DialTimeout, o.DialerRetries, o.MaxRetries = time.Second, 1, 1
	o.ReadTimeout, o.WriteTimeout, o.ContextTimeoutEnabled = time.Second, time.Second, true
	// Small servers that speak Redis do not know these two; their refusals would stand in every trace.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	redis.SetLogger(remarks{app.Log})
	c := redis.NewClient(o)
	c.AddHook(&scripts{}) // outside of the spans
	if app.Traced {
		if err := redisotel.InstrumentTracing(c, redisotel.WithDBStatement(false)); err != nil { // values stay here
			return nil, fmt.Errorf("trace %s: %w", name, err)
		}
	}
	app.Check(name, func(ctx context.Context) error { return c.Ping(ctx).Err() })
	return c, nil
}

// remarks hands on what the client says of its connections. Errors reach their caller anyway.
type remarks struct{ log *slog.Logger }

func (r remarks) Printf(ctx context.Context, format string, args ...any) {
	r.log.DebugContext(ctx, "redis remarked", "remark", fmt.Sprintf(format, args...))
}
