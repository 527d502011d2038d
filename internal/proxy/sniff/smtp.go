package sniff

import (
	"bytes"
	"time"
)

// smtp reads SMTP until it is encrypted. An exchange is a mail, from MAIL to the answer to its last byte, or
// another command that is refused.
type smtp struct {
	teller
	in, out smtpSide
	asked   queue[smtpCommand] // commands without an answer
	open    bool               // mail is set
	mail    smtpMail
	stage   smtpStage
	words   words
}

// smtpSide is one direction.
type smtpSide struct {
	tape
	start time.Time // of the line
	from  int64
}

// smtpMail is a mail on its way.
type smtpMail struct {
	start      time.Time
	from       int64 // where it began, in the request's bytes
	answer     int64 // and in the answer's
	recipients int64
	parent     string
	err        string
	code       string
}

type smtpCommand struct {
	verb  string
	start time.Time
}

// smtpStage is what the caller sends next.
type smtpStage uint8

const (
	smtpLine   smtpStage = iota // a command
	smtpSecret                  // an answer to a challenge
	smtpHeader                  // a line of the mail's header
	smtpBody                    // one of its body
	smtpChunk                   // bytes that BDAT counts
)

// smtpMaxLine is how much is looked at of a line. A mail's body is passed over.
const smtpMaxLine = 128

// smtpVerbs are the commands, and whether an error to one is told by itself.
var smtpVerbs = map[string]bool{"EHLO": true, "HELO": true, "LHLO": true, "AUTH": true, "STARTTLS": true, "VRFY": true, "EXPN": true, "HELP": false,
	"NOOP": false, "QUIT": false, "RSET": false, "MAIL": false, "RCPT": false, "DATA": false, "BDAT": false}

func (p *smtp) Pending() (int, time.Time) {
	if p.off || !p.open {
		return 0, time.Time{}
	}
	return 1, p.mail.start
}

func (p *smtp) Feed(at time.Time, dir Dir, b []byte, emit func(Exchange)) {
	p.feed(at, dir, b, emit, p.request, p.reply)
}

func (p *smtp) End(at time.Time, emit func(Exchange)) {
	p.begin(at, emit)
	if !p.off {
		p.done(broken)
	}
	p.off = true
}

// request reads the next line of the caller.
func (p *smtp) request(b *[]byte) bool {
	in := &p.in
	if in.between() && len(*b) > 0 {
		in.start, in.from = p.at, in.tape.off
	}
	limit := smtpMaxLine
	switch p.stage {
	case smtpSecret:
		limit = 0
	case smtpBody:
		limit = 2
	case smtpChunk:
		if !in.pass(b) {
			return false
		}
		p.stage = smtpLine
		return true
	}
	line, ok := in.line(b, limit)
	if !ok {
		return false
	}
	switch p.stage {
	case smtpLine:
		p.command(line)
	case smtpSecret:
		p.stage = smtpLine
		p.ask("AUTH")
	default:
		p.text(line)
	}
	return true
}

// text reads a line of a mail.
func (p *smtp) text(line []byte) {
	if string(line) == "." {
		p.stage = smtpLine
		p.ask(".")
		return
	}
	if p.stage != smtpHeader {
		return
	}
	if len(line) == 0 {
		p.stage = smtpBody
		return
	}
	key, value, _ := bytes.Cut(line, []byte(":"))
	if value = bytes.TrimSpace(value); bytes.EqualFold(key, []byte("traceparent")) && traceParent(value) {
		p.mail.parent = string(value)
	}
}

// command reads a command.
func (p *smtp) command(line []byte) {
	word, rest, _ := bytes.Cut(line, []byte(" "))
	var name [8]byte
	verb := string(upper(name[:0], word[:min(len(word), len(name))]))
	if _, ok := smtpVerbs[verb]; !ok {
		p.off = true
		return
	}
	switch verb {
	case "MAIL":
		p.done("")
		p.open, p.mail = true, smtpMail{start: p.in.start, from: p.in.from, answer: p.out.tape.off}
	case "RSET", "QUIT":
		p.done("")
	case "BDAT":
		size, last, _ := bytes.Cut(rest, []byte(" "))
		n, ok := number(size)
		if !ok || n < 0 {
			p.off = true
			return
		}
		p.in.skip, p.stage = n, smtpChunk
		if bytes.EqualFold(last, []byte("LAST")) {
			verb = "."
		}
	}
	p.ask(verb)
}

func (p *smtp) ask(verb string) {
	if p.asked.full() {
		p.off = true
		return
	}
	p.asked.push(smtpCommand{verb, p.in.start})
}

// reply reads the next line of the server.
func (p *smtp) reply(b *[]byte) bool {
	line, ok := p.out.line(b, smtpMaxLine)
	if !ok {
		return false
	}
	if len(line) < 3 || !digit(line[0]) || !digit(line[1]) || !digit(line[2]) {
		p.off = true
		return false
	}
	if len(line) > 3 && line[3] == '-' || p.asked.len() == 0 { // more of it follows, or it is the greeting
		return true
	}
	p.answered(p.asked.pop(), line)
	return !p.off
}

func (p *smtp) answered(c smtpCommand, line []byte) {
	refused := line[0] >= '4'
	switch {
	case c.verb == "STARTTLS" && !refused:
		p.off = true
	case c.verb == "AUTH" && line[0] == '3':
		p.stage = smtpSecret
	case c.verb == "DATA" && line[0] == '3':
		p.stage = smtpHeader
	case refused && smtpVerbs[c.verb]:
		p.attr("network.protocol.name", "smtp")
		p.attr("msctl.mail.reply_code", p.words.of(line[:3]))
		p.tell(Exchange{Name: c.verb, Start: c.start, Err: smtpError(line)})
	case !p.open:
	case refused:
		p.mail.err, p.mail.code = smtpError(line), string(line[:3])
	case c.verb == "RCPT":
		p.mail.recipients++
	}
	if c.verb == "." && p.open {
		p.mail.code = p.words.of(line[:3])
		p.tellMail()
	}
}

// done tells the mail that was begun, where it was refused or got no answer.
func (p *smtp) done(err string) {
	if !p.open {
		return
	}
	if p.mail.err == "" {
		p.mail.err = err
	}
	p.open = p.mail.err != ""
	if p.open {
		p.tellMail()
	}
}

func (p *smtp) tellMail() {
	m := p.mail
	p.open, p.mail = false, smtpMail{}
	p.attr("messaging.system", "smtp")
	p.attr("messaging.operation.type", "send")
	p.attr("messaging.operation.name", "send")
	p.attr("network.protocol.name", "smtp")
	p.attr("msctl.mail.reply_code", m.code)
	p.attr("msctl.mail.recipients", p.words.number(m.recipients))
	p.tell(Exchange{Kind: Producer, Name: "send mail", Start: m.start, Err: m.err, TraceParent: m.parent,
		Sent: p.in.tape.off - m.from, Received: p.out.tape.off - m.answer})
}

// smtpError returns a reply up to what may be an address.
func smtpError(line []byte) string {
	if i := bytes.IndexAny(line, "<\"'@`"); i >= 0 {
		line = line[:i]
		line = line[:bytes.LastIndexByte(line, ' ')+1]
	}
	return string(bytes.ToValidUTF8(bytes.TrimRight(line, " :,"), []byte("?")))
}
