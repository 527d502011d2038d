package proxy

import (
	"bytes"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// link is one connection of a caller as the faults see it.
type link struct {
	e    *Edge
	http bool            // requests are forwarded: delays act on each of them, not on bytes
	stop <-chan struct{} // closed when the edge ends
	dead chan struct{}   // closed when the connection has ended, or was broken: nothing is held back any more
	die  sync.Once       // closes dead

	mu       sync.Mutex // guards the rest, for as long as computing takes
	end      func(Ending)
	acts     map[*Placed]bool        // whether a fault acts on this connection: a coin is drawn once
	timers   map[*Placed]*time.Timer // that will end it
	up, down way
	left     bool
	broke    bool // a fault that took bytes was lifted: what comes behind the hole makes no sense

	lost atomic.Bool // a fault took bytes

	kept []byte // read from the caller and not yet let through; its reader's alone
	came time.Time
}

// way is one direction of a link.
type way struct {
	l     *link
	isUp  bool
	met   *acting // whom parts are of
	parts []part
}

// part is one fault that acts on a way.
type part struct {
	*Placed
	shape Shape
	did   bool // it was asked before
}

// join makes the link of a connection that begins.
func (e *Edge) join(stop <-chan struct{}, http bool, end func(Ending)) *link {
	l := &link{e: e, http: http, stop: stop, dead: make(chan struct{}), end: end}
	l.up, l.down = way{l: l, isUp: true}, way{l: l}
	e.mu.Lock()
	if e.links == nil {
		e.links = map[*link]struct{}{}
	}
	e.links[l] = struct{}{}
	e.mu.Unlock()
	if e.faults.Load().urgent() {
		l.look()
	}
	return l
}

// leave ends the link.
func (l *link) leave() {
	l.e.mu.Lock()
	delete(l.e.links, l)
	l.e.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left {
		return
	}
	l.left = true
	l.abandon()
	for _, t := range l.timers {
		t.Stop()
	}
}

// abandon ends all waits of a connection that nothing goes over any more. A nil link has none.
func (l *link) abandon() {
	if l != nil {
		l.die.Do(func() { close(l.dead) })
	}
}

// ends says how the connection is ended from now on.
func (l *link) ends(end func(Ending)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = end
}

// finish ends the connection because a fault says so.
func (l *link) finish(how Ending) {
	l.mu.Lock()
	end := l.end
	l.mu.Unlock()
	end(how)
	l.abandon()
}

// look obeys what the faults say about a connection whether or not something goes over it.
func (l *link) look() {
	a := l.e.faults.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left {
		return
	}
	if l.holed(a) {
		go l.finish(ByClose)
		return
	}
	for p, t := range l.timers {
		if !a.has(p) {
			t.Stop()
			delete(l.timers, p)
		}
	}
	if a == nil {
		return
	}
	for _, p := range a.enders {
		if l.timers[p] == nil && l.met(p) {
			l.arm(p)
		}
	}
}

// holed reports whether bytes are missing because of a fault that acts no more. The lock is held.
func (l *link) holed(a *acting) bool {
	for _, w := range []*way{&l.up, &l.down} {
		for _, p := range w.parts {
			if b, ok := p.shape.(Breaker); ok && b.Broke() && !a.has(p.Placed) {
				l.broke = true
			}
		}
	}
	return l.broke
}

// arm sets the timer of a fault that ends connections.
func (l *link) arm(p *Placed) {
	after, how := p.Fault.(Ender).Ends()
	if how == NoEnding {
		return
	}
	if l.timers == nil {
		l.timers = map[*Placed]*time.Timer{}
	}
	l.timers[p] = time.AfterFunc(after, func() {
		p.acted.Add(1)
		l.finish(how)
	})
}

// met reports whether a fault acts on this connection.
func (l *link) met(p *Placed) bool {
	acts, known := l.acts[p]
	if !known {
		if l.acts == nil {
			l.acts = map[*Placed]bool{}
		}
		acts = p.toss(l.e.name())
		l.acts[p] = acts
	}
	return acts
}

// toss draws the next coin of a fault on an edge.
func (p *Placed) toss(edge string) bool {
	if p.Toxicity <= 0 || p.Toxicity >= 1 {
		return true
	}
	return Coin(p.Seed, edge, p.ID, p.coins(edge).Add(1)-1) < p.Toxicity
}

// shaped reports whether faults act on bytes in a direction now, or have left a hole for which the connection ends.
func (l *link) shaped(up bool) bool {
	if up && len(l.kept) > 0 {
		return true
	}
	a, lost := l.e.faults.Load(), l.lost.Load()
	if !lost && (a == nil || len(a.shapers) == 0) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return lost && l.holed(a) || len(l.way(up).parted(a)) > 0
}

func (l *link) way(up bool) *way {
	if up {
		return &l.up
	}
	return &l.down
}

// parted returns the faults that act on the way. Those that acted before keep what they know.
func (w *way) parted(a *acting) []part {
	if w.met == a {
		return w.parts
	}
	w.l.holed(a) // what those know that act no more is forgotten here
	old := w.parts
	w.met, w.parts = a, nil
	maps.DeleteFunc(w.l.acts, func(p *Placed, _ bool) bool { return !a.has(p) })
	if a == nil {
		return nil
	}
	for i := range a.shapers {
		s := &a.shapers[i]
		if s.delay && w.l.http || !s.acts(w.isUp) || !w.l.met(s.Placed) {
			continue
		}
		if j := slices.IndexFunc(old, func(p part) bool { return p.Placed == s.Placed }); j >= 0 {
			w.parts = append(w.parts, old[j])
			continue
		}
		w.parts = append(w.parts, part{Placed: s.Placed, shape: s.shape(w.conn(s.Placed))})
	}
	return w.parts
}

// conn is what a fault is told of the way.
func (w *way) conn(p *Placed) Conn {
	edge, dir := w.l.e.name(), "down"
	if w.isUp {
		dir = "up"
	}
	return Conn{Edge: edge, Up: w.isUp, Seed: mix(p.Seed + p.coins(edge+"\x00"+dir).Add(1)), Met: time.Now()}
}

// ask asks every fault about the piece that is next in line, as of now.
func (w *way) ask(now time.Time, p Piece) (v Verdict, lifted <-chan struct{}) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	a := w.l.e.faults.Load()
	if w.l.holed(a) {
		return Verdict{End: ByClose}, nil
	}
	parts := w.parted(a)
	if a != nil {
		lifted = a.lifted
	}
	v.Most = p.Size
	for i := range parts {
		one := &parts[i]
		if !one.did {
			one.did = true
			one.acted.Add(1)
		}
		o := one.shape.Next(now, p)
		if o.End != NoEnding || o.Held || o.Wait.After(now) {
			return o, lifted
		}
		if o.Wait.After(p.Came) {
			p.Came = o.Wait
		}
		if o.Most > 0 {
			v.Most = min(v.Most, o.Most)
		}
		v.Drop = v.Drop || o.Drop
	}
	return v, lifted
}

// take tells the faults which bytes go on.
func (w *way) take(now time.Time, b []byte) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	for i := range w.parts {
		shape := w.parts[i].shape
		shape.Take(now, b)
		if holes, ok := shape.(Breaker); ok && holes.Broke() {
			w.l.lost.Store(true)
		}
	}
}

// done ends the connection where a fault wanted no more than what was sent.
func (w *way) done() error {
	w.l.mu.Lock()
	how := NoEnding
	for _, p := range w.parts {
		if c, ok := p.shape.(Closer); ok && how == NoEnding {
			how = c.Done()
		}
	}
	w.l.mu.Unlock()
	if how == NoEnding {
		return nil
	}
	w.l.finish(how)
	return errEnded
}

// words are the faults that act on the way, as people read them.
func (w *way) words() []string {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	var words []string
	for _, p := range w.parts {
		words = append(words, p.String())
	}
	return words
}

// next waits until bytes of a piece may go on, and returns how many. Where drop is set they are forgotten.
// It returns errEnded where the connection has ended. The wire of the caller is looked after meanwhile, nil where
// another goroutine reads it to its end.
func (w *way) next(p Piece, caller *wire) (n int, drop bool, err error) {
	for {
		now := time.Now()
		v, lifted := w.ask(now, p)
		switch {
		case v.End != NoEnding:
			w.l.finish(v.End)
			return 0, false, errEnded
		case v.Held:
			v.Wait = now.Add(time.Hour)
		case !v.Wait.After(now):
			return v.Most, v.Drop, nil
		}
		if tick := now.Add(hangTick); caller != nil && v.Wait.After(tick) {
			v.Wait = tick
		}
		if !w.l.rest(v.Wait, lifted) || caller != nil && caller.broken() {
			return 0, false, errEnded
		}
	}
}

// unlink takes the link from a wire that is carried as bytes from here on: the faults act in the pumps.
func (w *wire) unlink() *link {
	l := w.link
	w.link = nil
	l.mu.Lock()
	l.http, l.up.met, l.down.met = false, nil, nil
	l.mu.Unlock()
	if len(l.kept) > 0 {
		all := append(bytes.Clone(w.bytes()), l.kept...)
		w.drop()
		w.buf, w.r, w.w, l.kept = all, 0, len(all), nil
	}
	return l
}

// hangTick is how often a connection is looked after that hangs, or holds something back: its caller may have gone.
const hangTick = time.Second

// hang waits while a fault accepts connections and nothing more. It is false where the connection has ended.
func (l *link) hang(w *wire) bool {
	var told *Placed
	for {
		a := l.e.faults.Load()
		p := l.hung(a)
		if p == nil {
			return true
		}
		if p != told {
			told = p
			p.acted.Add(1)
		}
		if !l.rest(time.Now().Add(hangTick), a.lifted) || w.raw != nil && (w.over() || w.broken()) {
			return false
		}
	}
}

// hung returns the fault under which the connection hangs, or nil.
func (l *link) hung(a *acting) *Placed {
	if a == nil || len(a.hangs) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range a.hangs {
		if l.met(p) {
			return p
		}
	}
	return nil
}

// endConn ends one connection.
func endConn(c net.Conn, how Ending) {
	if how == ByReset {
		abort(c)
		return
	}
	closeWrite(c)
	c.Close()
}
