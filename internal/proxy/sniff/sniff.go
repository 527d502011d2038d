// Package sniff reads along with a connection and says what its two sides say to each other: queries,
// commands, messages. It changes nothing, waits for nothing and keeps little: at most 64 KiB for each
// connection, whatever its peers send. Secrets are passed over: passwords, values, bodies, and literals
// in SQL.
package sniff

import (
	"sync"
	"time"
)

// Dir is the way that bytes go.
type Dir uint8

// The directions.
const (
	Request  Dir = iota // from the caller
	Response            // from the callee
)

// Kind says which part of a conversation an exchange is.
type Kind uint8

// The kinds.
const (
	Client   Kind = iota // a question with its answer
	Producer             // a message that the caller handed over
	Consumer             // a message that the caller was given
)

// Exchange is one query, command or message, from its first byte to the end of its answer.
type Exchange struct {
	Kind        Kind
	Name        string // of few different values: "SELECT orders", "GET", "publish email.queue"
	Attrs       []Attr // under the names of OpenTelemetry's semantic conventions; good until emit returns
	Start, End  time.Time
	Err         string // why it failed; "" it did not
	Sent        int64  // bytes of the question or message that the caller sent
	Received    int64  // bytes of the answer or message that the caller got
	TraceParent string // found in the message's own headers or in the query's comment; "" none
}

// Attr is one attribute of an exchange.
type Attr struct{ Key, Value string }

// Parser follows one connection. It never fails: what it does not understand switches it off for good,
// and what it saw until then stays true.
//
// Bytes must be fed in the order in which they went over the wire, and before they are sent on: then no
// answer is seen before its question. How they are cut into chunks changes nothing.
type Parser interface {
	// Feed reads b, which went in direction dir at the time at, and calls emit for every exchange that b
	// ends. It keeps nothing of b.
	Feed(at time.Time, dir Dir, b []byte, emit func(Exchange))
	// End emits what the end of the connection leaves without an answer, as failed.
	End(at time.Time, emit func(Exchange))
	// Pending returns how many exchanges have begun and not ended, and when the oldest of them began.
	Pending() (int, time.Time)
	// Work returns what the caller was given since then and has not acknowledged.
	Work(since time.Time) Work
}

// Work is the messages that the caller works on.
type Work struct {
	N           int
	Start       time.Time // of the oldest; the Exchange that ends it has the same
	TraceParent string    // of the oldest
}

// add counts a message. The oldest comes first.
func (w *Work) add(start time.Time, parent string) {
	if w.N == 0 {
		w.Start, w.TraceParent = start, parent
	}
	w.N++
}

// protocols are the ones that can be read, by the names that edges have for them.
var protocols = []struct {
	name string
	open func() Parser
}{
	{"postgres", func() Parser { return &postgres{statements: statements{dialect: dialect{dollar: true}}} }},
	{"amqp", func() Parser { return &amqp{} }},
	{"nats", func() Parser { return &nats{} }},
	{"redis", func() Parser { return &redis{} }},
	{"mysql", func() Parser { return &mysql{} }},
	{"smtp", func() Parser { return &smtp{} }},
}

// New returns a parser for one connection of a protocol, or nil where that protocol is not known. The
// parser may be fed from both directions at the same time.
func New(protocol string) Parser {
	for _, p := range protocols {
		if p.name == protocol {
			return &guarded{parser: p.open()}
		}
	}
	return nil
}

// guarded is a parser that two directions share. A mistake of ours in it costs the exchanges of one
// connection, never the connection.
type guarded struct {
	mu     sync.Mutex
	parser Parser // nil: off
}

func (g *guarded) Feed(at time.Time, dir Dir, b []byte, emit func(Exchange)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.rescue()
	if g.parser != nil {
		g.parser.Feed(at, dir, b, emit)
	}
}

func (g *guarded) End(at time.Time, emit func(Exchange)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.rescue()
	if g.parser != nil {
		g.parser.End(at, emit)
	}
	g.parser = nil
}

func (g *guarded) Pending() (int, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parser == nil {
		return 0, time.Time{}
	}
	return g.parser.Pending()
}

func (g *guarded) Work(since time.Time) Work {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parser == nil {
		return Work{}
	}
	return g.parser.Work(since)
}

func (g *guarded) rescue() {
	if recover() != nil {
		g.parser = nil
	}
}

// broken is the Err of an exchange whose connection ended before its answer.
const broken = "connection closed before the answer"

// maxPending bounds the exchanges of one connection that wait for their end.
const maxPending = 128

// teller is what every parser tells its exchanges with. It is set for the time of one call.
type teller struct {
	at    time.Time
	emit  func(Exchange)
	attrs []Attr // used again for the next exchange
	rest  []byte // what is fed and not yet read
	off   bool   // nothing is read any more
}

func (t *teller) begin(at time.Time, emit func(Exchange)) { t.at, t.emit = at, emit }

// feed reads b by the function of its direction, for as long as that reports that there may be more.
func (t *teller) feed(at time.Time, dir Dir, b []byte, emit func(Exchange), request, response func(b *[]byte) bool) {
	t.begin(at, emit)
	read := request
	if dir == Response {
		read = response
	}
	for t.rest = b; !t.off && read(&t.rest); {
	}
	t.rest = nil
}

// queued is Pending of n exchanges, the oldest of which began at the time that since says.
func (t *teller) queued(n int, since func() time.Time) (int, time.Time) {
	if t.off || n == 0 {
		return 0, time.Time{}
	}
	return n, since()
}

// Work is none where a protocol has no messages.
func (t *teller) Work(time.Time) Work { return Work{} }

// attr adds an attribute to the exchange that tell tells next; one without a value is left out.
func (t *teller) attr(key, value string) {
	if value != "" {
		t.attrs = append(t.attrs, Attr{key, value})
	}
}

// tell emits x with the attributes that were added, ending now.
func (t *teller) tell(x Exchange) {
	x.Attrs, x.End = t.attrs, t.at
	t.emit(x)
	t.attrs = t.attrs[:0]
}
