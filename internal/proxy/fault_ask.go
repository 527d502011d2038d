package proxy

import "time"

// Asker is a fault that acts on single requests: of HTTP and gRPC, statements of a database, commands,
// messages. It is asked once for each, before anything of it is sent on, and is safe for concurrent use.
// Where it is not false it acts.
type Asker interface {
	Fault
	Ask(*Request) (Action, bool)
}

// Request is what an [Asker] is told of one request. It is good until Ask returns.
type Request struct {
	Edge     string   // "orders:payments"
	Protocol string   // as calls have it: "http", "grpc", "postgres", "redis", "amqp", "nats"
	Method   string   // of HTTP; the verb of a statement or command: "INSERT", "GET"
	Path     string   // of HTTP, without its query; the method of gRPC with a slash before it; the statement; the subject
	Name     string   // as the call is named: "GET /v1/orders/{id}"
	Trace    [16]byte // that it is part of; zero: not known
	Down     bool     // it is a message that the callee sends by itself: a delivery

	alias  string // another name that the call may get: what it turns out to be is not known yet
	header func(name string) (string, bool)
}

// Header returns the first value of a header, whose name is in lower case.
func (r *Request) Header(name string) (string, bool) {
	if r.header == nil {
		return "", false
	}
	return r.header(name)
}

// Action is what is done to one request. Its zero value lets it pass as it is. Those of several faults add
// up; of two that answer the first one does.
type Action struct {
	Delay       time.Duration // before it is sent on
	DelayAnswer time.Duration // of HTTP: between the head of the answer and its caller

	Reset bool   // it is not sent: the caller's connection is reset, or its stream
	Reply *Reply // it is not sent: this is the answer

	Request, Answer Patch // of HTTP: what is changed
	Twice           bool  // the callee gets it two times, one after the other; the caller has the second answer
	Omit            bool  // the callee answers, and the caller's connection is reset instead; what else waits there is lost too

	Cut      bool  // the answer ends with a reset after CutAfter
	CutAfter int64 // bytes of its body; messages where the protocol is gRPC

	DelayRow time.Duration // of postgres: before each row of the answer
	Drop     bool          // of a message: it goes nowhere
	Confirm  bool          // of a message that is dropped: its sender is told that it arrived
	Swap     bool          // of a message: it goes after the next one
	Again    bool          // of an acknowledgement: the broker is told to deliver the message again
}

// Reply is an answer in the callee's place.
type Reply struct {
	Status int      // of HTTP
	Header []Header // in addition to those that every answer has
	Body   string
	Code   int    // of gRPC: its caller gets it instead of Status, with Text
	Text   string // why: the message of a gRPC status or a database's error
	State  string // of a database's error: SQLSTATE "40001", or the first word of redis "READONLY"
}

// Header is one header line.
type Header struct{ Name, Value string }

// Patch is what is changed of a message. Its zero value changes nothing.
type Patch struct {
	Set    []Header                                 // in place of those of the same name, or new
	Remove []string                                 // names
	Body   func(content string, body []byte) []byte // gets the content type, returns the body to send; nil: it stays
}

// head reports whether header lines change.
func (p *Patch) head() bool { return len(p.Set)+len(p.Remove) > 0 }

// plan is what the faults on an edge do to one request.
type plan struct {
	Action
	requests, answers []Patch
	words             []string // of the faults that act
	under             *acting
}

// asking is an [Asker] with what decides how often it acts.
type asking struct {
	Asker
	placed *Placed // nil: always
}

// askerOf finds the [Asker] that a fault is, or that is placed.
func askerOf(f Fault) (a asking, ok bool) {
	if a.placed, ok = f.(*Placed); ok {
		f = a.placed.Fault
	}
	a.Asker, ok = f.(Asker)
	return a, ok
}

// draws tosses the coin of one request that the fault would act on.
func (a asking) draws(edge string) bool {
	p := a.placed
	if p == nil {
		return true
	}
	if p.Toxicity > 0 && p.Toxicity < 1 && Coin(p.Seed, edge, p.ID, p.coins(edge).Add(1)-1) >= p.Toxicity {
		return false
	}
	p.acted.Add(1)
	return true
}

// ask asks every fault, and returns what they do together, or nil.
func (a *acting) ask(r *Request) *plan {
	var p *plan
	for _, one := range a.asks {
		act, ok := one.Ask(r)
		if !ok || !one.draws(r.Edge) {
			continue
		}
		if p == nil {
			p = &plan{under: a}
		}
		p.add(act)
		p.words = append(p.words, one.String())
	}
	return p
}

// add takes what one more fault does.
func (p *plan) add(a Action) {
	p.Delay += a.Delay
	p.DelayAnswer += a.DelayAnswer
	if p.Reply == nil && !p.Reset {
		p.Reply, p.Reset = a.Reply, a.Reset
	}
	p.Twice = p.Twice || a.Twice
	p.Omit = p.Omit || a.Omit
	p.DelayRow += a.DelayRow
	p.Drop, p.Confirm = p.Drop || a.Drop, p.Confirm || a.Drop && a.Confirm
	p.Swap, p.Again = p.Swap || a.Swap, p.Again || a.Again
	if a.Cut && (!p.Cut || a.CutAfter < p.CutAfter) {
		p.Cut, p.CutAfter = true, a.CutAfter
	}
	if a.Request.head() || a.Request.Body != nil {
		p.requests = append(p.requests, a.Request)
	}
	if a.Answer.head() || a.Answer.Body != nil {
		p.answers = append(p.answers, a.Answer)
	}
}

// plain are the words of the faults that act on all that goes over the edge.
func (a *acting) plain() []string {
	var words []string
	for _, f := range a.list {
		if _, asks := askerOf(f); !asks {
			words = append(words, f.String())
		}
	}
	return words
}

// bodies reports whether a patch looks at a body.
func bodies(patches []Patch) bool {
	for _, p := range patches {
		if p.Body != nil {
			return true
		}
	}
	return false
}

// patchBody applies patches one after another.
func patchBody(patches []Patch, content string, b []byte) []byte {
	for _, p := range patches {
		if p.Body != nil {
			b = p.Body(content, b)
		}
	}
	return b
}
