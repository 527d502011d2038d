package telemetry

import (
	"container/list"
	"sync"
)

// cache keeps the columns of chunks that were read last, up to a number of bytes.
type cache struct {
	mu    sync.Mutex
	max   int64
	bytes int64
	byKey map[cacheKey]*list.Element
	order list.List // of *cached, last used first

	origins origins
}

type cacheKey struct {
	c   *chunk
	col int
}

type cached struct {
	at    cacheKey
	value any
	bytes int64
}

func (c *cache) get(at cacheKey) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[at]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).value, true
}

func (c *cache) has(at cacheKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byKey[at] != nil
}

func (c *cache) put(at cacheKey, value any, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, twice := c.byKey[at]; twice || bytes > c.max/4 {
		return
	}
	if c.byKey == nil {
		c.byKey = map[cacheKey]*list.Element{}
	}
	c.byKey[at] = c.order.PushFront(&cached{at, value, bytes})
	for c.bytes += bytes; c.bytes > c.max; {
		c.remove(c.order.Back())
	}
}

func (c *cache) remove(e *list.Element) {
	old := c.order.Remove(e).(*cached)
	delete(c.byKey, old.at)
	c.bytes -= old.bytes
}

// forget drops all columns of a segment.
func (c *cache) forget(s *segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*cached).at.c.s == s {
			c.remove(e)
		}
		e = next
	}
}

func (c *cache) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
