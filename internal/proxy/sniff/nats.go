package sniff

import (
	"bytes"
	"hash/maphash"
	"time"
)

// nats reads NATS, with headers and JetStream. An exchange is a message that is published, up to the answer
// that it asks for, or one that is delivered, up to the answer or acknowledgement that it is given.
type nats struct {
	teller
	opening natsCall // CONNECT, while it waits
	in, out natsSide
	seed    maphash.Seed
	waiting []natsCall // oldest first, at most maxPending
	words   words
	scratch []byte
}

// natsSide is one direction.
type natsSide struct {
	tape
	stage   natsStage
	start   time.Time
	call    natsCall // the message that is being read
	headers int64    // bytes of its headers
	size    int64    // bytes of its payload
	keep    int      // of those, how many are looked at
}

// natsStage is what of a message comes next.
type natsStage uint8

const (
	natsLine natsStage = iota
	natsHeaders
	natsPayload
	natsDone
)

// natsCall is a message.
type natsCall struct {
	kind     natsKind
	api      bool   // a question to JetStream
	answer   bool   // it answers another
	kept     bool   // JetStream keeps it until it is acknowledged
	subject  uint64 // hashes
	reply    uint64 // 0: none is wanted
	dest     string // the subject's shape
	parent   string
	err      string
	start    time.Time
	sent     int64
	received int64
	size     int64
}

type natsKind uint8

const (
	natsPublish natsKind = iota
	natsDelivery
	natsConnect
	natsStored // a publication that JetStream acknowledged
)

// Bounds of what is kept of a message.
const (
	natsMaxLine    = 512
	natsMaxHeaders = 2 << 10
	natsMaxAnswer  = 256 // of JetStream's
	natsMaxSize    = 1 << 30
)

func (p *nats) Pending() (int, time.Time) {
	n, oldest := 0, time.Time{}
	for _, c := range p.waiting {
		if c.kind == natsPublish { // whether a delivery is to be answered is not known
			if n++; n == 1 {
				oldest = c.start
			}
		}
	}
	if p.off {
		return 0, time.Time{}
	}
	return n, oldest
}

// Work is what JetStream delivered: its messages are acknowledged, others may never be answered.
func (p *nats) Work(since time.Time) (w Work) {
	for i := range p.waiting {
		if c := &p.waiting[i]; !p.off && c.kind == natsDelivery && c.kept && !c.start.Before(since) {
			w.add(c.start, c.parent)
		}
	}
	return w
}

func (p *nats) Feed(at time.Time, dir Dir, b []byte, emit func(Exchange)) {
	p.feed(at, dir, b, emit,
		func(b *[]byte) bool { return p.step(Request, &p.in, b) },
		func(b *[]byte) bool { return p.step(Response, &p.out, b) })
}

func (p *nats) End(at time.Time, emit func(Exchange)) {
	p.begin(at, emit)
	for _, c := range p.waiting {
		if p.off {
			break
		}
		p.expire(c)
	}
	p.waiting = nil
	p.off = true
}

// expire tells what got no answer.
func (p *nats) expire(c natsCall) {
	if c.kind == natsPublish {
		c.err = "no answer"
		p.tellCall(c)
		return
	}
	now := p.at
	p.at = c.start
	p.tellCall(c)
	p.at = now
}

// step reads the next piece of a message.
func (p *nats) step(dir Dir, s *natsSide, b *[]byte) bool {
	switch s.stage {
	case natsLine:
		if s.between() && len(*b) > 0 {
			s.start = p.at
		}
		line, ok := s.line(b, natsMaxLine)
		if !ok {
			return false
		}
		p.verb(dir, s, line)
		return true
	case natsHeaders:
		n := int(min(s.headers, natsMaxHeaders))
		head, ok := s.cut(b, n)
		if !ok {
			return false
		}
		p.readHeaders(dir, s, head)
		s.skip, s.stage = s.headers-int64(n), natsPayload
	case natsPayload:
		n := int(min(s.size, int64(s.keep)))
		head, ok := s.cut(b, n)
		if !ok {
			return false
		}
		s.skip, s.stage = s.size-int64(n)+2, natsDone
		p.message(dir, s, head)
	case natsDone:
		if !s.pass(b) {
			return false
		}
		s.stage = natsLine
	}
	return true
}

// verb reads the line that begins a message.
func (p *nats) verb(dir Dir, s *natsSide, line []byte) {
	word, rest, _ := bytes.Cut(line, []byte(" "))
	if i := bytes.IndexByte(word, '\t'); i >= 0 {
		word, rest = line[:i], line[i+1:]
	}
	var name [8]byte
	switch string(upper(name[:0], word[:min(len(word), len(name))])) {
	case "PUB":
		p.open(dir == Request, s, len(line), rest, false, 0)
	case "HPUB":
		p.open(dir == Request, s, len(line), rest, true, 0)
	case "MSG":
		p.open(dir == Response, s, len(line), rest, false, 1)
	case "HMSG":
		p.open(dir == Response, s, len(line), rest, true, 1)
	case "CONNECT":
		p.opening = natsCall{kind: natsConnect, start: s.start, sent: int64(len(line))}
	case "-ERR":
		p.opening.kind, p.opening.err = natsConnect, sqlMessage(bytes.Trim(rest, " '"), false)
		if p.opening.start.IsZero() {
			p.opening.start = p.at
		}
		p.opened()
	case "+OK", "PONG":
		if dir == Response && !p.opening.start.IsZero() {
			p.opened()
		}
	case "INFO", "PING", "SUB", "UNSUB":
	default:
		p.off = true
	}
}

// opened ends CONNECT, or tells an error that belongs to nothing in particular.
func (p *nats) opened() {
	p.tellCall(p.opening)
	p.opening = natsCall{}
}

// open begins a message: its subject, where to answer, and sizes. After the subject come skip more words.
func (p *nats) open(right bool, s *natsSide, line int, args []byte, headers bool, skip int) {
	words := [6][]byte{}
	n := 0
	for len(args) > 0 && n < len(words) {
		words[n], args, _ = bytes.Cut(args, []byte(" "))
		if len(words[n]) > 0 {
			n++
		}
	}
	sizes := 1
	if headers {
		sizes = 2
	}
	n -= skip + 1 + sizes // words that are left: where to answer
	if !right || n < 0 || n > 1 {
		p.off = true
		return
	}
	total, ok := number(words[skip+n+sizes])
	head := int64(0)
	if headers && ok {
		head, ok = number(words[skip+n+1])
	}
	if !ok || head < 0 || total < head || total > natsMaxSize {
		p.off = true
		return
	}
	var reply []byte
	if n == 1 {
		reply = words[skip+1]
	}
	s.headers, s.size, s.stage = head, total-head, natsPayload
	if headers {
		s.stage = natsHeaders
	}
	s.call = natsCall{start: s.start, size: s.size}
	p.address(s, words[0], reply)
	s.call.count(skip == 0, int64(line)+2+total+2)
}

func (c *natsCall) count(sent bool, n int64) {
	if sent {
		c.sent += n
	} else {
		c.received += n
	}
}

// address notes where a message goes and where its answer is to go.
func (p *nats) address(s *natsSide, subject, reply []byte) {
	if p.seed == (maphash.Seed{}) {
		p.seed = maphash.MakeSeed()
	}
	c := &s.call
	c.subject = maphash.Bytes(p.seed, subject)
	if len(reply) > 0 {
		c.reply = maphash.Bytes(p.seed, reply) | 1
	}
	c.answer = bytes.HasPrefix(subject, []byte("_INBOX.")) || bytes.HasPrefix(subject, []byte("$JS.ACK."))
	c.api = bytes.HasPrefix(subject, []byte("$JS."))
	c.kept = bytes.HasPrefix(reply, []byte("$JS.ACK."))
	s.keep = 0
	if c.answer || p.find(c.subject|1) >= 0 {
		c.answer, s.keep = true, natsMaxAnswer
		return
	}
	if c.api {
		subject = natsOperation(subject)
	}
	p.scratch = pattern(p.scratch[:0], subject)
	c.dest = p.words.of(p.scratch)
}

// find returns which message waits for an answer to a subject, or -1.
func (p *nats) find(subject uint64) int {
	for i, c := range p.waiting {
		if c.reply == subject {
			return i
		}
	}
	return -1
}
