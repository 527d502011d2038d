package sniff

import (
	"bytes"
	"cmp"
	"strconv"
	"time"
)

// redis reads RESP2 and RESP3. The answers come in the order of the commands; what comes between them
// is a push.
type redis struct {
	teller
	subscribed bool // an answer may be a message, in RESP2 too
	waiting    queue[redisCall]
	words      words
	in         redisRequest
	out        redisReply
	scratch    []byte
}

// redisCall is a command, or a run of commands, that waits for its answers.
type redisCall struct {
	name     string
	text     string // the command with the shape of its key
	start    time.Time
	sent     int64
	received int64
	n        int // answers that are still to come
	size     int // commands
	err      string
	code     string // of an answer that says no without a failure
}

// redisRequest is the command that is being read.
type redisRequest struct {
	tape
	start time.Time
	from  int64 // where it began
	left  int64 // arguments that are still to come
	arg   int   // index of the argument that comes next
	size  int64 // length of that argument
	sized bool  // size is known
	open  bool  // an argument is known and its end is not reached
	name  [maxCommand]byte
	named int // length of name
	key   [maxKey]byte
	keyed int
}

// Bounds of what is kept of a command and of a reply.
const (
	maxCommand = 32
	maxKey     = 128
	maxDepth   = 32      // of a reply
	maxBulk    = 1 << 34 // a longer one is not redis
	maxLine    = 256
)

func (p *redis) Pending() (int, time.Time) {
	return p.queued(p.waiting.len(), func() time.Time { return p.waiting.at(0).start })
}

func (p *redis) Feed(at time.Time, dir Dir, b []byte, emit func(Exchange)) {
	p.feed(at, dir, b, emit, p.request, p.reply)
}

func (p *redis) End(at time.Time, emit func(Exchange)) {
	p.begin(at, emit)
	for !p.off && p.waiting.len() > 0 {
		c := p.waiting.pop()
		c.err = broken
		p.tellCall(c)
	}
	p.off = true
}

// request reads the next piece of a command.
func (p *redis) request(b *[]byte) bool {
	in := &p.in
	switch {
	case in.open:
		if !in.pass(b) {
			return false
		}
		in.open, in.sized = false, false
		in.left--
		in.arg++
		if in.left == 0 {
			p.command()
		}
		return true
	case in.left == 0:
		return p.head(b)
	case !in.sized:
		line, ok := in.line(b, maxLine)
		if !ok {
			return false
		}
		return p.sizeArg(line)
	}
	return p.keepArg(b)
}

// head reads the line that begins a command.
func (p *redis) head(b *[]byte) bool {
	in := &p.in
	if in.between() && len(*b) > 0 {
		in.start, in.from = p.at, in.tape.off
	}
	line, ok := in.line(b, maxLine)
	if !ok {
		return false
	}
	in.arg, in.named, in.keyed = 0, 0, 0
	switch {
	case len(line) == 0: // allowed between commands
	case line[0] == '*':
		n, ok := number(line[1:])
		if !ok || n > 1<<24 {
			p.off = true
			return false
		}
		in.left = max(0, n)
	case letter(line[0]): // an inline command
		word, _, _ := bytes.Cut(line, []byte(" "))
		in.named = len(upper(in.name[:0], word[:min(len(word), maxCommand)]))
		p.command()
	default:
		p.off = true
	}
	return true
}

func (p *redis) sizeArg(line []byte) bool {
	in := &p.in
	if len(line) < 2 || line[0] != '$' {
		p.off = true
		return false
	}
	n, ok := number(line[1:])
	if !ok || n < 0 || n > maxBulk {
		p.off = true
		return false
	}
	in.size, in.sized = n, true
	return true
}

// keepArg keeps of the next argument what may be kept, and skips the rest.
func (p *redis) keepArg(b *[]byte) bool {
	in := &p.in
	var room []byte
	switch {
	case in.arg == 0:
		room = in.name[:]
	case in.arg == 1 && p.keeps():
		room = in.key[:]
	}
	n := int(min(in.size, int64(len(room))))
	piece, ok := in.cut(b, n)
	if !ok {
		return false
	}
	switch in.arg {
	case 0:
		in.named = len(upper(in.name[:0], piece))
	case 1:
		in.keyed = copy(in.key[:], piece)
	}
	in.skip, in.open = in.size-int64(n)+2, true
	return true
}

// keeps reports whether the argument after the name is a key or a second word of the command. All others
// may be secret and are never held.
func (p *redis) keeps() bool {
	return redisCommands[string(p.in.name[:p.in.named])].first != nothing
}

// command files the command that has been read.
func (p *redis) command() {
	in := &p.in
	c := redisCall{start: in.start, sent: in.tape.off - in.from, n: 1, size: 1}
	key := in.key[:in.keyed]
	known, ok := redisCommands[string(in.name[:in.named])]
	switch {
	case !ok:
		c.name = p.unknown(in.name[:in.named])
		c.text = c.name
	case known.first == word:
		p.scratch = append(append(p.scratch[:0], known.name...), ' ')
		p.scratch = upper(p.scratch, key)
		if !commandWord(key) {
			p.scratch = p.scratch[:len(known.name)]
		}
		c.name = p.words.of(p.scratch)
		c.text = c.name
	default:
		c.name = known.name
		p.scratch = append(append(p.scratch[:0], known.name...), ' ')
		p.scratch = pattern(p.scratch, key)
		c.text = p.words.of(bytes.TrimSuffix(p.scratch, []byte(" ")))
	}
	p.file(c)
}

func (p *redis) file(c redisCall) {
	switch c.name {
	case "MONITOR", "SYNC", "PSYNC", "CLIENT REPLY": // from here on the answers do not fit the commands
		p.off = true
		return
	case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE":
		p.subscribed = true // each channel is confirmed by a push
		p.tellCall(c)
		return
	}
	if !p.waiting.full() {
		p.waiting.push(c)
		return
	}
	last := p.waiting.at(p.waiting.len() - 1)
	if last.name != c.name {
		last.name = "PIPELINE"
	}
	last.text = ""
	last.n++
	last.size++
	last.sent += c.sent
}

// unknown names a command that is not in the table by its own word.
func (p *redis) unknown(name []byte) string {
	if !commandWord(name) {
		return "unknown"
	}
	return p.words.of(upper(p.scratch[:0], name))
}

// commandWord reports whether b may be shown as part of a command's name.
func commandWord(b []byte) bool {
	for _, c := range b {
		if !letter(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxToken
}

func (p *redis) tellCall(c redisCall) {
	p.attr("db.system.name", "redis")
	p.attr("db.operation.name", c.name)
	p.attr("db.query.text", c.text)
	if c.size > 1 {
		p.attr("db.operation.batch.size", strconv.Itoa(c.size))
	}
	if c.err != broken {
		p.attr("db.response.status_code", cmp.Or(c.code, redisCode(c.err)))
	}
	p.tell(Exchange{Name: c.name, Start: c.start, Err: c.err, Sent: c.sent, Received: c.received})
}
