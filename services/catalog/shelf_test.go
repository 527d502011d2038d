package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

// counter is a source that counts its queries; each waits with its answer for the gate, where there
// is one.
type counter struct {
	source
	gate    chan bool
	queries atomic.Int64
}

func (c *counter) items(ctx context.Context, ids []string) (map[string]Item, error) {
	found, err := c.source.items(ctx, ids)
	c.queries.Add(1)
	if c.gate != nil {
		<-c.gate
	}
	return found, errors.Join(err, ctx.Err())
}

// fixed is a source of one item of every id.
type fixed struct{}

func (fixed) items(_ context.Context, ids []string) (map[string]Item, error) {
	found := map[string]Item{}
	for _, id := range ids {
		found[id] = Item{Facts: Facts{ID: id, Version: 1}}
	}
	return found, nil
}

// commands counts what is sent to Redis, by name.
type commands struct {
	mu   sync.Mutex // guards sent
	sent map[string]int
}

func (c *commands) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sent[cmd.Name()]++
		return err
	}
}

func (c *commands) count(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent[name]
}

// place is a database with a cache before it.
func place(t *testing.T, env map[string]string) (store, *cache, *commands) {
	t.Helper()
	app := kittest.App(t, env)
	d, err := db.Open(t.Context(), app, "catalog-db", migrations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	c, err := openCache(app)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.redis.Close() })
	sent := &commands{sent: map[string]int{}}
	c.redis.AddHook(sent)
	return store{db: d, due: make(chan struct{}, 1)}, c, sent
}

// shelves are replicas that share a source.
func shelves(n int, c *cache, src source) (list []*shelf) {
	for range n {
		s := newShelf(slog.New(slog.DiscardHandler), c, src)
		s.patience = time.Minute
		list = append(list, s)
	}
	return list
}

// local is an environment of embedded servers. Redis has all the time that it wants.
func local(t *testing.T) map[string]string {
	return map[string]string{"CATALOG_DB_URL": kittest.SQLite(t), "CACHE_URL": kittest.Redis(t), "CACHE_TIMEOUT": "1m",
		"CACHE_KEPT": "1h", "CACHE_FRESH": "1h"}
}

// TestStampedeOfReplicas lets 100 requests at ten replicas miss one item at once: the database is
// asked for it once, by whoever has the lease.
func TestStampedeOfReplicas(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { testStampede(t, local(t)) })
	t.Run("redis", func(t *testing.T) {
		need.Native(t, "redis-server")
		env := local(t)
		env["CACHE_URL"] = kittest.RedisServer(t, need.Program("redis-server"))
		testStampede(t, env)
	})
}

func testStampede(t *testing.T, env map[string]string) {
	s, c, sent := place(t, env)
	if _, _, err := s.put(t.Context(), "mug", Content{Name: "Mug"}); err != nil {
		t.Fatal(err)
	}
	src := &counter{source: s, gate: make(chan bool)}
	var wg sync.WaitGroup
	for _, one := range shelves(10, c, src) {
		for range 10 {
			wg.Go(func() {
				found, _, err := one.items(t.Context(), []string{"mug"})
				if err != nil || found["mug"].Name != "Mug" {
					t.Errorf("got %v, %v", found, err)
				}
			})
		}
	}
	kittest.Eventually(t, "100 misses", func() bool { return sent.count("mget") >= 100 })
	close(src.gate)
	wg.Wait()
	if got := src.queries.Load(); got != 1 {
		t.Errorf("100 misses made %d queries, want 1", got)
	}
}

// TestLateClaim misses an item that another replica brings before this one gets to it: it is not
// loaded again.
func TestLateClaim(t *testing.T) {
	s, c, _ := place(t, local(t))
	if _, _, err := s.put(t.Context(), "mug", Content{Name: "Mug"}); err != nil {
		t.Fatal(err)
	}
	src := &counter{source: s}
	for _, one := range shelves(2, c, src) {
		if found, err := one.load(t.Context(), []string{"mug"}); err != nil || found["mug"].Name != "Mug" {
			t.Errorf("got %v, %v", found, err)
		}
	}
	if got := src.queries.Load(); got != 1 {
		t.Errorf("got %d queries, want 1", got)
	}
}

// TestLostLease loses the answer by which a lease is taken. The client sends the claim again: the lease is the one's
// who asks, and nobody waits for another to bring the item.
func TestLostLease(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { testLostLease(t, local(t)) })
	t.Run("redis", func(t *testing.T) {
		need.Native(t, "redis-server")
		env := local(t)
		env["CACHE_URL"] = kittest.RedisServer(t, need.Program("redis-server"))
		testLostLease(t, env)
	})
}

func testLostLease(t *testing.T, env map[string]string) {
	env["CACHE_URL"] = kittest.Lossy(t, env["CACHE_URL"], leaseKey("mug"), 1)
	_, c, sent := place(t, env)
	src := &counter{source: fixed{}}
	one := shelves(1, c, src)[0]
	ctx, cancel := context.WithTimeout(t.Context(), one.patience/4)
	defer cancel()
	for _, want := range []string{"catalog; fwd=miss", "catalog; hit"} {
		if found, from, err := one.items(ctx, []string{"mug"}); err != nil || found["mug"].ID != "mug" || from != want {
			t.Errorf("got %v from %s, %v; want it from %s", found, from, err, want)
		}
	}
	if got := sent.count("mget"); got != 2 || src.queries.Load() != 1 {
		t.Errorf("%d MGET and %d queries, want 2 and 1", got, src.queries.Load())
	}
}

// remote is a cache that connects to Redis by dial.
func remote(t *testing.T, dial func(context.Context) (net.Conn, error)) *cache {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:0", MaxRetries: -1, DialerRetries: 1,
		PoolSize:                 1000, // after so many dials in vain it goes on dialing behind the test's end
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer:                   func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }})
	t.Cleanup(func() { c.Close() })
	gate := kit.NewCircuit("cache", slog.New(slog.DiscardHandler))
	return &cache{redis: c, gate: gate, kept: time.Hour, fresh: time.Hour, timeout: 100 * time.Millisecond}
}

func away(context.Context) (net.Conn, error) { return nil, errors.New("away") }

// TestRedisIsNotWaitedFor has a Redis that does not let itself be reached: a read gives it two tries
// of 100 ms, and after the fifth nobody tries until a second is over.
func TestRedisIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan bool) // the client goes on dialing when nobody waits for it any more
		defer close(over)
		c := remote(t, func(context.Context) (net.Conn, error) { <-over; return nil, errors.New("over") })
		one := shelves(1, c, fixed{})[0]
		for i, want := range []time.Duration{200 * time.Millisecond, 200 * time.Millisecond, 100 * time.Millisecond, 0} {
			start := time.Now()
			if found, _, err := one.items(t.Context(), []string{"mug"}); err != nil || len(found) != 1 {
				t.Errorf("got %v, %v", found, err)
			}
			if got := time.Since(start); got != want {
				t.Errorf("read %d took %v, want %v", i, got, want)
			}
		}
	})
}

// TestLeaverHidesNoFailure gives up a read between those that fail: it is no success of Redis.
func TestLeaverHidesNoFailure(t *testing.T) {
	c := remote(t, away)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for range 5 {
		if c.gate.Open() {
			t.Fatal("who left was counted as a failure")
		}
		_, _ = c.get(gone, []string{"mug"})
		if _, err := c.get(t.Context(), []string{"mug"}); err == nil {
			t.Fatal("Redis is not away")
		}
	}
	if !c.gate.Open() {
		t.Error("who left hid five failures")
	}
}

// TestStampedeWithoutRedis lets 100 requests at one replica ask at once while Redis is away: they
// share one query.
func TestStampedeWithoutRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := remote(t, away)
		src := &counter{source: fixed{}, gate: make(chan bool)}
		one := shelves(1, c, src)[0]
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if found, from, err := one.items(t.Context(), []string{"mug"}); err != nil || found["mug"].ID != "mug" {
					t.Errorf("got %v from %s, %v", found, from, err)
				}
			})
		}
		synctest.Wait() // all wait for the gate, or for the one that does
		close(src.gate)
		wg.Wait()
		if got := src.queries.Load(); got != 1 {
			t.Errorf("100 requests made %d queries, want 1", got)
		}
	})
}

// TestLeaverEndsNothing gives up on an item that others wait for too.
func TestLeaverEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := remote(t, away)
		src := &counter{source: fixed{}, gate: make(chan bool)}
		one := shelves(1, c, src)[0]
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := one.items(ctx, []string{"mug"}); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if found, _, err := one.items(t.Context(), []string{"mug"}); err != nil || len(found) != 1 {
				t.Errorf("who stayed got %v, %v", found, err)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		close(src.gate)
		wg.Wait()
	})
}

// TestBatchRead reads 50 items of which 20 are in the cache: one MGET, and one query for the rest.
// Then all are there, also those of which there is no item.
func TestBatchRead(t *testing.T) {
	s, c, sent := place(t, local(t))
	ids, path := []string{}, "/items?ids="
	for i := range 50 {
		id := fmt.Sprintf("i%d", i)
		ids, path = append(ids, id), path+id+","
		if i == 49 {
			break // there is none
		}
		if _, _, err := s.put(t.Context(), id, Content{Name: id}); err != nil {
			t.Fatal(err)
		}
	}
	src := &counter{source: s}
	one := shelves(1, c, src)[0]
	if _, _, err := one.items(t.Context(), ids[:20]); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		mgets   int
		queries int64
		from    string
	}{{2, 2, "catalog; fwd=miss"}, {3, 2, "catalog; hit"}} {
		w := httptest.NewRecorder()
		routes(s, one, c).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 || w.Header().Get("Cache-Status") != want.from {
			t.Errorf("got %d %v", w.Code, w.Header())
		}
		if got := sent.count("mget"); got != want.mgets || src.queries.Load() != want.queries {
			t.Errorf("got %d MGET and %d queries so far, want %d and %d", got, src.queries.Load(), want.mgets, want.queries)
		}
	}
	if n := sent.count("get") + sent.count("set"); n > 0 {
		t.Errorf("%d items went one by one", n)
	}
}

// TestLateFill changes an item while a reader holds what it was: that does not land in the cache
// behind the change.
func TestLateFill(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		s, c, _ := place(t, env)
		if _, _, err := s.put(t.Context(), "mug", Content{Name: "old"}); err != nil {
			t.Fatal(err)
		}
		src := &counter{source: s, gate: make(chan bool)}
		one := shelves(1, c, src)[0]
		done := make(chan map[string]Item)
		go func() {
			found, _, _ := one.items(t.Context(), []string{"mug"})
			done <- found
		}()
		kittest.Eventually(t, "the early reader's query", func() bool { return src.queries.Load() == 1 })
		if _, _, err := s.put(t.Context(), "mug", Content{Name: "new"}); err != nil {
			t.Fatal(err)
		}
		if err := (sweeper{store: s, cache: c}).sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(src.gate)
		if got := (<-done)["mug"].Name; got != "old" {
			t.Errorf("the early reader got %q", got)
		}
		found, _, err := one.items(t.Context(), []string{"mug"})
		if err != nil || found["mug"].Name != "new" {
			t.Errorf("the late reader got %v, %v", found["mug"], err)
		}
	})
}

// TestEarlyRefresh asks for an item that is near its end: the old one is given at once, and a new one
// comes into the cache though nobody told of a change.
func TestEarlyRefresh(t *testing.T) {
	env := local(t)
	env["CACHE_FRESH"] = "1ms"
	s, c, _ := place(t, env)
	if _, _, err := s.put(t.Context(), "mug", Content{Name: "old"}); err != nil {
		t.Fatal(err)
	}
	one := shelves(1, c, s)[0]
	name := func() string {
		found, _, err := one.items(t.Context(), []string{"mug"})
		if err != nil {
			t.Fatal(err)
		}
		return found["mug"].Name
	}
	name()
	if _, err := s.db.Exec(`UPDATE items SET name = 'new'`); err != nil { // behind everybody's back
		t.Fatal(err)
	}
	if got := name(); got != "old" {
		t.Errorf("got %q, want the old one from the cache", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- one.run(ctx) }()
	kittest.Eventually(t, "the new one", func() bool { return name() == "new" })
	cancel()
	<-done
}

// TestOldStock hears of stock twice and late: the newest stays, and nothing is stale that did not
// change.
func TestOldStock(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		s, c, _ := place(t, env)
		if _, _, err := s.put(t.Context(), "mug", Content{Name: "Mug"}); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			told  string
			want  int64
			stale int
		}{
			{`{"item_id":"mug","available":9,"version":2}`, 9, 1},
			{`{"item_id":"mug","available":4,"version":7}`, 4, 1},
			{`{"item_id":"mug","available":6,"version":5}`, 4, 0},
			{`{"item_id":"mug","available":4,"version":7}`, 4, 0},
		} {
			if err := (sweeper{store: s, cache: c}).sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			m := kit.Message{ID: kit.NewID(), Key: stockChanged, Body: []byte(step.told)}
			if err := s.changes().Handle(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			found, err := s.items(t.Context(), []string{"mug"})
			if got := found["mug"].Available; err != nil || got == nil || *got != step.want {
				t.Errorf("after %s: got %v, %v; want %d", step.told, found["mug"], err, step.want)
			}
			if marks, err := s.stale(t.Context()); err != nil || len(marks) != step.stale {
				t.Errorf("after %s: %v are stale, %v; want %d", step.told, marks, err, step.stale)
			}
		}
	})
}
