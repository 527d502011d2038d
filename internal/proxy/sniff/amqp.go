package sniff

import (
	"encoding/binary"
	"hash/maphash"
	"time"
)

// amqp reads AMQP 0-9-1, RabbitMQ's. An exchange is a message that is published, up to its confirmation where
// the channel has those; one that is delivered, up to its acknowledgement; or a question such as queue.declare.
type amqp struct {
	teller
	greeted  bool // the caller's protocol header was read
	in, out  amqpSide
	channels map[uint16]*amqpChannel
	// consumers that are not here take their messages without an acknowledgement, as far as we see.
	consumers map[amqpTag]amqpConsumer
	seed      maphash.Seed
	waiting   []amqpCall // oldest first, at most amqpMaxWaiting
	words     words
	scratch   []byte
}

// amqpTag is what a consumer is called on its channel.
type amqpTag struct {
	channel uint16
	tag     uint64 // hash
}

// amqpSide is one direction.
type amqpSide struct {
	tape
	start   time.Time // of the frame
	stage   amqpStage
	kind    byte
	channel uint16
	size    int64
	method  uint32 // class and method, where the frame is one
}

// amqpStage is what of a frame comes next.
type amqpStage uint8

const (
	amqpHead amqpStage = iota
	amqpMethodID
	amqpPayload
	amqpEnd
)

// Kinds of frames.
const (
	amqpMethod    = 1
	amqpHeader    = 2
	amqpBody      = 3
	amqpHeartbeat = 8
)

// Bounds of what is kept of a connection.
const (
	amqpMaxWaiting   = 64
	amqpMaxChannels  = 24
	amqpMaxConsumers = 32
	amqpMaxArgs      = 1 << 10 // of a method
	amqpMaxHeader    = 4 << 10 // of a message's properties
)

// amqpChannel is one channel.
type amqpChannel struct {
	confirm   bool
	published uint64         // messages since confirm was selected
	content   [2]amqpContent // a message on its way, for each direction
}

type amqpConsumer struct {
	queue string
	noAck bool
}

// amqpContent is a message whose header or body has not come in full.
type amqpContent struct {
	open bool
	call amqpCall
	left int64 // of the body
	back bool  // it is a message that the server returns
}

// amqpCall is what began and has not ended.
type amqpCall struct {
	kind     amqpKind
	channel  uint16
	tag      uint64 // of a publication or a delivery
	method   uint32 // the answer of a question
	name     string
	op       string // messaging.operation.name
	dest     string
	key      string // routing key
	parent   string
	start    time.Time
	size     int64 // of the body
	sent     int64
	received int64
	empty    bool // a get that got nothing
	noAck    bool
}

type amqpKind uint8

const (
	amqpQuestion amqpKind = iota
	amqpPublish
	amqpDelivery
	amqpGet
)

func (p *amqp) Pending() (int, time.Time) {
	if p.off || len(p.waiting) == 0 {
		return 0, time.Time{}
	}
	return len(p.waiting), p.waiting[0].start
}

// Work is what was delivered and is to be acknowledged.
func (p *amqp) Work(since time.Time) (w Work) {
	for i := range p.waiting {
		if c := &p.waiting[i]; !p.off && c.kind == amqpDelivery && !c.start.Before(since) {
			w.add(c.start, c.parent)
		}
	}
	return w
}

func (p *amqp) Feed(at time.Time, dir Dir, b []byte, emit func(Exchange)) {
	p.feed(at, dir, b, emit,
		func(b *[]byte) bool { return p.step(Request, &p.in, b) },
		func(b *[]byte) bool { return p.step(Response, &p.out, b) })
}

func (p *amqp) End(at time.Time, emit func(Exchange)) {
	p.begin(at, emit)
	if !p.off {
		p.endAll(func(c amqpCall) bool { return c.kind != amqpDelivery }, broken) // a delivery comes again
	}
	p.off = true
}

// step reads the next piece of a frame.
func (p *amqp) step(dir Dir, s *amqpSide, b *[]byte) bool {
	switch s.stage {
	case amqpHead:
		return p.head(dir, s, b)
	case amqpMethodID:
		h, ok := s.cut(b, 4)
		if !ok {
			return false
		}
		s.method, s.stage = binary.BigEndian.Uint32(h), amqpPayload
		s.size -= 4
		return true
	case amqpPayload:
		n := int(min(s.size, int64(s.keep())))
		head, ok := s.cut(b, n)
		if !ok {
			return false
		}
		s.skip, s.stage = s.size-int64(n), amqpEnd
		p.frame(dir, s, head)
		return true
	}
	end, ok := s.cut(b, 1)
	if !ok {
		return false
	}
	s.stage = amqpHead
	p.off = p.off || end[0] != 0xCE
	return true
}

// head reads what a frame begins with, or the header of the protocol.
func (p *amqp) head(dir Dir, s *amqpSide, b *[]byte) bool {
	if s.between() && len(*b) > 0 {
		s.start = p.at
	}
	if dir == Request && !p.greeted {
		h, ok := s.cut(b, 8)
		if !ok {
			return false
		}
		p.greeted, p.off = true, string(h) != "AMQP\x00\x00\x09\x01"
		p.wait(amqpCall{method: amqpConnectionOpenOK, name: "CONNECT", start: s.start, sent: 8})
		return !p.off
	}
	h, ok := s.cut(b, 7)
	if !ok {
		return false
	}
	s.kind, s.channel, s.size = h[0], binary.BigEndian.Uint16(h[1:]), int64(binary.BigEndian.Uint32(h[3:]))
	switch s.kind {
	case amqpMethod:
		s.stage = amqpMethodID
		p.off = s.size < 4
	case amqpHeader, amqpBody, amqpHeartbeat:
		s.stage = amqpPayload
	default:
		p.off = true
	}
	return !p.off
}

// keep says how much of a frame is looked at. The opening of a connection holds a password.
func (s *amqpSide) keep() int {
	switch {
	case s.kind == amqpHeader:
		return amqpMaxHeader
	case s.kind == amqpMethod && (s.method>>16 != 10 || s.method == amqpConnectionClose):
		return amqpMaxArgs
	}
	return 0
}

// total is the length of a method's frame, and of any other without its payload.
func (s *amqpSide) total() int64 {
	n := s.size + 8
	if s.kind == amqpMethod {
		n += 4
	}
	return n
}

func (p *amqp) frame(dir Dir, s *amqpSide, payload []byte) {
	switch s.kind {
	case amqpHeartbeat:
		return
	case amqpMethod:
		if dir == Request {
			p.asked(s, &fields{b: payload})
		} else {
			p.answered(s, &fields{b: payload})
		}
		return
	}
	ch := p.channels[s.channel]
	if ch == nil || !ch.content[dir].open {
		return
	}
	c := &ch.content[dir]
	c.call.count(dir, s.total())
	if s.kind == amqpHeader {
		f := fields{b: payload}
		f.u32() // class and weight
		c.left = int64(f.u64())
		c.call.size = c.left
		c.call.parent = amqpTraceParent(&f)
	} else {
		c.left -= s.size
	}
	if c.left <= 0 {
		c.open = false
		p.message(ch, c)
	}
}

func (c *amqpCall) count(dir Dir, n int64) {
	if dir == Request {
		c.sent += n
	} else {
		c.received += n
	}
}

// message is the end of a message's body.
func (p *amqp) message(ch *amqpChannel, c *amqpContent) {
	switch {
	case c.back:
		return
	case c.call.kind == amqpPublish && ch.confirm:
		ch.published++
		c.call.tag = ch.published
		p.wait(c.call)
	case c.call.kind == amqpDelivery && !c.call.noAck:
		p.wait(c.call)
	default:
		p.tellCall(c.call, "")
	}
}

// channel returns a channel's state, or nil where there are too many.
func (p *amqp) channel(id uint16) *amqpChannel {
	ch := p.channels[id]
	if ch == nil && len(p.channels) < amqpMaxChannels {
		if p.channels == nil {
			p.channels = make(map[uint16]*amqpChannel)
		}
		ch = &amqpChannel{}
		p.channels[id] = ch
	}
	return ch
}

// wait files what an answer ends. Where too much waits it is told at once.
func (p *amqp) wait(c amqpCall) {
	if len(p.waiting) < amqpMaxWaiting {
		p.waiting = append(p.waiting, c)
		return
	}
	if c.kind != amqpQuestion {
		p.tellCall(c, "")
	}
}

// endAll tells all that waits and that which takes.
func (p *amqp) endAll(which func(amqpCall) bool, err string) {
	kept := p.waiting[:0]
	for _, c := range p.waiting {
		if which(c) {
			p.tellCall(c, err)
			continue
		}
		kept = append(kept, c)
	}
	clear(p.waiting[len(kept):])
	p.waiting = kept
}

func (p *amqp) tellCall(c amqpCall, err string) {
	p.attr("messaging.system", "rabbitmq")
	x := Exchange{Name: c.name, Start: c.start, Err: err, Sent: c.sent, Received: c.received, TraceParent: c.parent}
	switch c.kind {
	case amqpPublish:
		x.Kind = Producer
		p.attr("messaging.operation.type", "send")
	case amqpDelivery:
		x.Kind = Consumer
		p.attr("messaging.operation.type", "process")
	case amqpGet:
		p.attr("messaging.operation.type", "receive")
		x.Kind = Consumer
		if c.empty {
			x.Kind = Client
			p.attr("messaging.batch.message_count", "0")
		}
	}
	p.attr("messaging.operation.name", c.op)
	p.attr("messaging.destination.name", c.dest)
	p.attr("messaging.rabbitmq.destination.routing_key", c.key)
	if c.kind != amqpQuestion && !c.empty {
		p.attr("messaging.message.body.size", p.words.number(c.size))
	}
	p.tell(x)
}

// shape returns the pattern of a name.
func (p *amqp) shape(name []byte) string {
	p.scratch = pattern(p.scratch[:0], name)
	return p.words.of(p.scratch)
}

// named returns what and name in one word.
func (p *amqp) named(what, name string) string {
	p.scratch = append(append(p.scratch[:0], what...), name...)
	return p.words.of(p.scratch)
}

// joined returns those of a and b that are not empty.
func (p *amqp) joined(between, a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	p.scratch = append(append(append(p.scratch[:0], a...), between...), b...)
	return p.words.of(p.scratch)
}
