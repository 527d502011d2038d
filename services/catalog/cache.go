package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/services/kit"
	kitcache "msctl.dev/msctl/services/kit/cache"
)

const (
	leaseFor   = 2 * time.Second  // how long one replica may take to load an item
	absentKept = 10 * time.Second // how long it is remembered that there is no such item
)

// cache keeps items in Redis. Who wants to put one there takes a lease first, and keeps it only as
// long as nobody drops the item: what was read before a change never lands behind it.
type cache struct {
	redis       *redis.Client
	gate        *kit.Circuit // opens while Redis is away, so that nobody waits for it
	kept, fresh time.Duration
	timeout     time.Duration // of one command
}

// entry is what Redis holds of an id.
type entry struct {
	Item  *Item `json:"item"`  // nil: there is none
	Fresh int64 `json:"fresh"` // until then there is no need to look anew, in Unix milliseconds
}

// openCache reads how long an item is kept (CACHE_KEPT), after what time one that is asked for is
// loaded anew ahead of its end (CACHE_FRESH), and how long to wait for Redis (CACHE_TIMEOUT).
func openCache(app *kit.App) (*cache, error) {
	c := &cache{gate: kit.NewCircuit("cache", app.Log)}
	c.gate.Off = func() bool { return !app.On("breaker") }
	var err error
	if c.kept, err = app.Env.Duration("CACHE_KEPT", time.Minute); err != nil {
		return nil, err
	}
	if c.fresh, err = app.Env.Duration("CACHE_FRESH", 45*time.Second); err != nil {
		return nil, err
	}
	if c.timeout, err = app.Env.Duration("CACHE_TIMEOUT", 250*time.Millisecond); err != nil {
		return nil, err
	}
	if c.redis, err = kitcache.Open(app, "cache"); err != nil {
		return nil, err
	}
	app.Check("cache", func(context.Context) error { return nil }) // without it catalog is slower, no more
	return c, nil
}

// try runs one command, unless Redis is known to be away.
func (c *cache) try(ctx context.Context, what string, fn func(ctx context.Context) error) (err error) {
	open := c.gate.Do(ctx, func() (well bool) {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		err = fn(ctx)
		return err == nil
	})
	if err = cmp.Or(open, err); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func itemKey(id string) string  { return "catalog:item:" + id }
func leaseKey(id string) string { return "catalog:lease:" + id }

func itemKeys(ids []string) (keys []string) {
	for _, id := range ids {
		keys = append(keys, itemKey(id))
	}
	return keys
}

// pairs are the keys of each item and its lease.
func pairs(ids []string) (keys []string) {
	for _, id := range ids {
		keys = append(keys, itemKey(id), leaseKey(id))
	}
	return keys
}

// get returns what the cache holds of the ids, in one command.
func (c *cache) get(ctx context.Context, ids []string) (map[string]entry, error) {
	found := map[string]entry{}
	err := c.try(ctx, "read cache", func(ctx context.Context) error {
		values, err := c.redis.MGet(ctx, itemKeys(ids)...).Result()
		if err != nil {
			return err
		}
		for i, v := range values {
			if e, ok := read(v); ok {
				found[ids[i]] = e
			}
		}
		return nil
	})
	return found, err
}

// claim says of each id: the item where there is one by now, 1 where the lease is the caller's, 0
// where it is another's. With ARGV[3] an item that is there does not count. It may be sent again where
// its answer was lost: a lease that has the caller's token is the caller's.
var claim = redis.NewScript(`
local out = {}
for i = 1, #KEYS, 2 do
	local item = ARGV[3] == "" and redis.call("GET", KEYS[i])
	if item then
		out[#out + 1] = item
	elseif redis.call("SET", KEYS[i + 1], ARGV[1], "NX", "PX", ARGV[2]) or redis.call("GET", KEYS[i + 1]) == ARGV[1] then
		out[#out + 1] = 1
	else
		out[#out + 1] = 0
	end
end
return out`)

// claimed is how a claim ended.
type claimed struct {
	there  map[string]entry // came into the cache meanwhile
	mine   []string         // the caller has their leases, and loads them
	others []string         // somebody else is loading
}

// claim takes the leases of ids that nobody is loading. Unless anew, an item that is in the cache
// needs none.
func (c *cache) claim(ctx context.Context, token string, ids []string, anew bool) (claimed, error) {
	out := claimed{there: map[string]entry{}}
	flag := ""
	if anew {
		flag = "anew"
	}
	err := c.try(ctx, "take leases", func(ctx context.Context) error {
		took, err := claim.Run(ctx, c.redis, pairs(ids), token, leaseFor.Milliseconds(), flag).Slice()
		if err != nil {
			return err
		}
		for i, v := range took {
			out.add(ids[i], v)
		}
		return nil
	})
	return out, err
}

func (c *claimed) add(id string, v any) {
	if e, ok := read(v); ok {
		c.there[id] = e
	} else if v == int64(1) {
		c.mine = append(c.mine, id)
	} else {
		c.others = append(c.others, id)
	}
}

// read decodes what Redis holds of an id.
func read(v any) (e entry, ok bool) {
	data, ok := v.(string)
	return e, ok && json.Unmarshal([]byte(data), &e) == nil
}

// fill stores each item whose lease is still the caller's, and ends the lease.
var fill = redis.NewScript(`
for i = 1, #KEYS, 2 do
	if redis.call("GET", KEYS[i + 1]) == ARGV[1] then
		redis.call("SET", KEYS[i], ARGV[i + 1], "PX", ARGV[i + 2])
		redis.call("DEL", KEYS[i + 1])
	end
end`)

// fill stores what was loaded under the leases of token. An id that is not in found is remembered
// as one of no item.
func (c *cache) fill(ctx context.Context, token string, ids []string, found map[string]Item) error {
	args := []any{token}
	for _, id := range ids {
		e, kept := entry{Fresh: time.Now().Add(c.fresh).UnixMilli()}, min(c.kept, absentKept)
		if item, ok := found[id]; ok {
			e.Item, kept = &item, c.kept-rand.N(c.kept/10+1) // what was loaded together ends apart
		}
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		args = append(args, data, max(1, kept.Milliseconds()))
	}
	return c.try(ctx, "fill cache", func(ctx context.Context) error {
		if err := fill.Run(ctx, c.redis, pairs(ids), args...).Err(); !errors.Is(err, redis.Nil) {
			return err
		}
		return nil
	})
}

// drop takes items out of the cache, and their leases from whoever is loading them.
func (c *cache) drop(ctx context.Context, ids ...string) error {
	return c.try(ctx, "drop from cache", func(ctx context.Context) error {
		return c.redis.Del(ctx, pairs(ids)...).Err()
	})
}
