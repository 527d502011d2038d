package proxy

import (
	"bytes"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// natsTalk is the protocol of NATS. A message that is dropped goes nowhere, and its sender gets no answer; an
// acknowledgement to JetStream may be turned into its opposite, and the message comes again.
type natsTalk struct {
	hold []byte // of the callee's message
	skip int    // bytes of it that pass
}

func (t *natsTalk) cut(b []byte) (int, error) {
	line, n := redisLine(b)
	switch {
	case n == 0 && len(b) > maxTalk:
		return 0, errTalk
	case n == 0:
		return 0, nil
	}
	words := bytes.Fields(line)
	if len(words) < 2 || !natsMessage(words[0]) {
		return n, nil
	}
	size, err := strconv.Atoi(string(words[len(words)-1]))
	if err != nil || size < 0 || size > 1<<30 {
		return 0, errTalk
	}
	return n + size + 2, nil
}

// natsMessage reports a verb that a payload follows.
func natsMessage(verb []byte) bool {
	switch string(bytes.ToUpper(verb)) {
	case "PUB", "HPUB", "MSG", "HMSG":
		return true
	}
	return false
}

func (t *natsTalk) describe(m []byte, q *Request) bool {
	line, at := redisLine(m)
	words := strings.Fields(string(line))
	if len(words) < 3 || !natsMessage([]byte(words[0])) {
		return false
	}
	verb := strings.ToUpper(words[0])
	headers := verb[0] == 'H'
	if headers {
		verb = verb[1:]
	}
	q.Method, q.Path, q.Down = verb, words[1], verb == "MSG"
	shape := sniff.Shape([]byte(q.Path))
	switch {
	case strings.HasPrefix(q.Path, "$JS.ACK."):
		q.Method, q.Path, q.Name = "ACK", strings.Split(q.Path, ".")[2], "ack"
	case strings.HasPrefix(q.Path, "$") || strings.HasPrefix(q.Path, "_INBOX."):
		return false // questions to JetStream, and answers
	case q.Down:
		q.Name, q.alias = "receive "+shape, "process "+shape
	default:
		q.Name, q.alias = "publish "+shape, "request "+shape
	}
	if headers {
		q.header = func(name string) (string, bool) { return headerOf(m[at:], name) }
		if parent, ok := q.header("traceparent"); ok {
			if o, ok := parseTraceparent([]byte(parent)); ok {
				q.Trace = o.trace
			}
		}
	}
	return true
}

func (t *natsTalk) instead(m []byte, p *plan) (up, down []byte) {
	line, _ := redisLine(m)
	words := strings.Fields(string(line))
	ack := len(words) > 1 && strings.HasPrefix(words[1], "$JS.ACK.")
	switch {
	case p.Again && ack:
		return natsRefusal(words), nil
	case p.Drop:
		return nil, nil
	case p.Twice && !ack:
		return append(append([]byte(nil), m...), m...), nil
	}
	return m, nil
}

// unanswered is what is shown to who reads along in place of the answer that a message never gets: it has ended, and
// what is sent after it is another. It is JetStream's, which most wait for.
func (t *natsTalk) unanswered(m []byte, p *plan) []byte {
	line, _ := redisLine(m)
	words, replied := strings.Fields(string(line)), 4
	if words[0][0]|0x20 == 'h' {
		replied = 5
	}
	if !p.Drop || len(words) != replied || strings.HasPrefix(words[1], "$JS.ACK.") {
		return nil
	}
	const answer = `{"stream":"","error":{"code":,"description":"lost by a fault"}}`
	return []byte("MSG " + words[2] + " 0 " + strconv.Itoa(len(answer)) + "\r\n" + answer + "\r\n")
}

// natsRefusal is what refuses a message in place of the acknowledgement whose first line is words. It has no headers.
func natsRefusal(words []string) []byte {
	verb, end := words[0], len(words)-1
	if verb[0]|0x20 == 'h' {
		verb, end = verb[1:], end-1
	}
	return []byte(verb + " " + strings.Join(words[1:end], " ") + " 4\r\n-NAK\r\n")
}

func (t *natsTalk) down(b []byte, ask func(*Request) *plan) (out []byte, rows int) {
	b = append(t.hold, b...)
	t.hold = nil
	for len(b) > 0 {
		if t.skip > 0 {
			n := min(t.skip, len(b))
			out, b, t.skip = append(out, b[:n]...), b[n:], t.skip-n
			continue
		}
		n, err := t.cut(b)
		switch {
		case err != nil:
			return append(out, b...), 0
		case n > maxTalk:
			t.skip = n
			continue
		case n == 0 || n > len(b):
			t.hold = b
			return out, 0
		}
		out, b = append(out, t.deliver(b[:n], ask)...), b[n:]
	}
	return out, 0
}

// deliver returns what the caller gets of a message.
func (t *natsTalk) deliver(m []byte, ask func(*Request) *plan) []byte {
	var q Request
	if m[0]|0x20 != 'm' && m[0]|0x20 != 'h' || !t.describe(m, &q) || !q.Down {
		return m
	}
	if p := ask(&q); p != nil {
		m, _ = t.instead(m, p)
	}
	return m
}

func (t *natsTalk) rest() []byte { return t.hold }

func (t *natsTalk) resting() bool { return len(t.hold) == 0 && t.skip == 0 }
