package proxy

import (
	"cmp"
	"sync"
	"sync/atomic"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// Bulk transfer.
const (
	fullReads  = 4       // in a row: then the kernel moves the bytes
	spliceSize = 4 << 20 // moved by the kernel until counters are brought up to date
)

// flow is one connection through an edge, in both directions.
type flow struct {
	e              *Edge
	client, server *wire
	link           *link
	watch          *watch // nil: the bytes are not read
	talk           *talk  // nil: faults act on no single message
	ends           atomic.Int32

	mu     sync.Mutex
	broken error // why it did not end in order
	dead   chan struct{}
	faults []string // that acted on it
}

// pump is one direction of a flow.
type pump struct {
	f        *flow
	from, to *wire
	dir      sniff.Dir
	way      *way          // as the faults see it
	count    *atomic.Int64 // of the edge
	moved    int64

	held []byte // of a message that faults are to be asked about, and is not all there
	skip int    // bytes of one that passes unasked
	raw  bool   // faults are asked about none: one could not be read
}

// run carries both directions until both have ended, and returns the bytes from and to the caller.
func (f *flow) run() (sent, received int64) {
	f.dead = make(chan struct{})
	f.link.ends(f.finish)
	up := pump{f: f, from: f.client, to: f.server, dir: sniff.Request, way: &f.link.up, count: &f.e.count.sent}
	down := pump{f: f, from: f.server, to: f.client, dir: sniff.Response, way: &f.link.down, count: &f.e.count.received}
	var other sync.WaitGroup
	other.Go(up.run)
	down.run()
	other.Wait()
	if f.talk != nil {
		f.talk.stop()
	}
	return up.moved, down.moved
}

// run carries one direction to its end. An orderly end is passed on as one, so that the other direction
// may go on; anything else ends both with a reset.
func (p *pump) run() {
	err := p.carry()
	if p.f.talk != nil && ended(err) {
		p.f.talk.end(p)
	}
	p.from.drop()
	if !ended(err) {
		p.f.breakOff(err)
		return
	}
	closeWrite(p.to.conn)
	if p.f.ends.Add(1) == 2 {
		_ = p.to.conn.SetReadDeadline(longAgo) // the other pump only watches
		return
	}
	if err := p.from.gone(); err != nil { // a peer that has ended may still break off
		p.f.breakOff(err)
	}
}

// end notes why the flow ends. It is false where it has ended before: the first reason stays.
func (f *flow) end(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return false
	}
	f.broken = err
	close(f.dead)
	return true
}

// breakOff ends both directions with a reset.
func (f *flow) breakOff(err error) {
	if f.end(err) {
		abort(f.client.conn)
		abort(f.server.conn)
		f.link.abandon()
	}
}

// finish ends both directions because a fault says so.
func (f *flow) finish(how Ending) {
	if how == ByReset {
		f.breakOff(errEnded)
		return
	}
	if f.end(errEnded) {
		closeWrite(f.client.conn)
		closeWrite(f.server.conn)
		f.client.conn.Close()
		f.server.conn.Close()
	}
}

// carry moves bytes until the source ends. What was read before the faults changed obeys the new ones.
func (p *pump) carry() error {
	full := 0
	for {
		a := p.f.e.faults.Load()
		if p.f.link.shaped(p.way.isUp) {
			if err := p.shaped(); err != nil {
				return err
			}
			continue
		}
		if p.from.r < p.from.w {
			if err := p.pass(p.from.bytes()); err != nil {
				return err
			}
			p.from.r = p.from.w
		}
		if full >= fullReads && p.spliceable() {
			p.from.release()
			if err := p.splice(a); err != nil {
				return err
			}
			full = 0
			continue
		}
		if err := p.from.fill(); err != nil {
			return err
		}
		if full++; p.from.w < len(p.from.buf) {
			full = 0
		}
	}
}

// pass writes bytes on, counts them and shows them to who reads along.
func (p *pump) pass(b []byte) error {
	if t := p.f.talk; t != nil {
		return t.pass(p, b)
	}
	p.f.watch.see(p.dir, b)
	return p.send(b)
}

// send writes bytes on and counts them.
func (p *pump) send(b []byte) error {
	n, err := p.to.write(b)
	p.add(int64(n))
	return err
}

func (p *pump) add(n int64) {
	p.moved += n
	p.count.Add(n)
}

func (p *pump) spliceable() bool { return p.f.watch == nil && spliceable(p.from, p.to) }

// splice lets the kernel move bytes until the source ends or the faults change.
func (p *pump) splice(a *acting) error {
	for {
		var n int64
		changed, err := p.f.e.unheeding(p.from.conn, a, func() error {
			var rerr, werr error
			n, rerr, werr = p.from.move(p.to, spliceSize)
			return cmp.Or(werr, rerr)
		})
		p.add(n)
		if err != nil || changed {
			return err
		}
	}
}

// acted notes faults that acted on the connection.
func (f *flow) acted(words []string) {
	f.watch.acted(words)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.faults == nil {
		f.faults = words
	}
}
