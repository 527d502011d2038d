package sniff

import (
	"encoding/binary"
	"strconv"
	"time"
)

// mysql reads the protocol of MySQL and MariaDB, text and binary. An exchange is a command up to the end of its last
// result; that a statement is prepared is told only where it fails.
type mysql struct {
	teller
	phase      myPhase
	mariadb    bool
	offered    uint64 // capabilities of the server
	can        uint64 // of both sides
	database   string
	in, out    mySide
	statements statements
	prepared   prepared
	last       *statement // that was prepared
	waiting    queue[myCall]
	words      words
}

// myPhase is how far the opening of the connection is.
type myPhase uint8

const (
	myGreeting myPhase = iota // of the server
	myResponse                // of the caller
	myLogin                   // up to OK or an error
	myOpen
)

// Capabilities. Those from bit 32 on are MariaDB's own.
const (
	myLongPassword = 1 << 0 // MariaDB: it has none of its own
	myWithDatabase = 1 << 3
	myCompress     = 1 << 5
	myTLS          = 1 << 11
	mySecure       = 1 << 15
	myLenencAuth   = 1 << 21
	myNoEOF        = 1 << 24
	myNoMetadata   = 1 << 25 // may be left out, MySQL
	myZstd         = 1 << 26
	myAttributes   = 1 << 27
	myCached       = 1 << 36 // metadata may be left out, MariaDB
)

// mySide is one direction.
type mySide struct {
	tape
	stage myStage
	start time.Time // of the packet
	size  int64
	seq   byte
	first byte  // of the payload
	keep  int64 // bytes behind it that are looked at
	goes  bool  // the payload goes on in the next packet
	went  bool  // it has begun in the one before
	mark  int64
}

// myStage is what of a packet comes next.
type myStage uint8

const (
	myHead myStage = iota
	myFirst
	myRest
)

// myFull is the size of a packet that goes on in the next one.
const myFull = 1<<24 - 1

// packet reads up to the beginning of a packet's payload behind its first byte, at most keep bytes of it, and has the
// rest skipped.
func (s *mySide) packet(at time.Time, b *[]byte, keep func() int) ([]byte, bool) {
	if s.stage == myHead {
		if s.between() && len(*b) > 0 {
			s.start = at
		}
		h, ok := s.cut(b, 4)
		if !ok {
			return nil, false
		}
		s.size, s.seq, s.first = int64(h[0])|int64(h[1])<<8|int64(h[2])<<16, h[3], 0
		s.went, s.goes = s.goes, s.size == myFull
		if s.size == 0 {
			return nil, true
		}
		s.stage = myFirst
	}
	if s.stage == myFirst {
		h, ok := s.cut(b, 1)
		if !ok {
			return nil, false
		}
		s.first, s.stage = h[0], myRest
		s.keep = min(s.size-1, int64(keep()))
	}
	n := int(s.keep)
	head, ok := s.cut(b, n)
	if !ok {
		return nil, false
	}
	s.skip, s.stage = s.size-1-int64(n), myHead
	return head, true
}

// used returns how many bytes went since it was last called, the packet that is being read included.
func (s *mySide) used() int64 {
	end := s.tape.off + s.skip
	n := end - s.mark
	s.mark = end
	return n
}

// myCall is what waits for its answer.
type myCall struct {
	kind     myKind
	st       *statement
	start    time.Time
	sent     int64
	received int64
	stage    myResult
	left     int64 // packets of definitions that are still to come
	rows     int64
	tag      string // what rows counts; "" nothing
	err      string
	code     string
}

type myKind uint8

const (
	myConnect myKind = iota
	mySimple         // one packet answers
	myQuery
	myPrepare
	myList // definitions up to an end
)

func (p *mysql) Pending() (int, time.Time) {
	return p.queued(p.waiting.len(), func() time.Time { return p.waiting.at(0).start })
}

func (p *mysql) Feed(at time.Time, dir Dir, b []byte, emit func(Exchange)) {
	p.feed(at, dir, b, emit, p.request, p.response)
}

func (p *mysql) End(at time.Time, emit func(Exchange)) {
	p.begin(at, emit)
	for !p.off && p.waiting.len() > 0 {
		if c := p.waiting.pop(); c.kind != myPrepare {
			c.err = broken
			p.tellCall(c)
		}
	}
	p.off = true
}

// Commands.
const (
	myQuit, myInitDB, mySQL, myFields                   = 0x01, 0x02, 0x03, 0x04
	myStatistics, myKill, myDebug, myPing               = 0x09, 0x0c, 0x0d, 0x0e
	myChangeUser, myPrepareSQL, myExecute, myLong       = 0x11, 0x16, 0x17, 0x18
	myCloseSQL, myReset, mySetOption, myFetch           = 0x19, 0x1a, 0x1b, 0x1c
	myResetAll, myBulk                            uint8 = 0x1f, 0xfa
)

// mySimples are the commands that one packet answers, by what they are called.
var mySimples = map[byte]*statement{
	myInitDB: {name: "USE", op: "USE"}, myStatistics: {name: "STATISTICS", op: "STATISTICS"}, myKill: {name: "KILL", op: "KILL"},
	myDebug: {name: "DEBUG", op: "DEBUG"}, myPing: {name: "PING", op: "PING"}, myReset: {name: "RESET", op: "RESET"},
	mySetOption: {name: "SET", op: "SET"}, myResetAll: {name: "RESET", op: "RESET"},
}

// request reads the next packet of the caller.
func (p *mysql) request(b *[]byte) bool {
	in := &p.in
	if p.phase == myGreeting {
		p.off = len(*b) > 0
		return false
	}
	head, ok := in.packet(p.at, b, p.keeps)
	if !ok {
		return false
	}
	switch {
	case in.went: // the rest of a long command
	case p.phase == myResponse:
		p.login(head)
	case p.phase == myLogin: // a secret
	case p.waiting.len() > 0 && p.waiting.at(0).stage == myFile:
		if in.size == 0 {
			p.waiting.at(0).stage = myAnswer
		}
	case in.seq == 0 && in.size > 0:
		p.command(head)
	}
	if p.off {
		clear(in.held) // there may be a secret in it
	}
	return !p.off
}

// keeps is how much of the caller's packet is looked at behind its first byte.
func (p *mysql) keeps() int {
	switch in := &p.in; {
	case p.phase == myResponse:
		return myMaxLogin
	case p.phase != myOpen || in.seq != 0 || in.went:
		return 0
	case in.first == mySQL || in.first == myPrepareSQL:
		return maxSQL
	case in.first == myInitDB:
		return maxWord
	}
	return 4
}

// command acts on a command, of which head is the beginning.
func (p *mysql) command(head []byte) {
	c := myCall{start: p.in.start}
	switch p.in.first {
	case mySQL:
		c.kind, c.st = myQuery, p.query(head)
	case myPrepareSQL:
		c.kind, c.st = myPrepare, p.statements.of(head)
		p.last = c.st
	case myExecute, myBulk:
		c.kind, c.st = myQuery, p.executed(head)
	case myFetch:
		c.kind, c.st, c.stage = myQuery, &statement{name: "FETCH", op: "FETCH"}, myRows
	case myFields:
		c.kind, c.st, c.stage = myList, &statement{name: "SHOW COLUMNS", op: "SHOW"}, myRows
	case myChangeUser:
		p.phase, p.database = myLogin, ""
	case myCloseSQL:
		if len(head) == 4 {
			p.prepared.drop(uint64(binary.LittleEndian.Uint32(head)))
		}
		p.in.used()
		return
	case myLong:
		return // belongs to the Execute that comes
	case myQuit:
		p.in.used()
		return
	default:
		c.kind, c.st = mySimple, mySimples[p.in.first]
		if c.st == nil { // a replica, or nothing that is known
			p.off = true
			return
		}
		if p.in.first == myInitDB {
			p.database = p.words.of(head)
		}
	}
	p.file(c)
}

// query returns the statement of a COM_QUERY, which may have attributes before it.
func (p *mysql) query(head []byte) *statement {
	if p.can&myAttributes != 0 {
		if len(head) < 2 || head[0] != 0 {
			return &statement{name: "QUERY", op: "QUERY"}
		}
		head = head[2:]
	}
	return p.statements.of(head)
}

// executed returns the statement that is executed; nil where it is not known.
func (p *mysql) executed(head []byte) *statement {
	if len(head) < 4 {
		return nil
	}
	id := binary.LittleEndian.Uint32(head)
	if id == 1<<32-1 { // the one that was prepared before, MariaDB
		return p.last
	}
	return p.prepared.known[uint64(id)]
}

// file queues what has been asked.
func (p *mysql) file(c myCall) {
	if p.waiting.full() {
		p.off = true
		return
	}
	if c.st != nil && p.waiting.len() >= myMaxTexts {
		c.st = c.st.short()
	}
	c.sent = p.in.used()
	p.waiting.push(c)
}

// Bounds of what is kept of a connection.
const (
	myMaxLogin = 512
	myMaxError = 512
	myMaxTexts = 12 // of what waits for an answer
)

func (p *mysql) tellCall(c myCall) {
	st, system := c.st, "mysql"
	switch {
	case c.kind == myConnect:
		st = &statement{name: "CONNECT", op: "CONNECT"}
	case st == nil:
		st = &statement{name: "EXECUTE", op: "EXECUTE"}
	}
	if p.mariadb {
		system = "mariadb"
	}
	p.attr("db.system.name", system)
	p.attr("db.namespace", p.database)
	p.attr("db.operation.name", st.op)
	p.attr("db.collection.name", st.table)
	p.attr("db.query.summary", st.name)
	p.attr("db.query.text", st.text)
	p.attr("db.response.status_code", c.code)
	if c.tag != "" {
		p.attr(c.tag, strconv.FormatInt(c.rows, 10))
	}
	p.tell(Exchange{Name: st.name, Start: c.start, Err: c.err, Sent: c.sent, Received: c.received, TraceParent: st.parent})
}
