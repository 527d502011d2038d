package proxy

import (
	"hash/fnv"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
)

// Placed is a fault with what decides whom it acts on, and how often it did. One value may be placed on
// several edges. It is used by pointer.
type Placed struct {
	Fault
	ID        string
	Toxicity  float64  // share of connections or requests that it acts on
	Seed      uint64   // of its coins
	Stream    string   // "up", "down", or "": it has no direction
	Protocols []string // of the edges that it works on; nil: all

	acted atomic.Int64
	mu    sync.Mutex
	drawn map[string]*atomic.Uint64 // coins, by edge
}

// Acted is how many connections or requests it has acted on.
func (p *Placed) Acted() int64 { return p.acted.Load() }

// coins counts those drawn on an edge. Others that come and go on that edge do not change it.
func (p *Placed) coins(edge string) *atomic.Uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn == nil {
		p.drawn = map[string]*atomic.Uint64{}
	}
	if p.drawn[edge] == nil {
		p.drawn[edge] = new(atomic.Uint64)
	}
	return p.drawn[edge]
}

// Coin is a number in [0,1) that decides whether a fault acts on the connection or request with that
// ordinal, from 0, which it met on that edge. It is pure: the same seed gives the same coins.
func Coin(seed uint64, edge, fault string, ordinal uint64) float64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, strconv.FormatUint(seed, 16)+"\x00"+edge+"\x00"+fault)
	return float64(mix(h.Sum64()+ordinal*0x9e3779b97f4a7c15)>>11) / (1 << 53)
}

// mix is the finalizer of SplitMix64: neighbours become strangers.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
