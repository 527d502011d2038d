package embedded

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// TestRedisKilledBehindOthers kills the server behind what changes keys that no command names.
func TestRedisKilledBehindOthers(t *testing.T) {
	dir := t.TempDir()
	redisKill(t, dir, func(c *redis.Client) { do(t, c, "SET", "old", "v") })
	redisKill(t, dir, func(c *redis.Client) {
		do(t, c, "EVAL", `redis.call("SET", "made:" .. KEYS[1], "v"); redis.call("DEL", "ol" .. "d"); return 1`, 1, "k")
		other := redis.NewClient(&redis.Options{Addr: c.Options().Addr, DB: 3})
		defer other.Close()
		do(t, other, "SET", "flushed", "v")
		pipe := other.TxPipeline()
		pipe.FlushDB(t.Context())
		pipe.Set(t.Context(), "behind", "v", 0)
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn := c.Conn()
		defer conn.Close()
		for _, args := range [][]any{{"MULTI"}, {"SELECT", 5}, {"DISCARD"}, {"SET", "stayed", "v"}, {"MULTI"}, {"SELECT", 3}, {"EXEC"}, {"SET", "moved", "v"}} {
			if err := conn.Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(args, err)
			}
		}
	})
	redisKill(t, dir, func(c *redis.Client) {
		other := redis.NewClient(&redis.Options{Addr: c.Options().Addr, DB: 3})
		defer other.Close()
		got := []any{do(t, c, "EXISTS", "made:k", "stayed"), do(t, c, "DBSIZE"), do(t, other, "EXISTS", "behind", "moved"), do(t, other, "DBSIZE")}
		if diff := cmp.Diff([]any{int64(2), int64(2), int64(2), int64(2)}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// journalRun runs a server with a journal for the length of f. Nothing is saved at its end.
func journalRun(t *testing.T, file string, f func(*journal, *redis.Client)) {
	t.Helper()
	m := miniredis.NewMiniRedis()
	defer m.Close()
	j, _, err := openJournal(m, file)
	if err != nil {
		t.Fatal(err)
	}
	defer j.file.Close()
	addr := freeAddr(t)
	end, err := j.serve(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer c.Close()
	f(j, c)
}

// TestJournalOfOldSave passes over a journal that is older than the save, for the process was killed before it
// could empty it.
func TestJournalOfOldSave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dump.json")
	var log []byte
	journalRun(t, file, func(j *journal, c *redis.Client) {
		do(t, c, "SET", "k", "small")
		do(t, c, "SET", "k", strings.Repeat("x", stateMost)) // only the save keeps it
		log, _ = os.ReadFile(file + ".log")
		if err := j.tidy(); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.WriteFile(file+".log", log, 0o600); err != nil {
		t.Fatal(err)
	}
	journalRun(t, file, func(_ *journal, c *redis.Client) {
		if n := do(t, c, "STRLEN", "k"); n != int64(stateMost) {
			t.Errorf("the key has %d bytes, want those of the save", n)
		}
	})
}

// TestJournalBound does not let a journal grow until somebody looks at it.
func TestJournalBound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dump.json")
	journalRun(t, file, func(_ *journal, c *redis.Client) {
		do(t, c, "SET", "k", strings.Repeat("x", stateMost/2))
		pipe := c.Pipeline()
		for range 400 {
			pipe.SetRange(t.Context(), "k", 0, "y")
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i, err := os.Stat(file + ".log"); err != nil || i.Size() > 9*journalMost {
			t.Errorf("the journal has %d bytes, %v", i.Size(), err)
		}
	})
}

// TestRedisEndsWithSomebodyWaiting ends at once where a client waits for ever.
func TestRedisEndsWithSomebodyWaiting(t *testing.T) {
	redisRun(t, t.TempDir(), func(c *redis.Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go c.BLPop(ctx, 0, "line")
		eventually(t, "it waits", func() bool { return strings.Contains(do(t, c, "INFO", "clients").(string), "connected_clients:2") })
	})
}
