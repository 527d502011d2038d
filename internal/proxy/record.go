package proxy

import (
	"net"
	"time"
)

// call is a Call that has begun.
type call struct{ Call }

// begin counts a call that begins.
func (e *Edge) begin(at time.Time, protocol string) *call {
	var c call
	e.start(&c, at, protocol)
	return &c
}

// start is begin for a call that is there already.
func (e *Edge) start(c *call, at time.Time, protocol string) {
	e.count.requests.Add(1)
	e.count.inFlight.Add(1)
	*c = call{Call{From: e.From, To: e.To, Protocol: protocol, Name: protocol, Start: at}}
}

// forget takes back begin: it was no call.
func (e *Edge) forget(*call) {
	e.count.requests.Add(-1)
	e.count.inFlight.Add(-1)
}

// end counts and records a call.
func (e *Edge) end(c *call) {
	e.count.inFlight.Add(-1)
	now := time.Now()
	c.Duration = now.Sub(c.Start)
	e.ended(now, &c.Call)
}

// ended counts and records a call that has its duration.
func (e *Edge) ended(now time.Time, c *Call) {
	if c.Err != "" {
		e.count.errors.Add(1)
	}
	e.recent.add(now, c.Duration, c.Err != "")
	if e.Record == nil {
		return
	}
	if c.Trace == ([16]byte{}) {
		c.of(e.origin(nil))
	}
	e.Record(*c)
}

// of sets what a call is made for, and its own span.
func (c *Call) of(o origin) {
	c.Trace, c.Parent, c.Sampled, c.Inferred, c.Span = o.trace, o.parent, o.sampled, o.inferred, newSpan()
}

// refused resets a caller because a fault says so.
func (e *Edge) refused(c net.Conn) {
	abort(c)
	call := e.begin(time.Now(), e.protocol())
	call.Err = "connection refused by a fault"
	call.Faults = e.faults.Load().words()
	e.end(call)
}

// protocol names what the edge carries.
func (e *Edge) protocol() string {
	if e.Protocol == "" {
		return "tcp"
	}
	return e.Protocol
}
