package sniff

import "bytes"

// Attributes of the rows of a statement. There is no convention for the second.
const (
	rowsReturned = "db.response.returned_rows"
	rowsAffected = "msctl.db.affected_rows"
)

// response reads the next message of the server.
func (p *postgres) response(b *[]byte) bool {
	out := &p.out
	if p.phase == pgNegotiating {
		h, ok := out.cut(b, 1)
		if ok {
			p.off = h[0] != 'N' // anything else is encrypted from here on, or no server of today
			p.phase = pgStartup
		}
		return ok
	}
	if p.phase == pgStartup && len(*b) > 0 {
		p.off = true
		return false
	}
	if !out.header(b) {
		return false
	}
	keep := 0
	switch out.kind {
	case 'E':
		keep = pgMaxError
	case 'C':
		keep = 64
	case 'A':
		keep = pgMaxName
	}
	if out.size < 0 || !pgAnswers[out.kind] {
		p.off = true
		return false
	}
	head, ok := out.body(b, keep)
	if !ok {
		return false
	}
	p.answered(head)
	return true
}

// pgAnswers are the messages that a server may send; 'W' begins a replication, which is not read.
var pgAnswers = [256]bool{'R': true, 'K': true, '2': true, '3': true, 'C': true, 'd': true, 'c': true, 'G': true, 'H': true,
	'D': true, 'I': true, 'E': true, 'V': true, 'v': true, 'n': true, 'N': true, 'A': true, 't': true, 'S': true, '1': true,
	's': true, 'Z': true, 'T': true}

func (p *postgres) answered(head []byte) {
	if p.out.kind == 'A' {
		p.notified(head)
		return
	}
	if p.waiting.len() == 0 {
		if p.out.kind == 'E' && p.part.parsed != nil { // a Parse with a Flush
			p.failed(pgCall{kind: pgSync, st: p.part.parsed, start: p.part.start, sent: p.in.used()}, head)
			p.part.parsed, p.skipping = nil, true
		}
		return
	}
	c := p.waiting.at(0)
	switch p.out.kind {
	case 'D':
		c.rows++
	case 'C':
		c.tag, c.rows = pgTag(head, c.rows)
		p.complete(c)
	case 'I', 's':
		p.complete(c)
	case 'G':
		p.copyIn()
	case 'E':
		p.refused(c, head)
	case 'Z':
		p.ready()
	}
}

// pgTag reads the number of rows from the tag of a command: "SELECT 5", "INSERT 0 1".
func pgTag(head []byte, rows int64) (string, int64) {
	tag, _, _ := bytes.Cut(head, []byte{0})
	word, _, _ := bytes.Cut(tag, []byte(" "))
	i := bytes.LastIndexByte(tag, ' ')
	n, ok := number(tag[i+1:])
	switch {
	case !ok || i < 0:
		return "", rows
	case string(word) == "SELECT" || string(word) == "FETCH":
		return rowsReturned, n
	}
	return rowsAffected, n
}

// complete ends one Execute.
func (p *postgres) complete(c *pgCall) {
	if c.kind != pgExecute {
		return
	}
	c.received += p.out.used()
	if c.left--; c.left == 0 {
		p.tellCall(p.waiting.pop())
	}
}

// copyIn begins a COPY from the caller: the server does not answer the Sync that came with the Execute.
func (p *postgres) copyIn() {
	if p.waiting.at(0).kind == pgExecute && p.waiting.len() == 2 && p.waiting.at(1).kind == pgSync {
		c := p.waiting.pop()
		p.waiting.pop()
		p.waiting.push(c)
	}
}

// refused acts on an error. After one in the extended protocol the server passes over all up to the next
// Sync.
func (p *postgres) refused(c *pgCall, head []byte) {
	switch c.kind {
	case pgQuery, pgConnect:
		c.err, c.code = pgError(head)
		return
	case pgSync:
		p.failed(*c, head)
		c.done = true
		return
	}
	p.failed(p.waiting.pop(), head)
	for p.waiting.len() > 0 && p.waiting.at(0).kind == pgExecute {
		p.waiting.pop()
	}
	p.skipping = p.waiting.len() == 0
}

// failed tells c as failed.
func (p *postgres) failed(c pgCall, head []byte) {
	c.err, c.code = pgError(head)
	c.received += p.out.used()
	p.tellCall(c)
}

// ready ends what ReadyForQuery ends.
func (p *postgres) ready() {
	for p.waiting.len() > 0 {
		c := p.waiting.pop()
		if c.kind == pgExecute {
			continue // passed over
		}
		c.received += p.out.used()
		if c.kind != pgSync {
			p.tellCall(c)
		}
		return
	}
}

// notified tells a message of LISTEN and NOTIFY.
func (p *postgres) notified(head []byte) {
	if len(head) < 5 {
		return
	}
	channel, _, _ := bytes.Cut(head[4:], []byte{0})
	name := p.words.of(pattern([]byte("receive "), channel))
	p.attr("messaging.system", "postgresql")
	p.attr("messaging.operation.type", "receive")
	p.attr("messaging.operation.name", "receive")
	p.attr("messaging.destination.name", name[min(len(name), len("receive ")):])
	p.tell(Exchange{Kind: Consumer, Name: name, Start: p.at, Received: p.out.size + 5})
}

// pgError returns what an ErrorResponse says, and its SQLSTATE.
func pgError(head []byte) (text, code string) {
	var message []byte
	for len(head) > 1 {
		field, rest, ok := bytes.Cut(head[1:], []byte{0})
		switch head[0] {
		case 'C':
			code = string(field[:min(len(field), 5)])
		case 'M':
			message = field
		}
		if !ok {
			break
		}
		head = rest
	}
	return code + " " + sqlMessage(message, namesOnly(code)), code
}

// namesOnly reports a class of errors that quote names of the schema, not values: constraints, tables,
// columns, databases, roles.
func namesOnly(code string) bool {
	if len(code) < 5 || code == "42601" {
		return false
	}
	switch code[:2] {
	case "23", "42", "3D", "3F", "28":
		return true
	}
	return false
}

// maxMessage is the length of an error's text that is told.
const maxMessage = 160

// sqlMessage returns the text of an error. What it quotes may be a value, and is kept only where it is a
// name.
func sqlMessage(message []byte, names bool) string {
	message = message[:min(len(message), maxMessage)]
	if names {
		return string(bytes.ToValidUTF8(message, []byte("?")))
	}
	out := make([]byte, 0, len(message))
	for len(message) > 0 {
		switch c := message[0]; c {
		case '"', '\'', '`':
			message = message[quotedEnd(message, c, false):]
			out = append(out, '?')
		default:
			out = append(out, c)
			message = message[1:]
		}
	}
	return string(bytes.ToValidUTF8(out, []byte("?")))
}
