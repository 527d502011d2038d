package proxy

import "time"

// Shaper is a fault that acts on the bytes of connections. It is asked for a [Shape] once for each direction
// of a connection that it acts on.
type Shaper interface {
	Fault
	Shape(Conn) Shape
}

// Conn is what a [Shaper] is told of one direction of a connection.
type Conn struct {
	Edge string    // "orders:payments"
	Up   bool      // caller to callee
	Seed uint64    // of this connection: the same in a second run with the same seed
	Met  time.Time // when the fault met the connection: it was opened, or the fault was placed
}

// Shape decides what becomes of the bytes of one direction of a connection. It never blocks, and is asked by
// one goroutine at a time.
type Shape interface {
	// Next says what becomes of a piece, as long as it is next in line. It may be asked several times.
	Next(now time.Time, p Piece) Verdict
	// Take is told which bytes of it go on now, in order, and may change them.
	Take(now time.Time, b []byte)
}

// Piece is bytes that are next in line, or the orderly end behind the last of them.
type Piece struct {
	Size int       // 0: it is the end
	Came time.Time // when they were read, or let through by the faults before this one
}

// Verdict is what becomes of a piece. The zero value lets it pass.
type Verdict struct {
	Wait time.Time // it stays until then
	Held bool      // it stays until the faults change
	Most int       // of it go on now, and the rest is a piece of its own; 0: all of it
	Drop bool      // it is forgotten
	End  Ending    // the connection ends
}

// Ending is how a fault ends a connection.
type Ending int

// The ways to end.
const (
	NoEnding Ending = iota
	ByReset
	ByClose // in order, as if both sides had
)

// Ender is a fault that ends connections by itself, whether or not something goes over them.
type Ender interface {
	Fault
	Ends() (after time.Duration, how Ending) // from when it meets a connection on; [NoEnding]: it does not
}

// Hanger is a fault under which new connections are accepted, and nothing more.
type Hanger interface {
	Fault
	Hangs()
}

// Closer is a shape that may end the connection when the bytes that Take got are sent.
type Closer interface {
	Shape
	Done() Ending
}

// Breaker is a shape whose connection is of no use when the fault is lifted, because bytes are missing.
type Breaker interface {
	Shape
	Broke() bool
}

// delay is a [Delayer] as a shape: each piece is held back by itself, and none overtakes.
type delay struct {
	Delayer
	came, due time.Time
}

func (d *delay) Next(_ time.Time, p Piece) Verdict {
	if p.Size == 0 {
		return Verdict{Wait: d.due} // behind what was held back
	}
	if p.Came != d.came {
		d.came = p.Came
		if due := p.Came.Add(d.Hold()); due.After(d.due) {
			d.due = due
		}
	}
	return Verdict{Wait: d.due}
}

func (*delay) Take(time.Time, []byte) {}

// shaper is a fault that shapes, with whom it acts on.
type shaper struct {
	*Placed
	shape func(Conn) Shape
	delay bool // where requests are forwarded each is held back as a whole instead
}

// acts reports whether it acts in a direction. A delay that says none holds back answers.
func (s *shaper) acts(up bool) bool {
	if s.Stream == "" {
		return !s.delay || !up
	}
	return s.Stream == "up" == up
}

// shaperOf finds the shaper that a placed fault is.
func shaperOf(p *Placed) (shaper, bool) {
	switch f := p.Fault.(type) {
	case Shaper:
		return shaper{Placed: p, shape: f.Shape}, true
	case Delayer:
		s := shaper{Placed: p, delay: true, shape: func(Conn) Shape { return &delay{Delayer: f} }}
		return s, true
	}
	return shaper{}, false
}
