package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"msctl.dev/msctl/services/kit"
)

const (
	loadFor      = 5 * time.Second // one look into the database
	patienceFor  = time.Second     // for what another replica is loading
	awaitEvery   = 20 * time.Millisecond
	refreshBatch = 100
)

// source is where items are that are not in the cache.
type source interface {
	items(ctx context.Context, ids []string) (map[string]Item, error)
}

// shelf answers from the cache, and fills it from the source (cache-aside). However many ask at once
// for an item that is not there, one loads it: requests of one process share a flight, processes
// have leases. An item that is asked for is loaded anew before it runs out, while the old one is
// still given. Without Redis everything comes from the source.
type shelf struct {
	log      *slog.Logger
	cache    *cache
	source   source
	flights  singleflight.Group
	early    chan string // ids to load anew
	patience time.Duration
	on       func(pattern string) bool // nil: all are
}

func newShelf(log *slog.Logger, c *cache, s source) *shelf {
	return &shelf{log: log, cache: c, source: s, early: make(chan string, 10*refreshBatch), patience: patienceFor}
}

// items returns those of the ids that there are, and where they came from as the value of the header
// Cache-Status.
func (s *shelf) items(ctx context.Context, ids []string) (found map[string]Item, from string, err error) {
	if len(ids) == 0 {
		return nil, "catalog; hit", nil
	}
	entries, err := s.cache.get(ctx, ids)
	found, from = map[string]Item{}, "catalog; fwd=miss"
	if err != nil && s.on != nil && !s.on("bypass") {
		return nil, "", err
	}
	if err != nil {
		from = "catalog; fwd=bypass"
	}
	missing := s.collect(entries, ids, found)
	if len(missing) == 0 {
		return found, "catalog; hit", nil
	}
	loaded, err := s.share(ctx, missing)
	maps.Copy(found, loaded)
	return found, from, err
}

// collect adds to found what the entries hold, and returns the ids that they know nothing of.
func (s *shelf) collect(entries map[string]entry, ids []string, found map[string]Item) (missing []string) {
	now := time.Now().UnixMilli()
	for _, id := range ids {
		e, ok := entries[id]
		if !ok {
			missing = append(missing, id)
			continue
		}
		if e.Item != nil {
			found[id] = *e.Item
		}
		if e.Fresh <= now {
			s.refreshSoon(id)
		}
	}
	return missing
}

// share loads the ids, together with all others who want the same now. One who leaves does not end
// it for the rest.
func (s *shelf) share(ctx context.Context, ids []string) (map[string]Item, error) {
	flight := s.flights.DoChan(strings.Join(ids, ","), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadFor)
		defer cancel()
		return s.load(ctx, ids)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-flight:
		found, _ := r.Val.(map[string]Item)
		return found, r.Err
	}
}

// load brings the ids from the source into the cache. What another replica is loading is waited for
// a while.
func (s *shelf) load(ctx context.Context, ids []string) (map[string]Item, error) {
	token := kit.NewID()
	c, err := s.cache.claim(ctx, token, ids, false)
	if err != nil {
		s.log.DebugContext(ctx, "cache passed by", "err", err)
		return s.source.items(ctx, ids)
	}
	found := map[string]Item{}
	if len(c.mine) > 0 {
		if found, err = s.bring(ctx, token, c.mine); err != nil {
			return nil, err
		}
	}
	s.collect(c.there, slices.Collect(maps.Keys(c.there)), found)
	others := s.await(ctx, c.others, found)
	if len(others) == 0 {
		return found, nil
	}
	rest, err := s.source.items(ctx, others)
	maps.Copy(found, rest)
	return found, err
}

// bring loads ids whose lease the caller has, and puts them into the cache.
func (s *shelf) bring(ctx context.Context, token string, ids []string) (map[string]Item, error) {
	found, err := s.source.items(ctx, ids)
	if err != nil {
		return nil, err
	}
	if err := s.cache.fill(ctx, token, ids, found); err != nil {
		s.log.DebugContext(ctx, "cache not filled", "err", err)
	}
	return found, nil
}

// await adds to found what others put into the cache, and returns the ids that did not come.
func (s *shelf) await(ctx context.Context, ids []string, found map[string]Item) []string {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for len(ids) > 0 {
		select {
		case <-ctx.Done():
			return ids
		case <-tick.C:
		}
		entries, err := s.cache.get(ctx, ids)
		if err != nil {
			return ids
		}
		ids = s.collect(entries, ids, found)
	}
	return nil
}

// refreshSoon asks the refresher for an item. Where it has too much to do, a later reader asks.
func (s *shelf) refreshSoon(id string) {
	select {
	case s.early <- id:
	default:
	}
}

// run is the refresher: it loads anew what is asked for and near its end.
func (s *shelf) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-s.early:
			if err := s.refresh(ctx, s.more(id)); err != nil && ctx.Err() == nil {
				s.log.Debug("refresh put off", "err", err)
			}
		}
	}
}

// more collects what else waits, each id once.
func (s *shelf) more(id string) []string {
	ids := []string{id}
	for len(ids) < refreshBatch {
		select {
		case id := <-s.early:
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		default:
			return ids
		}
	}
	return ids
}

// refresh loads those of the ids anew that are still old and that no other replica is loading.
func (s *shelf) refresh(ctx context.Context, ids []string) error {
	ctx, cancel := context.WithTimeout(ctx, loadFor)
	defer cancel()
	entries, err := s.cache.get(ctx, ids)
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	ids = slices.DeleteFunc(ids, func(id string) bool { return entries[id].Fresh > now })
	if len(ids) == 0 {
		return nil
	}
	token := kit.NewID()
	c, err := s.cache.claim(ctx, token, ids, true)
	if err != nil || len(c.mine) == 0 {
		return err
	}
	_, err = s.bring(ctx, token, c.mine)
	return err
}
