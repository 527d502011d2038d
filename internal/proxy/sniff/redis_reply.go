package sniff

import "strings"

// redisReply is the reply that is being read.
type redisReply struct {
	tape
	from  int64
	depth int
	left  [maxDepth]int64 // elements that are still to come, at each depth
	note  [maxDepth]bool  // an attribute: it is not an element of what is around it
	bulk  bool            // size bytes and a line end are to come
	size  int64
	open  bool   // of those, only what is skipped is left
	push  bool   // the reply is a push by its type
	array bool   // it is an array
	err   string // of the reply, or the first in it
	seen  int    // strings at depth 1 so far
	words [2][maxKey]byte
	lens  [2]int
}

// reply reads the next piece of a reply.
func (p *redis) reply(b *[]byte) bool {
	out := &p.out
	switch {
	case out.open:
		if !out.pass(b) {
			return false
		}
		out.open, out.bulk = false, false
		p.element()
		return true
	case out.bulk:
		return p.keepBulk(b)
	}
	if out.depth == 0 && out.between() {
		out.from = out.tape.off
	}
	line, ok := out.line(b, maxLine)
	if !ok {
		return false
	}
	if len(line) == 0 {
		p.off = true
		return false
	}
	if out.depth == 0 {
		out.push, out.array, out.err, out.seen, out.lens = line[0] == '>', line[0] == '*', "", 0, [2]int{}
	}
	return p.typed(line)
}

// typed begins the value whose first line is given.
func (p *redis) typed(line []byte) bool {
	out := &p.out
	switch line[0] {
	case '+', ':', '_', '#', ',', '(':
		p.element()
		return true
	case '-':
		if out.err == "" && out.depth <= 1 {
			out.err = redisError(line[1:])
		}
		p.element()
		return true
	}
	n, ok := number(line[1:])
	if !ok || n > maxBulk {
		p.off = true
		return false
	}
	switch line[0] {
	case '$', '=', '!':
		if n < 0 {
			p.element()
			return true
		}
		out.bulk, out.size = true, n
		if line[0] == '!' && out.err == "" && out.depth <= 1 {
			out.err = "ERR"
		}
	case '*', '~', '>':
		p.nest(n, false)
	case '%':
		p.nest(2*n, false)
	case '|':
		p.nest(2*n, true)
	default:
		p.off = true
	}
	return !p.off
}

// nest begins a value of n elements.
func (p *redis) nest(n int64, note bool) {
	out := &p.out
	if n <= 0 {
		if !note {
			p.element()
		}
		return
	}
	if out.depth == maxDepth {
		p.off = true
		return
	}
	out.left[out.depth], out.note[out.depth] = n, note
	out.depth++
}

// element counts a value that has ended, and all those that end with it.
func (p *redis) element() {
	out := &p.out
	for out.depth > 0 {
		out.left[out.depth-1]--
		if out.left[out.depth-1] > 0 {
			return
		}
		out.depth--
		if out.note[out.depth] {
			return
		}
	}
	p.answer()
}

// keepBulk reads a string: the first two of a push say what it is, all others are skipped.
func (p *redis) keepBulk(b *[]byte) bool {
	out := &p.out
	keep := out.depth == 1 && out.seen < len(out.words) && (out.push || out.array && p.subscribed)
	n := 0
	if keep {
		n = int(min(out.size, maxKey))
	}
	piece, ok := out.cut(b, n)
	if !ok {
		return false
	}
	if keep {
		out.lens[out.seen] = copy(out.words[out.seen][:], piece)
		out.seen++
	}
	out.skip, out.open = out.size-int64(n)+2, true
	return true
}

// answer is the end of a reply.
func (p *redis) answer() {
	out := &p.out
	received := out.tape.off - out.from
	if p.pushed(received) {
		return
	}
	if p.waiting.len() == 0 {
		p.off = !p.subscribed // it is not what we take it for; a refused subscription is
		return
	}
	c := p.waiting.at(0)
	c.received += received
	switch {
	case c.err != "":
	case expected(c.name, out.err):
		c.code = redisCode(out.err)
	default:
		c.err = out.err
	}
	if c.n--; c.n == 0 {
		p.tellCall(p.waiting.pop())
	}
}

// pushed reports whether the reply is one that nobody asked for, and tells a message.
func (p *redis) pushed(received int64) bool {
	out := &p.out
	if out.seen == 0 {
		return out.push
	}
	switch string(out.words[0][:out.lens[0]]) {
	case "message", "pmessage", "smessage":
	case "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe":
		return true
	default:
		return out.push
	}
	p.scratch = pattern(append(p.scratch[:0], "receive "...), out.words[1][:out.lens[1]])
	name := p.words.of(p.scratch)
	p.attr("messaging.system", "redis")
	p.attr("messaging.operation.type", "receive")
	p.attr("messaging.operation.name", "receive")
	p.attr("messaging.destination.name", name[len("receive "):])
	p.tell(Exchange{Kind: Consumer, Name: name, Start: p.at, Received: received})
	return true
}

// redisError returns the code of an error and its words up to the first that may be a value.
func redisError(line []byte) string {
	for i, c := range line {
		if !letter(c) && c != ' ' && c != '_' && c != ',' && c != '-' {
			line = line[:i]
			break
		}
	}
	for len(line) > 0 && (line[len(line)-1] == ' ' || line[len(line)-1] == ',') {
		line = line[:len(line)-1]
	}
	if len(line) == 0 {
		return "ERR"
	}
	return string(line)
}

// redisCode is the first word of an error: "NOSCRIPT".
func redisCode(err string) string {
	code, _, _ := strings.Cut(err, " ")
	return code
}

// expected reports an error that every client has an answer for: the script is sent whole, another node is
// asked, or the server is older than what the client says of itself.
func expected(command, err string) bool {
	switch redisCode(err) {
	case "":
		return false
	case "NOSCRIPT", "MOVED", "ASK":
		return true
	}
	switch command {
	case "HELLO", "CLIENT SETINFO", "CLIENT SETNAME", "CLIENT MAINT_NOTIFICATIONS":
		return redisCode(err) == "ERR" || redisCode(err) == "NOPROTO"
	}
	return false
}
