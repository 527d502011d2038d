package sniff

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"time"
)

// postgres reads version 3 of the frontend/backend protocol. An exchange is a simple query, or one Execute
// of the extended protocol with the Parse and Bind before it.
type postgres struct {
	teller
	phase      pgPhase
	database   string
	in, out    pgSide
	statements statements
	prepared   prepared
	portals    map[string]*statement
	part       pgPart
	skipping   bool // the server passes over all up to the next Sync
	waiting    queue[pgCall]
	words      words
}

// pgPhase is how far the opening of the connection is.
type pgPhase uint8

const (
	pgStartup     pgPhase = iota // the first message, which has no type
	pgNegotiating                // encryption was asked for; one byte answers
	pgOpen
)

// pgSide is one direction.
type pgSide struct {
	tape
	headed bool // type and size of a message are known
	kind   byte
	size   int64
	mark   int64 // where the part of the exchange that is being read began
}

// pgPart is what was said since the last Execute, Query or Sync.
type pgPart struct {
	start  time.Time
	parsed *statement
}

// pgCall is what waits for its answer.
type pgCall struct {
	kind     pgKind
	st       *statement
	start    time.Time
	sent     int64
	received int64
	n        int // Executes of which it consists
	left     int
	rows     int64 // that came
	tag      string
	err      string
	code     string // SQLSTATE
	done     bool   // it was told already
}

type pgKind uint8

const (
	pgConnect pgKind = iota // up to ReadyForQuery
	pgQuery                 // a simple query, up to ReadyForQuery
	pgExecute               // up to CommandComplete
	pgSync                  // up to ReadyForQuery; told only when it fails
)

// Codes of the first message in place of a version.
const (
	pgCancel = 80877102
	pgTLS    = 80877103
	pgGSS    = 80877104
)

// Bounds of what is kept of a connection.
const (
	pgMaxStartup = 1 << 10
	pgMaxError   = 1 << 10
	pgMaxName    = 128
	pgMaxTexts   = 12 // of what waits for an answer
)

func (p *postgres) Pending() (int, time.Time) {
	return p.queued(p.waiting.len(), func() time.Time { return p.waiting.at(0).start })
}

func (p *postgres) Feed(at time.Time, dir Dir, b []byte, emit func(Exchange)) {
	p.feed(at, dir, b, emit, p.request, p.response)
}

func (p *postgres) End(at time.Time, emit func(Exchange)) {
	p.begin(at, emit)
	for !p.off && p.waiting.len() > 0 {
		c := p.waiting.pop()
		if c.kind != pgSync && !c.done {
			if c.err == "" {
				c.err = broken
			}
			p.tellCall(c)
		}
	}
	p.off = true
}

// request reads the next message of the caller.
func (p *postgres) request(b *[]byte) bool {
	in := &p.in
	if p.part.start.IsZero() && len(*b) > 0 {
		p.part.start = p.at
	}
	if p.phase == pgStartup {
		return p.startup(b)
	}
	if !in.header(b) {
		return false
	}
	if in.size < 0 || !pgAsks[in.kind] {
		p.off = true
		return false
	}
	head, ok := in.body(b, pgKept[in.kind])
	if !ok {
		return false
	}
	p.asked(head)
	return true
}

// header reads type and length of a message.
func (s *pgSide) header(b *[]byte) bool {
	if s.headed {
		return true
	}
	h, ok := s.cut(b, 5)
	if !ok {
		return false
	}
	s.kind, s.size, s.headed = h[0], int64(int32(binary.BigEndian.Uint32(h[1:])))-4, true
	return true
}

// body reads the first bytes of the message, at most keep, and has the rest skipped.
func (s *pgSide) body(b *[]byte, keep int) ([]byte, bool) {
	n := int(min(s.size, int64(keep)))
	head, ok := s.cut(b, n)
	if !ok {
		return nil, false
	}
	s.skip, s.headed = s.size-int64(n), false
	return head, true
}

// used returns how many bytes went since it was last called, the message that is being read included.
func (s *pgSide) used() int64 {
	end := s.tape.off + s.skip
	n := end - s.mark
	s.mark = end
	return n
}

// pgAsks are the messages that a caller may send.
var pgAsks = [256]bool{'B': true, 'C': true, 'd': true, 'c': true, 'f': true, 'D': true, 'E': true, 'H': true, 'F': true,
	'p': true, 'P': true, 'Q': true, 'S': true, 'X': true}

// pgKept says how much of a caller's message is looked at.
var pgKept = [256]int{'Q': maxSQL, 'P': maxSQL + pgMaxName, 'B': 2 * pgMaxName, 'E': pgMaxName, 'C': pgMaxName}

// startup reads the first message, which says its length and a version.
func (p *postgres) startup(b *[]byte) bool {
	in := &p.in
	if !in.headed {
		h, ok := in.cut(b, 8)
		if !ok {
			return false
		}
		in.size, in.headed = int64(int32(binary.BigEndian.Uint32(h)))-8, true
		switch version := binary.BigEndian.Uint32(h[4:]); {
		case in.size < 0 || in.size > 1<<20:
			p.off = true
			return false
		case (version == pgTLS || version == pgGSS) && in.size == 0:
			p.phase, in.headed = pgNegotiating, false
			return p.awaitNegotiation(b)
		case version>>16 != 3:
			p.off = true
			return false
		}
	}
	head, ok := in.body(b, pgMaxStartup)
	if !ok {
		return false
	}
	p.database = p.words.of(pgParameter(head, "database"))
	if p.database == "" {
		p.database = p.words.of(pgParameter(head, "user"))
	}
	p.phase = pgOpen
	p.file(pgCall{kind: pgConnect})
	return true
}

// awaitNegotiation switches off where the caller does not wait for the answer.
func (p *postgres) awaitNegotiation(b *[]byte) bool {
	p.off = len(*b) > 0
	return false
}

// pgParameter returns the value of a parameter of the first message.
func pgParameter(b []byte, name string) []byte {
	for {
		key, rest, ok := bytes.Cut(b, []byte{0})
		if !ok || len(key) == 0 {
			return nil
		}
		value, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return nil
		}
		if string(key) == name {
			return value
		}
		b = rest
	}
}

// asked acts on a message of the caller, of which head is the beginning.
func (p *postgres) asked(head []byte) {
	switch p.in.kind {
	case 'Q':
		sql, _, _ := bytes.Cut(head, []byte{0})
		p.file(pgCall{kind: pgQuery, st: p.statements.of(sql)})
	case 'F':
		p.file(pgCall{kind: pgQuery, st: &statement{name: "CALL", op: "CALL"}})
	case 'P':
		name, rest, ok := bytes.Cut(head, []byte{0})
		if !ok {
			return
		}
		sql, _, _ := bytes.Cut(rest, []byte{0})
		p.part.parsed = p.statements.of(sql[:min(len(sql), maxSQL)])
		p.prepared.put(p.statements.hash(name), p.part.parsed)
	case 'B':
		portal, rest, ok := bytes.Cut(head, []byte{0})
		name, _, whole := bytes.Cut(rest, []byte{0})
		if ok && whole {
			p.bind(portal, p.prepared.known[p.statements.hash(name)])
		}
	case 'C':
		p.forget(head)
	case 'E':
		p.execute(head)
	case 'S':
		p.sync()
	}
}

func (p *postgres) bind(portal []byte, st *statement) {
	if p.portals == nil {
		p.portals = make(map[string]*statement)
	}
	if len(p.portals) >= maxPrepared/8 {
		clear(p.portals)
	}
	p.portals[string(portal)] = st
}

// forget closes a statement or a portal.
func (p *postgres) forget(head []byte) {
	if len(head) < 2 {
		return
	}
	name, _, _ := bytes.Cut(head[1:], []byte{0})
	if head[0] == 'P' {
		delete(p.portals, string(name))
		return
	}
	p.prepared.drop(p.statements.hash(name))
}

func (p *postgres) execute(head []byte) {
	portal, _, _ := bytes.Cut(head, []byte{0})
	st := p.portals[string(portal)]
	if p.skipping {
		return
	}
	if n := p.waiting.len(); n > maxPending/2 { // a long batch: the rest of it is one
		if last := p.waiting.at(n - 1); last.kind == pgExecute {
			if last.st == nil || st == nil || last.st.name != st.name {
				last.st = &pgBatch
			}
			last.n++
			last.left++
			last.sent += p.in.used()
			p.part = pgPart{}
			return
		}
	}
	p.file(pgCall{kind: pgExecute, st: st})
}

// pgBatch stands for statements of several kinds.
var pgBatch = statement{name: "BATCH", op: "BATCH"}

func (p *postgres) sync() {
	p.skipping = false
	p.file(pgCall{kind: pgSync, st: p.part.parsed})
}

// file queues what has been asked in full.
func (p *postgres) file(c pgCall) {
	if p.waiting.full() {
		p.off = true
		return
	}
	if c.st != nil && p.waiting.len() >= pgMaxTexts {
		c.st = c.st.short()
	}
	c.start, c.sent, c.n, c.left = p.part.start, p.in.used(), 1, 1
	p.part = pgPart{}
	p.waiting.push(c)
}

func (p *postgres) tellCall(c pgCall) {
	st := c.st
	switch {
	case c.kind == pgConnect:
		st = &statement{name: "CONNECT", op: "CONNECT"}
	case c.kind == pgSync && st == nil:
		st = &statement{name: "COMMIT", op: "COMMIT"} // of the transaction that a Sync ends
	case st == nil:
		st = &statement{name: "EXECUTE", op: "EXECUTE"}
	}
	p.attr("db.system.name", "postgresql")
	p.attr("db.namespace", p.database)
	p.attr("db.operation.name", st.op)
	p.attr("db.collection.name", st.table)
	p.attr("db.query.summary", st.name)
	p.attr("db.query.text", st.text)
	p.attr("db.response.status_code", c.code)
	if c.n > 1 {
		p.attr("db.operation.batch.size", strconv.Itoa(c.n))
	}
	if c.tag != "" {
		p.attr(c.tag, p.words.number(c.rows))
	}
	p.tell(Exchange{Name: st.name, Start: c.start, Err: c.err, Sent: c.sent, Received: c.received, TraceParent: st.parent})
}
