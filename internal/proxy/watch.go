package proxy

import (
	"slices"
	"sync"
	"time"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// watch reads along with one connection and records the exchanges that it sees. A nil one sees nothing.
type watch struct {
	e      *Edge
	parser sniff.Parser
	unit   string

	mu     sync.Mutex
	asked  [16]asked // the newest questions, oldest first from next
	next   int
	faults []string
	blamed []blame // exchanges that faults acted on, and that have not ended
	job    *job    // the oldest message that the caller works on; nil: none

	fly  sync.Mutex // guards what follows; it is taken before the parser's lock, and mu after
	open int        // exchanges that count as in flight
	more flight     // stands for the messages beside job
	busy bool       // it works on messages
}

// asked is what the caller served when it asked something.
type asked struct {
	at time.Time
	of origin
}

// see shows bytes before they are sent on.
func (w *watch) see(dir sniff.Dir, b []byte) {
	if w == nil {
		return
	}
	now := time.Now()
	if dir == sniff.Request {
		if o, ok := w.e.Caller.only(); ok {
			w.mu.Lock()
			w.asked[w.next] = asked{now, o}
			w.next = (w.next + 1) % len(w.asked)
			w.mu.Unlock()
		}
	}
	w.parser.Feed(now, dir, b, w.record)
	w.flying(now)
}

// flying brings the edge's requests in flight and what its caller serves up to date.
func (w *watch) flying(now time.Time) {
	w.fly.Lock()
	defer w.fly.Unlock()
	n, _ := w.parser.Pending()
	w.e.count.inFlight.Add(int64(n - w.open))
	w.open = n
	if work := w.parser.Work(now.Add(-workMost)); work.N > 0 || w.busy {
		w.works(work)
		w.busy = work.N > 0
	}
}

// end records what the end of the connection leaves without an answer.
func (w *watch) end() {
	if w == nil {
		return
	}
	w.parser.End(time.Now(), w.record)
	w.works(sniff.Work{})
	w.e.count.inFlight.Add(int64(-w.open))
}

// acted notes faults for the exchanges that end from now on.
func (w *watch) acted(words []string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = words
}

// record makes a call of an exchange.
func (w *watch) record(x sniff.Exchange) {
	c := Call{
		From: w.e.From, To: w.e.To, Protocol: w.e.Protocol, Unit: w.unit, Kind: kinds[x.Kind],
		Name: x.Name, Start: x.Start, Duration: x.End.Sub(x.Start), Err: x.Err, Sent: x.Sent, Received: x.Received,
	}
	w.e.count.requests.Add(1)
	if w.e.Record != nil {
		if !w.done(x, &c) {
			c.of(w.origin(x))
		}
		c.Faults = slices.Concat(w.actedOn(), w.blameOf(x.Name))
		for _, a := range x.Attrs {
			c.Attrs = append(c.Attrs, Attr(a))
		}
	}
	w.e.ended(x.End, &c)
}

var kinds = [...]Kind{sniff.Client: Client, sniff.Producer: Producer, sniff.Consumer: Consumer}

// origin is what the exchange itself says, else what the caller served when it asked. What it serves when
// the answer comes may be something else.
func (w *watch) origin(x sniff.Exchange) origin {
	if o, ok := parseTraceparent([]byte(x.TraceParent)); ok {
		return o
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if a.at.Equal(x.Start) && !a.at.IsZero() && x.Kind != sniff.Consumer {
			return a.of
		}
	}
	return origin{trace: newTrace(), sampled: true}
}

func (w *watch) actedOn() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.faults
	w.faults = nil
	return f
}

// blame is an exchange that faults acted on.
type blame struct {
	name, alias string
	words       []string
}

// maxBlamed bounds what is kept of exchanges that never end.
const maxBlamed = 64

// acts notes faults for the next exchange of a name that ends.
func (w *watch) acts(b blame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.blamed) < maxBlamed {
		w.blamed = append(w.blamed, b)
	}
}

func (w *watch) blameOf(name string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, b := range w.blamed {
		if b.name == name || b.alias == name {
			w.blamed = append(w.blamed[:i], w.blamed[i+1:]...)
			return b.words
		}
	}
	return nil
}
