package sniff

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// myResult is what of an answer comes next.
type myResult uint8

const (
	myAnswer      myResult = iota // its first packet
	myDefinitions                 // of a prepared statement
	myColumns                     // of a result
	myColumnsEnd                  // an EOF behind them
	myRows
	myFile // the caller sends a file
)

// First bytes of the server's packets.
const (
	myOK      = 0x00
	mySend    = 0xfb // a file
	myEnd     = 0xfe
	myFailure = 0xff
)

// Status flags.
const (
	myMore        = 1 << 3 // another result follows
	myCursor      = 1 << 6 // rows are fetched by commands of their own
	myNoBackslash = 1 << 9 // \ is a letter in '…'
)

// response reads the next packet of the server.
func (p *mysql) response(b *[]byte) bool {
	out := &p.out
	if p.phase == myResponse && len(*b) > 0 {
		p.off = true
		return false
	}
	head, ok := out.packet(p.at, b, p.looks)
	if !ok {
		return false
	}
	switch {
	case out.went: // the rest of a long row
	case p.phase == myGreeting:
		p.greeted(head)
	case p.waiting.len() > 0:
		p.answered(p.waiting.at(0), head)
	}
	return !p.off
}

// looks is how much of the server's packet is looked at behind its first byte. Of rows it is nothing.
func (p *mysql) looks() int {
	switch first := p.out.first; {
	case p.out.went || p.waiting.len() == 0 && p.phase != myGreeting:
		return 0
	case first == myFailure || p.phase == myGreeting:
		return myMaxError
	case p.waiting.at(0).stage == myRows && !p.ends():
		return 0
	}
	return 32
}

// ends reports that the packet ends rows and is none.
func (p *mysql) ends() bool {
	if p.can&myNoEOF != 0 {
		return p.out.first == myEnd && p.out.size < myFull
	}
	return p.out.first == myEnd && p.out.size < 9
}

// greeted reads what the server says first.
func (p *mysql) greeted(head []byte) {
	version, rest, ok := bytes.Cut(head, []byte{0})
	if p.out.first == myFailure {
		c := myCall{start: p.at}
		p.fail(&c, head)
		p.tellCall(c)
		p.off = true
		return
	}
	if p.out.first != 10 || !ok || len(rest) < 31 {
		p.off = true
		return
	}
	p.mariadb = bytes.Contains(version, []byte("MariaDB"))
	p.offered = uint64(binary.LittleEndian.Uint16(rest[13:])) | uint64(binary.LittleEndian.Uint16(rest[18:]))<<16
	if p.mariadb && p.offered&myLongPassword == 0 {
		p.offered |= uint64(binary.LittleEndian.Uint32(rest[27:])) << 32
	}
	p.statements.dialect = dialect{doubleQuoted: true, backslash: true, hash: true}
	p.phase = myResponse
}

// login reads what the caller answers: capabilities, size, character set, 23 bytes, user, secret, database.
func (p *mysql) login(head []byte) {
	b := append([]byte{p.in.first}, head...)
	defer clear(b) // there is a secret in it
	if len(b) < 32 {
		p.off = true
		return
	}
	can := uint64(binary.LittleEndian.Uint32(b))
	if can&myLongPassword == 0 {
		can |= uint64(binary.LittleEndian.Uint32(b[28:])) << 32
	}
	p.can = can & p.offered
	if p.can&(myCompress|myZstd) != 0 || can&myTLS != 0 {
		p.off = true
		return
	}
	if p.can&myWithDatabase != 0 {
		p.database = p.words.of(myDatabase(b[32:], p.can))
	}
	p.phase = myLogin
	p.file(myCall{start: p.in.start})
}

// myDatabase returns the name that follows the user and the secret.
func myDatabase(b []byte, can uint64) []byte {
	_, b, ok := bytes.Cut(b, []byte{0})
	if !ok {
		return nil
	}
	if can&(mySecure|myLenencAuth) != 0 {
		n, rest := lenenc(b)
		b = rest[min(n, uint64(len(rest))):]
	} else {
		_, b, _ = bytes.Cut(b, []byte{0})
	}
	name, _, _ := bytes.Cut(b, []byte{0})
	return name
}

// lenenc reads an integer of one to nine bytes.
func lenenc(b []byte) (n uint64, rest []byte) {
	if len(b) == 0 {
		return 0, nil
	}
	size := map[byte]int{0xfc: 2, 0xfd: 3, 0xfe: 8}[b[0]]
	if size == 0 {
		return uint64(b[0]), b[1:]
	}
	if len(b) <= size {
		return 0, nil
	}
	for i := range size {
		n |= uint64(b[1+i]) << (8 * i)
	}
	return n, b[1+size:]
}

// answered takes a packet of the answer to c.
func (p *mysql) answered(c *myCall, head []byte) {
	first := p.out.first
	if first == myFailure && c.stage != myDefinitions {
		if len(head) >= 2 && head[0] == 0xff && head[1] == 0xff {
			return // MariaDB tells its progress
		}
		p.fail(c, head)
		p.done()
		return
	}
	switch c.stage {
	case myAnswer:
		p.answer(c, head)
	case myDefinitions:
		if c.left--; c.left == 0 {
			p.done()
		}
	case myColumns:
		if c.left--; c.left <= 0 {
			p.columns(c)
		}
	case myColumnsEnd:
		c.stage = myRows
		if p.off = first != myEnd; len(head) >= 4 && head[2]&myCursor != 0 {
			p.done()
		}
	case myRows:
		p.row(c, head)
	}
}

// answer takes the first packet of an answer or of another result.
func (p *mysql) answer(c *myCall, head []byte) {
	first := p.out.first
	switch {
	case c.kind == myConnect:
		if first == myOK {
			p.phase = myOpen
			p.quoting(behindCounts(head))
			p.done()
		}
	case c.kind == mySimple:
		if first == myOK {
			p.quoting(behindCounts(head))
		}
		p.done()
	case c.kind == myPrepare:
		p.preparedAs(c, head)
	case first == myOK && p.out.size >= 7: // a shorter one is a number of columns
		if n, _ := lenenc(head); n > 0 {
			c.tag, c.rows = rowsAffected, c.rows+int64(min(n, 1<<62))
		}
		p.result(behindCounts(head))
	case first == mySend:
		c.stage = myFile
	default:
		p.counted(c, append([]byte{first}, head...))
	}
}

// counted takes the number of columns, and whether they are told.
func (p *mysql) counted(c *myCall, b []byte) {
	told := true
	if p.can&myNoMetadata != 0 && len(b) > 1 {
		told, b = b[0] != 0, b[1:]
	}
	n, rest := lenenc(b)
	if p.can&myCached != 0 && len(rest) > 0 {
		told = rest[0] != 0
	}
	if n == 0 || n > 1<<16 {
		p.off = true
		return
	}
	c.tag, c.stage, c.left = rowsReturned, myColumns, int64(n)
	if !told {
		p.columns(c)
	}
}

// columns ends the columns of a result.
func (p *mysql) columns(c *myCall) {
	if c.stage = myColumnsEnd; p.can&myNoEOF != 0 {
		c.stage = myRows
	}
}

// row takes a row, or the end of them.
func (p *mysql) row(c *myCall, head []byte) {
	if !p.ends() {
		c.rows++
		return
	}
	if p.can&myNoEOF == 0 {
		if len(head) >= 2 {
			head = head[2:]
		}
		p.result(head)
		return
	}
	p.result(behindCounts(head))
}

// behindCounts returns what of an OK follows the rows affected and the id that was given: the flags.
func behindCounts(head []byte) []byte {
	_, head = lenenc(head)
	_, head = lenenc(head)
	return head
}

// result ends a result, of which status begins with the flags.
func (p *mysql) result(status []byte) {
	p.quoting(status)
	if len(status) > 0 && status[0]&myMore != 0 {
		p.waiting.at(0).stage = myAnswer
		return
	}
	p.done()
}

// quoting takes from the flags how strings are quoted from now on. What was read otherwise is forgotten.
func (p *mysql) quoting(status []byte) {
	s := &p.statements
	if len(status) < 2 || s.backslash == (status[1]&(myNoBackslash>>8) == 0) {
		return
	}
	s.backslash, s.size = !s.backslash, 0
	clear(s.known)
}

// preparedAs takes the number of a prepared statement, and how many definitions follow.
func (p *mysql) preparedAs(c *myCall, head []byte) {
	if p.out.first != myOK || len(head) < 8 {
		p.off = true
		return
	}
	p.prepared.put(uint64(binary.LittleEndian.Uint32(head)), c.st)
	columns, parameters := int64(binary.LittleEndian.Uint16(head[4:])), int64(binary.LittleEndian.Uint16(head[6:]))
	if p.can&myNoMetadata != 0 && len(head) > 11 && head[11] == 0 {
		columns, parameters = 0, 0
	}
	c.left = columns + parameters
	if p.can&myNoEOF == 0 {
		c.left += min(columns, 1) + min(parameters, 1)
	}
	if c.stage = myDefinitions; c.left == 0 {
		p.done()
	}
}

// done ends the oldest call.
func (p *mysql) done() {
	c := p.waiting.pop()
	c.received = p.out.used()
	if c.kind != myPrepare || c.err != "" {
		p.tellCall(c)
	}
}

// fail reads an error: its number, its SQLSTATE and what it says.
func (p *mysql) fail(c *myCall, head []byte) {
	if len(head) < 2 {
		c.err = "an error without a number"
		return
	}
	c.code = strconv.Itoa(int(binary.LittleEndian.Uint16(head)))
	message, state := head[2:], ""
	if len(message) >= 6 && message[0] == '#' {
		message, state = message[6:], string(message[1:6])
	}
	names := strings.HasPrefix(state, "42S") || state == "28000" // tables, columns and users; else it may quote a value
	c.err = c.code + " " + sqlMessage(message, names)
}
