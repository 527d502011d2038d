package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit/cache"
	"msctl.dev/msctl/services/kit/kittest"
)

// newInbox is one in that Redis.
func newInbox(t *testing.T, url string) inbox {
	t.Helper()
	redis, err := cache.Open(kittest.App(t, map[string]string{"CACHE_URL": url}), "cache")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Close() })
	return inbox{redis: redis}
}

// eachRedis runs the test on the embedded Redis and on a real one.
func eachRedis(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("embedded", func(t *testing.T) { test(t, kittest.Redis(t)) })
	t.Run("redis", func(t *testing.T) {
		need.Native(t, "redis-server")
		test(t, kittest.RedisServer(t, need.Program("redis-server")))
	})
}

// waits checks that a mail is another's for now.
func waits(t *testing.T, i inbox, request string) {
	t.Helper()
	short, cancel := context.WithTimeout(t.Context(), 3*inboxPoll)
	defer cancel()
	if c, err := i.claim(short, request); err == nil {
		t.Errorf("%s is another's: got %+v", request, c)
	}
}

// claims checks how far a mail is, and does not wait for as long as a claim lasts.
func claims(t *testing.T, i inbox, request string, want state) claim {
	t.Helper()
	soon, cancel := context.WithTimeout(t.Context(), inboxHold/2)
	defer cancel()
	c, err := i.claim(soon, request)
	if err != nil || c.at != want {
		t.Errorf("claim %s: got %+v, %v; want it at %q", request, c, err, want)
	}
	return c
}

// TestHanded waits for a replica that waits for the server's answer, and takes it for dead only later.
func TestHanded(t *testing.T) {
	i := newInbox(t, kittest.Redis(t))
	mine := claims(t, i, "r1", unknown)
	if err := i.handOver(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	waits(t, i, "r1")
	i.redis.Expire(t.Context(), inboxKey("r1"), inboxKept-inboxEnds-time.Second)
	found := claims(t, i, "r1", handed)
	if err := i.release(t.Context(), found); err != nil { // a person may have it sent again
		t.Fatal(err)
	}
	mine = claims(t, i, "r1", unknown)
	if err := i.note(t.Context(), mine, sent); err != nil {
		t.Fatal(err)
	}
	if err := i.release(t.Context(), mine); err != nil { // late: it is no more to be had
		t.Fatal(err)
	}
	claims(t, i, "r1", sent)
}

// TestLostAnswer loses the answer by which a claim is taken. The client sends the command again and is told that
// the key is there: the claim is the one who asks, and nobody waits for it to end.
func TestLostAnswer(t *testing.T) {
	eachRedis(t, func(t *testing.T, url string) {
		i, other := newInbox(t, kittest.Lossy(t, url, "nx", 1)), newInbox(t, url)
		mine := claims(t, i, "r1", unknown)
		waits(t, other, "r1")
		if err := i.handOver(t.Context(), mine); err != nil {
			t.Error(err)
		}
		if got, want := i.redis.Get(t.Context(), inboxKey("r1")).Val(), "handed "+mine.owner; got != want {
			t.Errorf("Redis holds %q, want %q", got, want)
		}
	})
}

// TestNoAnswer loses the answer to the second try too: the claim fails, and the next one need not wait for it.
func TestNoAnswer(t *testing.T) {
	eachRedis(t, func(t *testing.T, url string) {
		i := newInbox(t, kittest.Lossy(t, url, "nx", 2))
		if c, err := i.claim(t.Context(), "r1"); err == nil {
			t.Fatalf("got %+v, want an error", c)
		}
		claims(t, i, "r1", unknown)
	})
}

// TestClaimOfAnother takes nothing away from whoever has the mail now.
func TestClaimOfAnother(t *testing.T) {
	eachRedis(t, func(t *testing.T, url string) {
		i := newInbox(t, url)
		late := claims(t, i, "r1", unknown)
		i.redis.Del(t.Context(), inboxKey("r1")) // its hold ends
		now := claims(t, i, "r1", unknown)
		if err := i.handOver(t.Context(), late); !errors.Is(err, errTaken) {
			t.Errorf("hand over what is another's: got %v, want %v", err, errTaken)
		}
		if err := i.release(t.Context(), late); err != nil {
			t.Error(err)
		}
		waits(t, i, "r1")
		if err := i.release(t.Context(), now); err != nil {
			t.Error(err)
		}
		claims(t, i, "r1", unknown)
	})
}

// TestOthersGoOn sends mails while one waits for what another replica does with it.
func TestOthersGoOn(t *testing.T) {
	w := newWorld(t, nil)
	i := newInbox(t, w.cache)
	c := claims(t, i, "r-0", unknown)
	w.ask("r-0")
	for _, request := range []string{"r-1", "r-2", "r-3"} {
		w.ask(request)
		if key, r := w.event(); key != notificationSent || r.Request != request {
			t.Errorf("told %s %+v, want %s sent", key, r, request)
		}
	}
	if err := i.release(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if key, r := w.event(); key != notificationSent || r.Request != "r-0" {
		t.Errorf("told %s %+v, want r-0 sent", key, r)
	}
}
