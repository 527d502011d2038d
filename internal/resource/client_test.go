package resource_test

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
)

func scheme(t *testing.T, s string) string {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u.Scheme
}

var redisClient = client{
	write: func(ctx context.Context, e end, key, value string) error {
		return withRedis(e, func(c *redis.Client) error { return c.Set(ctx, key, value, 0).Err() })
	},
	read: func(ctx context.Context, e end, key string) (value string, err error) {
		err = withRedis(e, func(c *redis.Client) error {
			value, err = c.Get(ctx, key).Result()
			if errors.Is(err, redis.Nil) {
				return nil
			}
			return err
		})
		return value, err
	},
}

func withRedis(e end, f func(*redis.Client) error) error {
	o, err := redis.ParseURL(e.URL)
	if err != nil {
		return err
	}
	c := redis.NewClient(o)
	defer c.Close()
	return f(c)
}

var natsClient = client{
	write: func(ctx context.Context, e end, key, value string) error {
		return withNATS(e, func(js jetstream.JetStream) error {
			_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "keys", Subjects: []string{"keys.>"}})
			if err != nil {
				return err
			}
			_, err = js.Publish(ctx, "keys."+key, []byte(value))
			return err
		})
	},
	read: func(ctx context.Context, e end, key string) (value string, err error) {
		err = withNATS(e, func(js jetstream.JetStream) error {
			s, err := js.Stream(ctx, "keys")
			if err != nil {
				return err
			}
			m, err := s.GetLastMsgForSubject(ctx, "keys."+key)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return nil
			}
			if err == nil {
				value = string(m.Data)
			}
			return err
		})
		return value, err
	},
}

func withNATS(e end, f func(jetstream.JetStream) error) error {
	nc, err := nats.Connect(e.URL)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return f(js)
}

var postgresClient = client{
	write: func(ctx context.Context, e end, key, value string) error {
		return withPostgres(ctx, e, func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "CREATE TABLE IF NOT EXISTS kv (k text PRIMARY KEY, v text)")
			if err != nil {
				return err
			}
			_, err = c.Exec(ctx, "INSERT INTO kv VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = $2", key, value)
			return err
		})
	},
	read: func(ctx context.Context, e end, key string) (value string, err error) {
		err = withPostgres(ctx, e, func(c *pgx.Conn) error {
			err := c.QueryRow(ctx, "SELECT v FROM kv WHERE k = $1", key).Scan(&value)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
		return value, err
	},
}

func withPostgres(ctx context.Context, e end, f func(*pgx.Conn) error) error {
	c, err := pgx.Connect(ctx, e.URL)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return f(c)
}
