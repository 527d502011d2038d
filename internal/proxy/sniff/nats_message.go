package sniff

import (
	"bytes"
	"strings"
)

// readHeaders looks for a trace context and for what went wrong.
func (p *nats) readHeaders(dir Dir, s *natsSide, head []byte) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	status := bytes.TrimSpace(bytes.TrimPrefix(line, []byte("NATS/1.0")))
	if dir == Response && len(status) > 0 {
		s.call.err = sqlMessage(status, false)
		if string(status) == "503" {
			s.call.err = "503 no responders"
		}
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		key, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(key, []byte("traceparent")) && traceParent(value):
			s.call.parent = string(value)
		case bytes.EqualFold(key, []byte("Nats-Service-Error-Code")):
			s.call.err = strings.TrimSpace(sqlMessage(value, false) + " service error")
		}
	}
}

// message acts on a message, of whose payload payload is the beginning.
func (p *nats) message(dir Dir, s *natsSide, payload []byte) {
	c := s.call
	s.call = natsCall{}
	if c.answer {
		p.answered(dir, c, payload)
		return
	}
	if dir == Request {
		p.published(c)
		return
	}
	if c.err != "" {
		return // a status of JetStream: no message
	}
	c.kind = natsDelivery
	if c.reply == 0 {
		p.tellCall(c)
		return
	}
	p.wait(c)
}

func (p *nats) published(c natsCall) {
	switch {
	case c.reply == 0:
		p.tellCall(c)
	case strings.HasSuffix(c.dest, ".MSG.NEXT"): // its answers are messages, each of which is told
	default:
		p.wait(c)
	}
}

// wait files what an answer ends. Where too much waits the oldest goes.
func (p *nats) wait(c natsCall) {
	if len(p.waiting) == maxPending {
		p.expire(p.take(0))
	}
	p.waiting = append(p.waiting, c)
}

func (p *nats) take(i int) natsCall {
	c := p.waiting[i]
	copy(p.waiting[i:], p.waiting[i+1:])
	p.waiting[len(p.waiting)-1] = natsCall{}
	p.waiting = p.waiting[:len(p.waiting)-1]
	return c
}

// answered ends the message that c answers.
func (p *nats) answered(dir Dir, c natsCall, payload []byte) {
	i := p.find(c.subject | 1)
	if i < 0 {
		return
	}
	if p.waiting[i].kind == natsDelivery != (dir == Request) {
		return
	}
	if c.api && bytes.HasPrefix(payload, []byte("+WPI")) {
		return // still at work
	}
	asked := p.take(i)
	asked.sent += c.sent
	asked.received += c.received
	asked.err = c.err
	switch {
	case dir == Request && c.api && bytes.HasPrefix(payload, []byte("-NAK")):
		asked.err = "nak"
	case dir == Request && bytes.HasPrefix(payload, []byte("+TERM")):
		asked.err = "term"
	case dir == Response && bytes.HasPrefix(payload, []byte(`{"stream":`)) && !asked.api:
		asked.kind, asked.err = natsStored, natsError(payload)
	case dir == Response && (asked.api || bytes.HasPrefix(payload, []byte(`{"error":{"code":`))):
		asked.err = natsError(payload)
		if strings.HasSuffix(asked.dest, ".INFO") && strings.HasPrefix(asked.err, "404 ") {
			asked.err = "" // it was asked whether it exists
		}
	}
	p.tellCall(asked)
}

// natsError returns the error in an answer of JetStream.
func natsError(payload []byte) string {
	_, e, found := bytes.Cut(payload, []byte(`"error":{"code":`))
	if !found {
		return ""
	}
	n := 0
	for n < len(e) && digit(e[n]) {
		n++
	}
	code := string(e[:n])
	_, text, _ := bytes.Cut(e, []byte(`"description":"`))
	text, _, _ = bytes.Cut(text, []byte(`"`))
	return strings.TrimSpace(code + " " + sqlMessage(text, false))
}

// natsVerbs end the part of an API subject that says what is asked; after it come names.
var natsVerbs = map[string]bool{"CREATE": true, "UPDATE": true, "DELETE": true, "INFO": true, "LIST": true, "NAMES": true,
	"PURGE": true, "GET": true, "NEXT": true, "PAUSE": true, "UNPIN": true, "STEPDOWN": true, "REMOVE": true, "SNAPSHOT": true, "RESTORE": true}

// natsOperation cuts an API subject after its verb: "$JS.API.STREAM.CREATE".
func natsOperation(subject []byte) []byte {
	n := 0
	for n < len(subject) {
		end := bytes.IndexByte(subject[n:], '.')
		if end < 0 {
			break
		}
		if natsVerbs[string(subject[n:n+end])] {
			return subject[:n+end]
		}
		n += end + 1
	}
	return subject
}

func (p *nats) tellCall(c natsCall) {
	x := Exchange{Start: c.start, Err: c.err, Sent: c.sent, Received: c.received, TraceParent: c.parent}
	operation := ""
	switch {
	case c.kind == natsConnect:
		x.Name = "CONNECT"
	case c.kind == natsDelivery && c.reply == 0:
		x.Kind, operation = Consumer, "receive"
	case c.kind == natsDelivery:
		x.Kind, operation = Consumer, "process"
	case c.kind == natsPublish && c.api:
		x.Name = c.dest
	case c.kind == natsPublish && c.reply != 0:
		operation = "request"
	default:
		x.Kind, operation = Producer, "publish"
	}
	p.attr("messaging.system", "nats")
	if operation != "" {
		p.scratch = append(append(append(p.scratch[:0], operation...), ' '), c.dest...)
		x.Name = p.words.of(p.scratch)
		p.attr("messaging.operation.type", natsType(operation))
		p.attr("messaging.operation.name", operation)
		p.attr("messaging.message.body.size", p.words.number(c.size))
	}
	p.attr("messaging.destination.name", c.dest)
	p.tell(x)
}

func natsType(operation string) string {
	switch operation {
	case "receive", "process":
		return operation
	}
	return "send"
}
