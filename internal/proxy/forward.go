package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// exchange is one request and its answer.
type exchange struct {
	x    *caller
	call *call
	body body  // of the request
	plan *plan // what faults do; nil: nothing
	all  int   // bytes of the request that were read: its head and what of its body came with it

	tried  []*target
	t      *target
	server *wire
	reused bool // server has served another request before
	whole  bool // the request is sent and still in the caller's buffer: it can be sent again
	spoke  bool // something of an answer was read
	went   bool // 100 Continue was passed on
	fresh  bool // idle connections are not to be trusted
	hung   bool // the callee ended its connection before the rest of the request came, and not because the caller left

	turn   turn // with server
	flight flight
	over   bool // the call has ended
}

// forward carries the request that was read and its answer. It reports whether the caller's connection
// serves another one.
func (x *caller) forward(ctx context.Context) bool {
	b := x.wire.bytes()
	method := x.req.method.of(b)
	x.head, x.connect = string(method) == http.MethodHead, string(method) == http.MethodConnect
	again := idempotent(method) || x.req.idempotent
	a := x.e.faults.Load()
	c := &x.call
	x.describe(c)
	x.exchange = exchange{x: x, call: c, body: requestBody(&x.req), turn: x.exchange.turn}
	r := &x.exchange
	defer r.finish()
	if c.Trace != [16]byte{} {
		r.flight = flight{trace: c.Trace, span: c.Span, sampled: c.Sampled}
		x.e.Callee.add(&r.flight)
	}
	n, err := r.body.take(x.wire.bytes()[x.req.size:])
	if err != nil {
		return r.fail(http.StatusBadRequest, err.Error(), false)
	}
	r.all = x.req.size + n
	x.more = len(x.wire.bytes()) > r.all
	r.whole = again && r.body.done
	if ends, keep := r.faults(ctx, a); ends {
		x.settle(false)
		return keep && !x.hasLeft()
	}
	keep := r.run(ctx)
	if x.hasLeft() {
		return false
	}
	return keep
}

// finish ends the call, once.
func (r *exchange) finish() {
	if r.over {
		return
	}
	r.over = true
	r.flight.remove()
	if r.x.e.Record != nil {
		r.call.Attrs = r.x.op.answered(r.call.Code)
	}
	r.x.e.end(r.call)
}

// faults lets the faults act. Where the request ends here, keep says whether the connection serves another one.
func (r *exchange) faults(ctx context.Context, a *acting) (ends, keep bool) {
	if a == nil {
		return false, false
	}
	r.call.Faults = a.words()
	if a.refuses() != nil {
		r.call.Err = "connection refused by a fault"
		abort(r.x.wire.conn)
		return true, false
	}
	d := a.hold()
	if len(a.asks) > 0 {
		d += r.ask(a)
	}
	if d > 0 {
		r.x.hold(a, d, r.body.done)
	}
	if r.x.hasBroken() {
		r.left()
		return true, false
	}
	if r.plan != nil {
		return r.act(ctx)
	}
	return false, false
}

// run sends the request and passes on the answer. It reports whether the connection serves another one.
func (r *exchange) run(ctx context.Context) bool {
	x := r.x
	defer r.done()
	for {
		if err := r.open(ctx); err != nil {
			return r.unreachable(ctx, err)
		}
		err := r.send()
		if err == nil {
			err = r.answer()
		}
		if err == nil {
			break
		}
		if err == errStale {
			r.close()
			continue
		}
		if errors.Is(err, errSwitched) {
			return r.switched(ctx)
		}
		if !r.again() {
			return r.broken(ctx, err)
		}
	}
	if r.plan != nil {
		if ends, keep := r.alter(ctx); ends {
			return keep
		}
	}
	return r.pass(x.req.persists() && x.res.persists())
}

var errSwitched = errors.New("switched protocols")

// open gets a connection to a target: an idle one, or a new one.
func (r *exchange) open(ctx context.Context) error {
	e := r.x.e
	last := errNoTarget
	for {
		t := e.take(r.tried)
		if t == nil {
			return last
		}
		r.t, r.reused = t, true
		if r.server = r.waiting(t); r.server == nil {
			c, err := connect(ctx, t)
			if err != nil {
				t.busy.Add(-1)
				r.t = nil
				r.tried, last = append(r.tried, t), err
				if ctx.Err() != nil || starved(err) {
					return err
				}
				continue
			}
			r.server, r.reused = newWire(c, 0), false
		}
		if !r.x.use(r.server) {
			return context.Canceled
		}
		r.call.Unit = t.unit
		return nil
	}
}

// waiting returns an idle connection to a target, or nil.
func (r *exchange) waiting(t *target) *wire {
	if r.fresh {
		return nil
	}
	return t.idle.take()
}

// send sends what was read of the request, has the rest sent aside, and waits for the first bytes of an answer.
func (r *exchange) send() error {
	b := r.x.wire.bytes()[:r.all]
	if r.server.raw == nil {
		return r.said(r.server.write(b))
	}
	return r.turn.say(r.server, b, r.reused, r)
}

// said goes on when what was read of the request is sent, or as much of it as could be.
func (r *exchange) said(n int, err error) error {
	x := r.x
	x.e.count.sent.Add(int64(n))
	if err != nil && n == 0 && r.reused && !x.side.sending {
		return err
	}
	r.whole = r.whole && r.reused
	if !r.whole {
		r.consumed()
	}
	switch {
	case err != nil:
		x.side.failed = true // an answer may have come before
	case !r.body.done:
		x.send(r.server, &r.body)
	default:
		x.hasSent()
		if !x.side.armed {
			x.look(watchAfter)
		}
	}
	return nil
}

// answer reads the head of the answer, and passes on those of interim ones.
func (r *exchange) answer() error {
	x := r.x
	for {
		n, err := r.server.readHead()
		r.spoke = r.spoke || r.server.r < r.server.w
		if err != nil {
			return err
		}
		b := r.server.bytes()[:n]
		if err := x.res.parseAnswer(b); err != nil {
			return err
		}
		r.consumed()
		switch {
		case x.res.status == http.StatusSwitchingProtocols, x.connect && x.res.status/100 == 2:
			return errSwitched
		case x.res.status >= 200:
			return nil
		}
		r.went = r.went || x.res.status == http.StatusContinue
		r.server.r += n
		if err := x.write(b); err != nil {
			x.leave(true)
			return err
		}
	}
}

// consumed forgets the request: it will not be sent again.
func (r *exchange) consumed() {
	r.whole = false
	if r.all == 0 {
		return // and the wire may be another goroutine's now
	}
	r.x.wire.r += r.all
	r.x.wire.release()
	r.call.Sent += int64(r.all)
	r.all = 0
}

// again reports whether the request can be sent once more, on another connection: this one was idle, and
// ended before anything came.
func (r *exchange) again() bool {
	if r.x.hasLeft() || r.spoke || !r.reused || r.all == 0 {
		return false
	}
	r.fresh = true
	r.close()
	return true
}

// pass sends the answer to the caller. It reports whether the connection serves another request.
func (r *exchange) pass(persists bool) bool {
	x := r.x
	r.t.well()
	if x.res.status >= http.StatusBadGateway && x.res.status <= http.StatusGatewayTimeout {
		r.t.fail(false)
	}
	d := answerBody(&x.res, x.head)
	n, rerr, werr := x.e.copyBody(r.server, x.wire, x.res.size, &d, &x.e.count.received)
	r.call.Received, r.call.Code = n, x.res.status
	if x.res.status >= 500 {
		r.call.Err = fmt.Sprintf("status %d", x.res.status)
	}
	whole := rerr == nil && werr == nil
	persists = persists && whole && d.framing != byClose
	wanted := persists && (!x.req.expects || r.went)
	if wanted && x.side.sending {
		wanted = r.upload()
		persists = wanted
	}
	if !wanted && x.side.sending {
		r.server.conn.Close() // it may not read what is being sent
	}
	x.settle(wanted)
	r.call.Sent += x.side.sent
	sent := r.body.done && !x.side.failed
	switch {
	case werr != nil || !r.hung && (x.hasBroken() || x.hasLeft() && (!whole || !sent || x.wire.broken())):
		r.left()
	case rerr != nil:
		r.call.Err = fmt.Sprintf("%s ended its answer early: %v", r.name(), rerr)
		if rerr != io.ErrUnexpectedEOF {
			abort(x.wire.conn)
		}
	case persists && sent && r.server.r == r.server.w && !x.hasLeft():
		r.release()
		return true
	case !sent:
		x.linger()
	}
	return persists && sent
}

// release keeps the connection to the target for a later request.
func (r *exchange) release() {
	r.x.use(nil)
	r.t.busy.Add(-1)
	r.x.e.keep(r.t, r.server)
	r.t, r.server = nil, nil
}

// close ends the connection to the target.
func (r *exchange) close() {
	if r.t == nil {
		return
	}
	r.x.use(nil)
	r.server.drop()
	r.server.conn.Close()
	r.t.busy.Add(-1)
	r.t, r.server = nil, nil
}

// done ends what is left of the exchange.
func (r *exchange) done() {
	r.x.settle(false)
	r.close()
	r.x.side.failed, r.x.side.malformed, r.x.side.sent = false, false, 0
}

// switched carries the connection as bytes from here on, because both sides agreed to.
func (r *exchange) switched(ctx context.Context) bool {
	x := r.x
	x.settle(false)
	r.call.Code = x.res.status
	r.finish()
	x.e.tunnel(ctx, r.t, x.wire, r.server, nil)
	return false
}

// idempotent reports a method that may be repeated, RFC 9110 section 9.2.2.
func idempotent(method []byte) bool {
	switch string(method) {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}
