package proxy

import (
	"net"
	"sync"
	"time"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// maxTalk is how much of a message a fault waits for, in bytes. A longer one passes unasked.
const maxTalk = 1 << 20

// talk is a connection whose protocol can be read, as the faults see it that act on single statements,
// commands and messages. Without such faults it is not read here; it is joined where nothing is on its way,
// so that connections which were open before obey too.
type talk struct {
	f    *flow
	know sniff.Insight

	mu       sync.Mutex    // guards what follows, and what is shown to who reads along
	on       speaker       // nil: the connection is not read here
	withheld bool          // the callee's answers are for nobody: the caller's connection ends with the last of them
	slow     time.Duration // holds back each row of the answers
	under    *acting       // the faults that slow is of: it ends with them

	back   sync.Mutex // holds the order of what goes to the caller
	writes sync.Mutex // holds the order of what goes to the callee
	late   []byte     // a message that goes after the next one
	timer  *time.Timer
}

// speaker reads and changes one protocol. Its two directions are used by one goroutine each, never at the
// same time.
type speaker interface {
	// cut returns the length of the message of the caller that b begins with. 0: it is not all there. Nothing
	// of it is kept. An error: it cannot be read, or is too long.
	cut(b []byte) (n int, err error)
	// describe tells what the faults are told of a message. It is false where they are not asked.
	describe(m []byte, q *Request) bool
	// instead returns what is sent in place of a message that a fault acts on, to the callee and to the caller.
	instead(m []byte, p *plan) (up, down []byte)
	// down returns what the caller gets of what the callee sent, and how many rows that has. ask asks the faults.
	down(b []byte, ask func(*Request) *plan) (out []byte, rows int)
	// resting reports that the connection need not be read here if no fault does want it.
	resting() bool
	// rest returns what down keeps, when nothing more comes.
	rest() []byte
}

// speakers are the protocols that faults act on.
func (t *talk) speaker() speaker {
	switch t.f.e.Protocol {
	case "postgres":
		return &pgTalk{know: t.know}
	case "redis":
		return &redisTalk{}
	case "nats":
		return &natsTalk{}
	case "amqp":
		return newAMQPTalk(t.know.Confirms())
	}
	return nil
}

// newTalk returns the talk of a flow, or nil where the protocol has none.
func newTalk(f *flow, p sniff.Parser) *talk {
	know, ok := p.(sniff.Insight)
	t := &talk{f: f, know: know}
	if !ok || t.speaker() == nil {
		return nil
	}
	return t
}

// pass carries bytes in one direction.
func (t *talk) pass(p *pump, b []byte) error {
	if p.dir == sniff.Response {
		return t.passDown(p, b)
	}
	t.mu.Lock()
	if p.raw && t.idle() {
		t.on, p.raw = nil, false
	}
	if a := t.f.e.faults.Load(); t.on == nil && a != nil && len(a.asks) > 0 && t.know.Idle() {
		t.on = t.speaker()
	}
	on := t.on
	t.f.watch.see(p.dir, b)
	t.mu.Unlock()
	switch {
	case on == nil:
		return p.send(b)
	case p.raw:
		return t.send(p, b)
	}
	return t.passUp(p, on, b)
}

// passUp sends the caller's messages one by one.
func (t *talk) passUp(p *pump, on speaker, b []byte) error {
	if len(p.held) > 0 {
		b = append(p.held, b...)
		p.held = nil
	}
	for len(b) > 0 {
		if p.skip > 0 {
			n := min(p.skip, len(b))
			if err := t.send(p, b[:n]); err != nil {
				return err
			}
			p.skip, b = p.skip-n, b[n:]
			continue
		}
		n, err := on.cut(b)
		switch {
		case err != nil:
			p.raw = true // and the callee's messages are read on: one may be half there
			return t.send(p, b)
		case n > maxTalk:
			p.skip = n
			continue
		case n == 0 || n > len(b):
			p.held = append([]byte(nil), b...)
			return nil
		}
		if err := t.message(p, on, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	t.rest()
	return nil
}

// rest stops reading the connection here when no fault wants it, and nothing is half done.
func (t *talk) rest() {
	if a := t.f.e.faults.Load(); a != nil && len(a.asks) > 0 || t.postponed() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle() {
		t.on = nil
	}
}

// postponed reports that a message is still to be sent: it may not go in the midst of another one.
func (t *talk) postponed() bool {
	t.writes.Lock()
	defer t.writes.Unlock()
	return t.late != nil
}

// idle reports that nothing is half done, so that what is read here can be forgotten. The lock is held.
func (t *talk) idle() bool { return !t.withheld && t.on.resting() && t.know.Idle() }

// message asks the faults about one message of the caller, and sends what they make of it.
func (t *talk) message(p *pump, on speaker, m []byte) error {
	var q Request
	t.mu.Lock()
	asked := on.describe(m, &q)
	t.mu.Unlock()
	if !asked {
		return t.send(p, m)
	}
	var late []byte
	if q.Method == "PUB" || q.Method == "PUBLISH" {
		late = t.overtake()
	}
	act := t.ask(&q)
	if act == nil {
		t.passes(on, m)
		return t.follow(p, m, late)
	}
	if act.Delay > 0 && !t.wait(act.Delay, act.under) {
		return net.ErrClosed
	}
	if act.Reset {
		t.f.breakOff(errEnded)
		return net.ErrClosed
	}
	act.Swap = act.Swap && late == nil
	up, err := t.change(on, m, act)
	if err != nil {
		return err
	}
	if act.Swap {
		return t.postpone(p, up)
	}
	return t.follow(p, up, late)
}

// follow sends a message, and behind it the one that was kept, if any.
func (t *talk) follow(p *pump, m, late []byte) error {
	if late != nil {
		t.caught()
	}
	return t.send(p, m, late)
}

// passes notes a message that no fault acts on.
func (t *talk) passes(on speaker, m []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slow, t.under = 0, nil
	if c, ok := on.(interface{ passes([]byte) }); ok {
		c.passes(m)
	}
}

// change does what faults do to a message, and returns what the callee gets in its place.
func (t *talk) change(on speaker, m []byte, act *plan) ([]byte, error) {
	if act.Drop && act.Confirm { // nothing may come from the callee in between
		t.back.Lock()
		defer t.back.Unlock()
	}
	t.mu.Lock()
	t.slow, t.under = act.DelayRow, act.under
	t.withheld = t.withheld || act.Omit
	up, down := on.instead(m, act)
	seen := down
	if l, ok := on.(interface{ unanswered([]byte, *plan) []byte }); ok && len(down) == 0 && t.know.Idle() {
		seen = l.unanswered(m, act)
	}
	if len(seen) > 0 {
		t.f.watch.see(sniff.Response, seen)
	}
	t.mu.Unlock()
	if len(down) == 0 {
		return up, nil
	}
	_, err := t.f.client.write(down)
	return up, err
}

// ask asks the faults about a message.
func (t *talk) ask(q *Request) *plan {
	a := t.f.e.faults.Load()
	if a == nil || len(a.asks) == 0 {
		return nil
	}
	q.Edge, q.Protocol = t.f.e.name(), t.f.e.Protocol
	if o, ok := t.f.e.Caller.only(); ok && q.Trace == [16]byte{} {
		q.Trace = o.trace
	}
	act := a.ask(q)
	if act != nil {
		t.f.watch.acts(blame{q.Name, q.alias, act.words})
	}
	return act
}

// wait waits until a delay is over or the faults are lifted. It is false where the connection has ended.
func (t *talk) wait(d time.Duration, a *acting) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var lifted <-chan struct{}
	if a != nil {
		lifted = a.lifted
	}
	select {
	case <-timer.C:
	case <-lifted:
	case <-t.f.dead:
		return false
	}
	return true
}

// send sends bytes to the callee: behind those that were kept, which are no longer to be overtaken.
func (t *talk) send(p *pump, all ...[]byte) error {
	t.writes.Lock()
	defer t.writes.Unlock()
	err := t.catchUp(p)
	for _, b := range all {
		if err == nil && len(b) > 0 {
			err = p.send(b)
		}
	}
	return err
}

// swapTime is how long a message waits for one to go before it.
const swapTime = time.Second

// postpone keeps a message until the next one was sent, or for a while.
func (t *talk) postpone(p *pump, m []byte) error {
	t.writes.Lock()
	defer t.writes.Unlock()
	t.late = append([]byte(nil), m...)
	t.timer = time.AfterFunc(swapTime, func() {
		t.writes.Lock()
		defer t.writes.Unlock()
		if err := t.catchUp(p); err != nil {
			t.f.breakOff(err)
		}
	})
	return nil
}

// overtake returns the message that was kept, which is to be sent after the one that is there now.
func (t *talk) overtake() []byte {
	t.writes.Lock()
	defer t.writes.Unlock()
	late := t.late
	if t.late = nil; t.timer != nil {
		t.timer.Stop()
	}
	return late
}

// catchUp sends the message that was kept. The lock of writes is held.
func (t *talk) catchUp(p *pump) error {
	late := t.late
	if late == nil {
		return nil
	}
	t.late = nil
	t.timer.Stop()
	t.caught()
	return p.send(late)
}

// caught notes that the message that was kept is sent now.
func (t *talk) caught() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.on.(interface{ caught() }); ok {
		l.caught()
	}
}

// end passes on what is left when a direction ends.
func (t *talk) end(p *pump) {
	if p.dir == sniff.Request {
		_ = t.send(p, p.held)
		t.writes.Lock()
		defer t.writes.Unlock()
		_ = t.catchUp(p)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on != nil && !t.withheld {
		_ = p.send(t.on.rest())
	}
}

// stop ends the timer.
func (t *talk) stop() {
	t.writes.Lock()
	defer t.writes.Unlock()
	if t.late = nil; t.timer != nil {
		t.timer.Stop()
	}
}

// passDown sends the callee's messages.
func (t *talk) passDown(p *pump, b []byte) error {
	t.back.Lock()
	defer t.back.Unlock()
	t.mu.Lock()
	if t.on == nil {
		t.f.watch.see(p.dir, b)
		t.mu.Unlock()
		return p.send(b)
	}
	if t.withheld {
		t.f.watch.see(p.dir, b)
		t.mu.Unlock()
		if know, ok := t.know.(sniff.Parser); ok {
			if n, _ := know.Pending(); n == 0 {
				t.f.breakOff(errEnded)
			}
		}
		return nil
	}
	out, rows := t.on.down(b, t.ask)
	t.f.watch.see(p.dir, out)
	if s, ok := t.on.(interface{ settled() }); ok && t.know.Idle() {
		s.settled()
	}
	if t.under != t.f.e.faults.Load() {
		t.slow, t.under = 0, nil
	}
	slow, under := t.slow, t.under
	t.mu.Unlock()
	if slow > 0 && rows > 0 && !t.wait(time.Duration(rows)*slow, under) {
		return net.ErrClosed
	}
	return p.send(out)
}
