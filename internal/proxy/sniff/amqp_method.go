package sniff

import (
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
)

// Methods, class and number, that mean something to us. The answer of a question is the number after it.
const (
	amqpConnectionOpenOK  = 10<<16 | 41
	amqpConnectionClose   = 10<<16 | 50
	amqpConnectionCloseOK = 10<<16 | 51
	amqpChannelOpen       = 20<<16 | 10
	amqpChannelClose      = 20<<16 | 40
	amqpChannelCloseOK    = 20<<16 | 41
	amqpConsume           = 60<<16 | 20
	amqpConsumeOK         = 60<<16 | 21
	amqpCancel            = 60<<16 | 30
	amqpBasicPublish      = 60<<16 | 40
	amqpBasicReturn       = 60<<16 | 50
	amqpBasicDeliver      = 60<<16 | 60
	amqpBasicGet          = 60<<16 | 70
	amqpGetOK             = 60<<16 | 71
	amqpGetEmpty          = 60<<16 | 72
	amqpAck               = 60<<16 | 80
	amqpReject            = 60<<16 | 90
	amqpNack              = 60<<16 | 120
	amqpConfirmSelect     = 85<<16 | 10
	amqpConfirmSelectOK   = 85<<16 | 11
)

// amqpQuestions are the questions that are told: their name, how many names come before their flags, the first
// of which is shown, and which flag says that no answer is wanted (0 none).
var amqpQuestions = map[uint32]struct {
	name   string
	names  int
	noWait byte
}{
	40<<16 | 10:       {"exchange.declare", 2, 1 << 4},
	40<<16 | 20:       {"exchange.delete", 1, 1 << 1},
	40<<16 | 30:       {"exchange.bind", 3, 1},
	40<<16 | 40:       {"exchange.unbind", 3, 1},
	50<<16 | 10:       {"queue.declare", 1, 1 << 4},
	50<<16 | 20:       {"queue.bind", 3, 1},
	50<<16 | 30:       {"queue.purge", 1, 1},
	50<<16 | 40:       {"queue.delete", 1, 1 << 2},
	50<<16 | 50:       {"queue.unbind", 3, 0},
	amqpConsume:       {"basic.consume", 2, 1 << 3},
	amqpConfirmSelect: {"confirm.select", 0, 1},
	90<<16 | 10:       {"tx.select", 0, 0},
	90<<16 | 20:       {"tx.commit", 0, 0},
	90<<16 | 30:       {"tx.rollback", 0, 0},
}

// asked acts on a method of the caller.
func (p *amqp) asked(s *amqpSide, f *fields) {
	switch s.method {
	case amqpConnectionClose, amqpConnectionCloseOK:
		p.endAll(func(c amqpCall) bool { return c.kind != amqpDelivery }, broken)
		clear(p.waiting)
		p.waiting = p.waiting[:0]
	case amqpChannelClose, amqpChannelCloseOK:
		p.closed(s.channel)
	case amqpBasicPublish:
		p.published(s, f)
	case amqpBasicGet:
		f.u16()
		queue, noAck := f.short(), f.u8()&1 != 0
		c := amqpCall{kind: amqpGet, channel: s.channel, method: amqpGetOK, start: s.start, sent: s.total(), noAck: noAck}
		c.dest, c.op = p.shape(queue), "receive"
		c.name = p.named("receive ", c.dest)
		p.wait(c)
	case amqpAck:
		p.settle(s.channel, amqpDelivery, f.u64(), f.u8()&1 != 0, "")
	case amqpNack:
		p.settle(s.channel, amqpDelivery, f.u64(), f.u8()&1 != 0, "nack")
	case amqpReject:
		p.settle(s.channel, amqpDelivery, f.u64(), false, "reject")
	case amqpCancel:
		delete(p.consumers, p.tagged(s.channel, f.short()))
	default:
		p.question(s, f)
	}
}

// question files a question.
func (p *amqp) question(s *amqpSide, f *fields) {
	q, ok := amqpQuestions[s.method]
	if !ok {
		return
	}
	if s.method>>16 < 80 {
		f.u16()
	}
	var names [3][]byte
	for i := range q.names {
		names[i] = f.short()
	}
	flags := f.u8()
	if s.method == amqpConsume {
		p.consume(p.tagged(s.channel, names[1]), amqpConsumer{queue: p.shape(names[0]), noAck: flags&2 != 0})
	}
	if ch := p.channel(s.channel); ch != nil && s.method == amqpConfirmSelect && flags&q.noWait != 0 {
		ch.confirm = true
	}
	c := amqpCall{channel: s.channel, method: s.method + 1, start: s.start, sent: s.total(), op: q.name, dest: p.shape(names[0])}
	c.name = q.name
	if c.dest != "" {
		c.name = p.named(q.name+" ", c.dest)
	}
	if flags&q.noWait != 0 {
		p.tellCall(c, "")
		return
	}
	p.wait(c)
}

func (p *amqp) tagged(channel uint16, tag []byte) amqpTag {
	if p.seed == (maphash.Seed{}) {
		p.seed = maphash.MakeSeed()
	}
	return amqpTag{channel, maphash.Bytes(p.seed, tag)}
}

// consume notes the queue of a consumer; the server may name the consumer in its answer.
func (p *amqp) consume(tag amqpTag, c amqpConsumer) {
	if p.consumers == nil {
		p.consumers = make(map[amqpTag]amqpConsumer)
	}
	if len(p.consumers) < amqpMaxConsumers {
		p.consumers[tag] = c
	}
}

func (p *amqp) published(s *amqpSide, f *fields) {
	ch := p.channel(s.channel)
	if ch == nil {
		return
	}
	f.u16()
	exchange, key := p.shape(f.short()), p.shape(f.short())
	c := amqpCall{kind: amqpPublish, channel: s.channel, start: s.start, sent: s.total(), op: "publish", key: key}
	c.dest = p.joined(":", exchange, key)
	c.name = p.named("publish ", p.joined("/", exchange, key))
	ch.content[Request] = amqpContent{open: true, call: c}
}

// answered acts on a method of the server.
func (p *amqp) answered(s *amqpSide, f *fields) {
	switch s.method {
	case amqpConnectionClose:
		p.endAll(func(amqpCall) bool { return true }, amqpReason(f))
	case amqpChannelClose:
		reason := amqpReason(f)
		p.endAll(func(c amqpCall) bool { return c.channel == s.channel && c.name != "CONNECT" }, reason)
		p.closed(s.channel)
	case amqpChannelCloseOK:
		p.closed(s.channel)
	case amqpBasicDeliver:
		p.delivered(s, f)
	case amqpGetOK, amqpGetEmpty:
		p.got(s, f)
	case amqpBasicReturn:
		p.returned(s, f)
	case amqpAck:
		p.settle(s.channel, amqpPublish, f.u64(), f.u8()&1 != 0, "")
	case amqpNack:
		p.settle(s.channel, amqpPublish, f.u64(), f.u8()&1 != 0, "nack")
	default:
		p.reply(s, f)
	}
}

// reply ends the oldest question that s answers.
func (p *amqp) reply(s *amqpSide, f *fields) {
	if ch := p.channels[s.channel]; ch != nil {
		switch s.method {
		case amqpConfirmSelectOK:
			ch.confirm = true
		case amqpConsumeOK:
			unnamed := p.tagged(s.channel, nil)
			if c, ok := p.consumers[unnamed]; ok {
				delete(p.consumers, unnamed)
				p.consume(p.tagged(s.channel, f.short()), c)
			}
		}
	}
	for i, c := range p.waiting {
		if c.kind == amqpQuestion && c.method == s.method && c.channel == s.channel {
			p.remove(i)
			c.received += s.total()
			p.tellCall(c, "")
			return
		}
	}
}

func (p *amqp) remove(i int) {
	copy(p.waiting[i:], p.waiting[i+1:])
	p.waiting[len(p.waiting)-1] = amqpCall{}
	p.waiting = p.waiting[:len(p.waiting)-1]
}

// delivered begins a message that a consumer gets.
func (p *amqp) delivered(s *amqpSide, f *fields) {
	ch := p.channel(s.channel)
	if ch == nil {
		return
	}
	tag := f.short()
	c := amqpCall{kind: amqpDelivery, channel: s.channel, tag: f.u64(), start: s.start, received: s.total(), op: "process"}
	f.u8()
	exchange, key := p.shape(f.short()), p.shape(f.short())
	consumer, known := p.consumers[p.tagged(s.channel, tag)]
	c.noAck, c.key = consumer.noAck || !known, key
	p.consumed(&c, exchange, key, consumer.queue)
	ch.content[Response] = amqpContent{open: true, call: c}
}

// consumed names a message after the queue that it comes from.
func (p *amqp) consumed(c *amqpCall, exchange, key, queue string) {
	c.dest = p.joined(":", exchange, key)
	switch {
	case queue == "":
		queue = c.dest
	case queue != key:
		c.dest = p.joined(":", c.dest, queue)
	}
	c.name = p.named(c.op+" ", queue)
}

// got ends a get.
func (p *amqp) got(s *amqpSide, f *fields) {
	for i, c := range p.waiting {
		if c.kind != amqpGet || c.channel != s.channel {
			continue
		}
		p.remove(i)
		c.received += s.total()
		ch := p.channel(s.channel)
		if s.method == amqpGetEmpty || ch == nil {
			c.empty = s.method == amqpGetEmpty
			p.tellCall(c, "")
			return
		}
		c.tag = f.u64()
		f.u8()
		exchange, key := p.shape(f.short()), p.shape(f.short())
		c.key = key
		p.consumed(&c, exchange, key, c.dest)
		ch.content[Response] = amqpContent{open: true, call: c}
		return
	}
}

// returned ends a publication that no queue takes.
func (p *amqp) returned(s *amqpSide, f *fields) {
	reason := amqpReason(f)
	dest := p.joined(":", p.shape(f.short()), p.shape(f.short()))
	if ch := p.channel(s.channel); ch != nil {
		ch.content[Response] = amqpContent{open: true, back: true}
	}
	for i, c := range p.waiting {
		if c.kind == amqpPublish && c.channel == s.channel && c.dest == dest {
			p.remove(i)
			p.tellCall(c, reason)
			return
		}
	}
}

// settle ends the publication or delivery of a tag, or all up to it. A tag of 0 means all.
func (p *amqp) settle(channel uint16, kind amqpKind, tag uint64, multiple bool, err string) {
	if !multiple {
		for i, c := range p.waiting {
			if c.kind == kind && c.channel == channel && c.tag == tag {
				p.remove(i)
				p.tellCall(c, err)
				return
			}
		}
		return
	}
	p.endAll(func(c amqpCall) bool {
		return c.kind == kind && c.channel == channel && (tag == 0 || c.tag <= tag)
	}, err)
}

// closed forgets a channel. What was delivered over it and not acknowledged is delivered again.
func (p *amqp) closed(channel uint16) {
	p.endAll(func(c amqpCall) bool { return c.channel == channel && c.kind != amqpDelivery && c.name != "CONNECT" }, "channel closed")
	p.waiting = slices.DeleteFunc(p.waiting, func(c amqpCall) bool { return c.channel == channel && c.kind == amqpDelivery })
	maps.DeleteFunc(p.consumers, func(t amqpTag, _ amqpConsumer) bool { return t.channel == channel })
	delete(p.channels, channel)
}

// amqpReason reads why the server closes something: "404 NOT_FOUND - no queue 'a' in vhost '/'".
func amqpReason(f *fields) string {
	code := f.u16()
	text := f.short()
	return strconv.Itoa(int(code)) + " " + sqlMessage(text, true)
}
