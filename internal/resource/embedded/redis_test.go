package embedded

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// redisRun runs the server on dir for the length of f.
func redisRun(t *testing.T, dir string, f func(*redis.Client)) {
	t.Helper()
	addr := freeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Main(ctx, []string{"redis", "--addr", addr, "--dir", dir}, &buffer{}, &buffer{}) }()
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer c.Close()
	eventually(t, "redis answers", func() bool { return c.Ping(ctx).Err() == nil })
	f(c)
	c.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, c *redis.Client, args ...any) any {
	t.Helper()
	v, err := c.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return v
}

// TestRedisKeeps stops and starts the server with a value of each type.
func TestRedisKeeps(t *testing.T) {
	dir := t.TempDir()
	redisRun(t, dir, func(c *redis.Client) {
		do(t, c, "SET", "string", "a\x00\xff\nb")
		do(t, c, "SET", "\xfe key", "v", "EX", 1000)
		do(t, c, "SET", "soon", "v", "PX", 20)
		do(t, c, "RPUSH", "list", "b", "a", "b")
		do(t, c, "SADD", "set", "x", "y")
		do(t, c, "HSET", "hash", "f", "1", "g", "2")
		do(t, c, "ZADD", "zset", "-1.5", "low", "2", "high")
		do(t, c, "XADD", "stream", "1-1", "f", "v", "g", "w")
		do(t, c, "XADD", "stream", "2-1", "f", "z")
		other := redis.NewClient(&redis.Options{Addr: c.Options().Addr, DB: 3})
		defer other.Close()
		do(t, other, "SET", "string", "of database 3")
	})
	redisRun(t, dir, func(c *redis.Client) {
		got := []any{do(t, c, "GET", "string"), do(t, c, "LRANGE", "list", 0, -1), do(t, c, "SCARD", "set"), do(t, c, "HGET", "hash", "g"),
			do(t, c, "ZSCORE", "zset", "low"), do(t, c, "XRANGE", "stream", "-", "+")}
		want := []any{"a\x00\xff\nb", []any{"b", "a", "b"}, int64(2), "2", -1.5,
			[]any{[]any{"1-1", []any{"f", "v", "g", "w"}}, []any{"2-1", []any{"f", "z"}}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		eventually(t, "the short-lived key is gone", func() bool { return do(t, c, "EXISTS", "soon") == int64(0) })
		if ttl := do(t, c, "TTL", "\xfe key").(int64); ttl < 900 || ttl > 1000 {
			t.Errorf("TTL %d, want nearly 1000", ttl)
		}
		other := redis.NewClient(&redis.Options{Addr: c.Options().Addr, DB: 3})
		defer other.Close()
		if got := do(t, other, "GET", "string"); got != "of database 3" {
			t.Errorf("database 3 holds %v", got)
		}
	})
}

// TestRedisExpires lets a key go by the clock, with nothing to push it.
func TestRedisExpires(t *testing.T) {
	redisRun(t, t.TempDir(), func(c *redis.Client) {
		do(t, c, "SET", "k", "v", "PX", 50)
		eventually(t, "the key expires", func() bool { return do(t, c, "EXISTS", "k") == int64(0) })
	})
}

// TestRedisBrokenFile puts a file aside that cannot be read, and starts empty (B3).
func TestRedisBrokenFile(t *testing.T) {
	for _, content := range []string{"", "{", "[{}]x", `{"a":1}`, "\x00\xff"} {
		file := filepath.Join(t.TempDir(), "dump.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := loadRedis(miniredis.NewMiniRedis(), file)
		if err != nil || n != 0 {
			t.Errorf("%q: %d keys, %v", content, n, err)
		}
		if b, err := os.ReadFile(file + ".corrupt"); err != nil || string(b) != content {
			t.Errorf("%q is not kept aside: %v", content, err)
		}
	}
}

// FuzzRedisLoad never panics on a file and never takes what is expired.
func FuzzRedisLoad(f *testing.F) {
	f.Add([]byte(`[{"db":0,"key":"aw==","type":"zset","values":["bQ=="],"scores":[1]}]`))
	f.Add([]byte(`[{"db":99,"key":"aw==","type":"string","values":[]}]`))
	f.Add([]byte(`[{"db":1,"key":"aw==","type":"stream","values":["YQ=="],"ids":[{"id":"1-1","fields":-3}]}]`))
	f.Add([]byte(`[{"db":1,"key":"aw==","type":"hash","values":["YQ=="]}]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "dump.json")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		m := miniredis.NewMiniRedis()
		m.ClockTTL(true)
		if _, err := loadRedis(m, file); err == nil {
			if _, err := saveRedis(m, file+time.Now().Format("150405")); err != nil {
				t.Error(err)
			}
		}
	})
}
