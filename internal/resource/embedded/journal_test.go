package embedded

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// TestRedisProcess is the server of [redisKill].
func TestRedisProcess(t *testing.T) {
	addr, dir := os.Getenv("EMBEDDED_ADDR"), os.Getenv("EMBEDDED_DIR")
	if addr == "" {
		t.Skip("a process of another test")
	}
	if err := Main(t.Context(), []string{"redis", "--addr", addr, "--dir", dir}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
}

// redisKill runs the server on dir for the length of f, and kills it.
func redisKill(t *testing.T, dir string, f func(*redis.Client)) {
	t.Helper()
	addr := freeAddr(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestRedisProcess$")
	cmd.Env = append(os.Environ(), "EMBEDDED_ADDR="+addr, "EMBEDDED_DIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	defer end()
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer c.Close()
	eventually(t, "redis answers", func() bool { return c.Ping(t.Context()).Err() == nil })
	f(c)
	end()
}

// TestRedisKilled kills the server right behind the answers: all that was answered is there again, by
// whichever way it came, and what was deleted is not.
func TestRedisKilled(t *testing.T) {
	dir := t.TempDir()
	redisKill(t, dir, func(c *redis.Client) {
		do(t, c, "SET", "gone", "v")
		do(t, c, "SET", "kept", "v", "EX", 1000)
		do(t, c, "RPUSH", "queue", "a")
	})
	redisKill(t, dir, func(c *redis.Client) {
		do(t, c, "SETNX", "key", "\xff\n")
		do(t, c, "DEL", "gone")
		do(t, c, "EVAL", `redis.call("HSET", KEYS[1], "f", ARGV[1]); return redis.call("INCR", KEYS[2])`, 2, "hash", "count", "x")
		do(t, c, "LPOP", "queue")
		pipe := c.TxPipeline()
		pipe.Set(t.Context(), "both", "1", 0)
		pipe.Del(t.Context(), "nothing")
		pipe.SAdd(t.Context(), "set", "m")
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := redis.NewClient(&redis.Options{Addr: c.Options().Addr, DB: 3})
		defer other.Close()
		do(t, other, "SET", "key", "of database 3")
		popped(t, other)
	})
	redisKill(t, dir, func(c *redis.Client) {
		got := []any{do(t, c, "GET", "key"), do(t, c, "EXISTS", "gone", "queue"), do(t, c, "HGET", "hash", "f"), do(t, c, "GET", "count"),
			do(t, c, "GET", "both"), do(t, c, "SCARD", "set"), do(t, c, "GET", "kept"), do(t, c, "DBSIZE")}
		if diff := cmp.Diff([]any{"\xff\n", int64(0), "x", "1", "1", int64(1), "v", int64(6)}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if ttl := do(t, c, "TTL", "kept").(int64); ttl < 900 || ttl > 1000 {
			t.Errorf("TTL %d, want nearly 1000", ttl)
		}
		other := redis.NewClient(&redis.Options{Addr: c.Options().Addr, DB: 3})
		defer other.Close()
		if got := do(t, other, "GET", "key"); got != "of database 3" || do(t, other, "DBSIZE") != int64(1) {
			t.Errorf("database 3 holds %v", got)
		}
	})
}

// popped pushes to somebody who waits: the list is there for a moment only.
func popped(t *testing.T, c *redis.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := make(chan error, 1)
	go func() { got <- c.BLPop(ctx, time.Minute, "line").Err() }()
	do(t, c, "RPUSH", "line", "a")
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestJournalTornEnd takes over what was written whole, and what is behind it is nobody's.
func TestJournalTornEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dump.json")
	whole := `{"db":0,"key":"aw==","type":"string","values":["YQ=="]}` + "\n"
	for torn, want := range map[string]string{
		whole: "a", whole + whole[:20]: "a", whole + "\x00\n" + `{"db":0,"key":"aw=="}` + "\n": "a",
		whole + `{"db":0,"key":"aw==","type":"","values":null}` + "\n": "", "": "", `{"db":99,"key":"aw=="}` + "\n": "",
	} {
		if err := os.WriteFile(file+".log", []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(file)
		m := miniredis.NewMiniRedis()
		m.ClockTTL(true)
		j, _, err := openJournal(m, file)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := m.Get("k"); got != want {
			t.Errorf("%q: got %q, want %q", torn, got, want)
		}
		if err := j.close(); err != nil {
			t.Error(err)
		}
	}
}
