package sniff

import (
	"bytes"
	"slices"
)

// Insight is what parsers know beside exchanges: where a connection can be joined, and what it has agreed on.
// What [New] returns has it.
type Insight interface {
	// Idle reports that the connection is open, both sides are between messages, and nothing waits for an
	// answer that comes in its turn.
	Idle() bool
	// Prepared returns what a prepared statement of postgres does.
	Prepared(name []byte) (Statement, bool)
	// Confirms returns how much was published so far on each channel of AMQP where that is confirmed.
	Confirms() map[uint16]uint64
}

// Statement is one SQL statement.
type Statement struct {
	Name        string // "SELECT orders", as exchanges have it
	Op          string // "SELECT"
	Text        string // without literals and comments, where it is not known in full
	TraceParent string // of a comment
}

// SQL reads a statement of postgres.
func SQL(text []byte) Statement {
	s := statements{dialect: dialect{dollar: true}}
	st := s.read(text[:min(len(text), maxSQL)])
	return Statement{st.name, st.op, string(text), st.parent}
}

// RedisName returns what exchanges call a command.
func RedisName(args ...[]byte) string {
	name := string(bytes.ToUpper(args[0]))
	if len(args) > 1 && redisCommands[name].first == word && commandWord(args[1]) {
		name += " " + string(bytes.ToUpper(args[1]))
	}
	return name
}

// Shape returns what exchanges call a subject or routing key: what looks like an id is a question mark.
func Shape(name []byte) string { return string(pattern(nil, name)) }

// Idle implements [Insight].
func (g *guarded) Idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.parser.(interface{ idle() bool })
	return ok && p.idle()
}

// Prepared implements [Insight].
func (g *guarded) Prepared(name []byte) (s Statement, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, is := g.parser.(*postgres); is {
		if st := p.prepared.known[p.statements.hash(name)]; st != nil {
			return Statement{st.name, st.op, st.text, st.parent}, true
		}
	}
	return s, false
}

// Confirms implements [Insight].
func (g *guarded) Confirms() map[uint16]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	published := map[uint16]uint64{}
	if p, is := g.parser.(*amqp); is {
		for id, ch := range p.channels {
			if ch.confirm {
				published[id] = ch.published
			}
		}
	}
	return published
}

func (p *postgres) idle() bool {
	return !p.off && p.phase == pgOpen && p.in.between() && !p.in.headed && p.out.between() && !p.out.headed && p.waiting.len() == 0
}

func (p *redis) idle() bool {
	return !p.off && p.in.left == 0 && !p.in.open && p.in.between() &&
		p.out.depth == 0 && !p.out.bulk && !p.out.open && p.out.between() && p.waiting.len() == 0
}

func (p *nats) idle() bool {
	return !p.off && p.in.stage == natsLine && p.in.between() && p.out.stage == natsLine && p.out.between()
}

func (p *amqp) idle() bool {
	for _, ch := range p.channels {
		if ch.content[Request].open || ch.content[Response].open {
			return false
		}
	}
	opening := slices.ContainsFunc(p.waiting, func(c amqpCall) bool { return c.kind == amqpQuestion })
	return !p.off && p.greeted && !opening && p.in.stage == amqpHead && p.in.between() && p.out.stage == amqpHead && p.out.between()
}
