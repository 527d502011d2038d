package proxy

import (
	"bytes"
	"net"
	"sync"
	"time"
)

// lineBytes is what a delay line holds. It is what a way lets through at full speed with a delay: 40 MB/s with 50 ms.
const lineBytes = 2 << 20

// chunkCost is what a chunk takes beside its bytes.
const chunkCost = 128

// chunk is bytes that were read, or the end behind them.
type chunk struct {
	bytes []byte
	came  time.Time
}

// line is the bytes of one direction that were read and not yet let through. One goroutine puts, one takes.
type line struct {
	mu     sync.Mutex
	chunks []chunk
	size   int
	over   bool          // nothing more comes
	more   chan struct{} // holds one when something was put
	less   chan struct{} // holds one when something was taken
}

func newLine() *line { return &line{more: make(chan struct{}, 1), less: make(chan struct{}, 1)} }

// put waits until there is room. It is false where the connection has ended.
func (q *line) put(c chunk, dead <-chan struct{}) bool {
	for {
		q.mu.Lock()
		if q.size == 0 || q.size+len(c.bytes)+chunkCost <= lineBytes {
			q.chunks = append(q.chunks, c)
			q.size += len(c.bytes) + chunkCost
			q.mu.Unlock()
			signal(q.more)
			return true
		}
		q.mu.Unlock()
		select {
		case <-q.less:
		case <-dead:
			return false
		}
	}
}

// end says that nothing more comes.
func (q *line) end() {
	q.mu.Lock()
	q.over = true
	q.mu.Unlock()
	signal(q.more)
}

// take waits for the next chunk. It is false at the end, and where the connection has ended.
func (q *line) take(dead <-chan struct{}) (chunk, bool) {
	for {
		q.mu.Lock()
		if len(q.chunks) > 0 {
			c := q.chunks[0]
			q.chunks[0] = chunk{}
			q.chunks = q.chunks[1:]
			q.mu.Unlock()
			return c, true
		}
		over := q.over
		q.mu.Unlock()
		if over {
			return chunk{}, false
		}
		select {
		case <-q.more:
		case <-dead:
			return chunk{}, false
		}
	}
}

// gone gives the room of a chunk free.
func (q *line) gone(c chunk) {
	q.mu.Lock()
	q.size -= len(c.bytes) + chunkCost
	q.mu.Unlock()
	signal(q.less)
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// shaped carries through a line until the source ends or no fault acts on the bytes any more: this goroutine
// reads, another one writes when the faults let it. A chunk obeys the faults of the time when it is its turn;
// one that was read after the last was lifted is left in the wire.
func (p *pump) shaped() error {
	q := newLine()
	var out sync.WaitGroup
	out.Go(func() { p.release(q) })
	defer out.Wait()
	defer q.end()
	for {
		if p.from.r < p.from.w {
			if !p.f.link.shaped(p.way.isUp) {
				return nil
			}
			p.f.acted(p.way.words())
			c := chunk{bytes.Clone(p.from.bytes()), time.Now()}
			p.from.r = p.from.w
			if !q.put(c, p.f.dead) {
				return net.ErrClosed
			}
		}
		switch err := p.from.fill(); {
		case ended(err):
			if !q.put(chunk{came: time.Now()}, p.f.dead) {
				return net.ErrClosed
			}
			return err
		case err != nil:
			p.f.breakOff(err) // now: what is on the line does not arrive
			return err
		}
	}
}

// release writes the chunks of a line when the faults let it.
func (p *pump) release(q *line) {
	for {
		c, ok := q.take(p.f.dead)
		if !ok {
			return
		}
		if err := p.let(c); err != nil {
			p.f.breakOff(err)
			return
		}
		q.gone(c)
	}
}

// let writes one chunk, in pieces where the faults want so.
func (p *pump) let(c chunk) error {
	for b := c.bytes; ; {
		n, drop, err := p.way.next(Piece{len(b), c.came}, nil)
		if err != nil || len(b) == 0 {
			return err
		}
		p.way.take(time.Now(), b[:n])
		if !drop {
			err = p.pass(b[:n])
		}
		if err == nil {
			err = p.way.done()
		}
		if b = b[n:]; err != nil || len(b) == 0 {
			return err
		}
	}
}
