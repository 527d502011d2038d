package chaos

import (
	"fmt"
	"sync"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var bandwidth = Kind{
	Name:   "bandwidth",
	Doc:    "so many bytes get through in a second",
	Layer:  Connection,
	Stream: "down",
	Params: []Param{
		{Name: "rate", Doc: "bytes per second", Type: Rate, Required: true},
		{Name: "shared", Doc: "all connections of the edge have it together, instead of each", Type: Flag, Default: "false"},
	},
	Example: "orders:payments bandwidth=100KB/s",
	New: func(a Args) (proxy.Fault, error) {
		if a.Size("rate") < 1 {
			return nil, wrong("stall lets nothing through", "put bandwidth on %s: a rate of 0", a.Target)
		}
		return &Bandwidth{Rate: a.Size("rate"), Shared: a.Flag("shared")}, nil
	},
}

// Bandwidth lets Rate bytes per second through. What a late timer cost is made up for.
type Bandwidth struct {
	Rate   int64
	Shared bool // by the connections of an edge

	mu      sync.Mutex
	buckets map[string]*bucket // of edges and directions
}

// String returns "bandwidth 100KB/s".
func (b *Bandwidth) String() string {
	text := "bandwidth " + size(b.Rate) + "/s"
	if b.Shared {
		text += " shared"
	}
	return text
}

// Shape returns the bucket of a connection, or the one of its edge.
func (b *Bandwidth) Shape(c proxy.Conn) proxy.Shape {
	if !b.Shared {
		return &bucket{rate: b.Rate}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := fmt.Sprint(c.Edge, " ", c.Up)
	if b.buckets[key] == nil {
		if b.buckets == nil {
			b.buckets = map[string]*bucket{}
		}
		b.buckets[key] = &bucket{rate: b.Rate}
	}
	return b.buckets[key]
}

// Buckets.
const (
	quantum = 10 * time.Millisecond  // of the rate goes at once, so that bytes flow evenly
	least   = 256                    // bytes that go at once
	most    = 64 << 10               // bytes that go at once
	ahead   = 2 * time.Millisecond   // that bytes may go before they are due, so that a fast rate is not all waiting
	slack   = 20 * time.Millisecond  // between two pieces of one transfer
	catchUp = 250 * time.Millisecond // that is made up for: what was not sent for longer is lost
)

// bucket is a token bucket that remembers when its last token was due instead of counting tokens.
type bucket struct {
	rate int64

	mu   sync.Mutex
	paid time.Time // up to when what was sent has been paid for
}

// Next lets a piece through when its last byte is due, or is soon.
func (b *bucket) Next(now time.Time, p proxy.Piece) proxy.Verdict {
	if p.Size == 0 {
		return proxy.Verdict{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(p.Size, int(min(max(int64(float64(b.rate)*quantum.Seconds()), least), most)))
	if p.Came.Sub(b.paid) > slack {
		b.paid = p.Came // nothing was to be sent: that is not saved up
	}
	due := b.paid.Add(b.time(n))
	if late := now.Sub(due) - catchUp; late > 0 {
		b.paid, due = b.paid.Add(late), due.Add(late)
	}
	if due.Sub(now) <= ahead {
		return proxy.Verdict{Most: n}
	}
	return proxy.Verdict{Wait: due, Most: n}
}

// Take pays for what goes.
func (b *bucket) Take(_ time.Time, bytes []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.paid = b.paid.Add(b.time(len(bytes)))
}

// time is how long so many bytes take.
func (b *bucket) time(n int) time.Duration {
	return time.Duration(float64(n) / float64(b.rate) * float64(time.Second))
}

// size writes a number of bytes as people do.
func size(n int64) string {
	for _, u := range []struct {
		unit  string
		bytes int64
	}{{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}} {
		if n >= u.bytes && n%(u.bytes/10) == 0 {
			return fmt.Sprintf("%g%s", float64(n)/float64(u.bytes), u.unit)
		}
	}
	return fmt.Sprintf("%dB", n)
}
