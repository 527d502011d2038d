// Command email sends what is in email.queue as mail, once for each request, and tells what became
// of it.
package main

import (
	"context"
	"net/http"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/cache"
	"msctl.dev/msctl/services/kit/flags"
)

func main() { kit.Main("email", run) }

func run(ctx context.Context, app *kit.App) error {
	fs, err := flags.Open(ctx, app)
	if err != nil {
		return err
	}
	redis, err := cache.Open(app, "cache")
	if err != nil {
		return err
	}
	defer redis.Close()
	broker, err := bus.Dial(ctx, app, "broker")
	if err != nil {
		return err
	}
	defer broker.Close()
	app.Check("broker", broker.Ready)
	mail, err := newMailer(app)
	if err != nil {
		return err
	}
	c, err := consumer(app, sender{mail: mail, inbox: inbox{redis, func() bool { return !app.On("inbox") }}, events: broker})
	if err != nil {
		return err
	}
	return app.Go(ctx, fs.Run, broker.Consume(c), app.HTTP(http.NotFoundHandler()))
}

// consumer reads how patient the service is: EMAIL_ATTEMPTS tries, EMAIL_BACKOFF the first delay
// between them, which doubles.
func consumer(app *kit.App, s sender) (bus.Consumer, error) {
	c := bus.Consumer{Queue: kit.EmailQueue, Timeout: sendTimeout, Handle: s.handle, GaveUp: s.gaveUp}
	var err error
	if c.Attempts, err = app.Env.Int("EMAIL_ATTEMPTS", 5); err != nil {
		return c, err
	}
	c.Backoff, err = app.Env.Duration("EMAIL_BACKOFF", 200*time.Millisecond)
	return c, err
}
