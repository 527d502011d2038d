package proxy

import (
	"testing"
	"time"
)

// swallow is a fault that loses what is sent.
type swallow struct{}

func (swallow) String() string                { return "swallow" }
func (swallow) Ends() (time.Duration, Ending) { return 0, NoEnding }
func (swallow) Shape(Conn) Shape              { return new(swallowed) }

type swallowed struct{ lost bool }

func (*swallowed) Next(time.Time, Piece) Verdict { return Verdict{Drop: true} }
func (s *swallowed) Take(time.Time, []byte)      { s.lost = true }
func (s *swallowed) Broke() bool                 { return s.lost }

// TestHole checks that a connection with a hole ends when the fault is lifted, even if its bytes come to know of that
// before it is looked at.
func TestHole(t *testing.T) {
	for name, next := range map[string]*Faults{"lifted": nil, "others": latency(0, 0)} {
		for _, up := range []bool{true, false} {
			e := &Edge{}
			ended := make(chan Ending, 10)
			l := e.join(nil, false, func(how Ending) { ended <- how })
			hole := &Placed{Fault: swallow{}, Stream: "up"}
			e.SetFaults(&Faults{List: []Fault{hole}})
			if _, drop, err := l.up.next(Piece{Size: 4, Came: time.Now()}); !drop || err != nil {
				t.Fatalf("%s: %v, %v, want a loss", name, drop, err)
			}
			l.up.take(time.Now(), make([]byte, 4))

			e.faults.Store(compile(e.name(), next)) // and before SetFaults has everyone look
			if !l.shaped(up) {
				t.Errorf("%s: bytes pass by the faults, up %v", name, up)
			}
			if v, _ := l.way(up).ask(time.Now(), Piece{Size: 4, Came: time.Now()}); v.End != ByClose {
				t.Errorf("%s: got %+v for what comes next, up %v", name, v, up)
			}
			l.look()
			select {
			case how := <-ended:
				if how != ByClose {
					t.Errorf("%s: ended by %v", name, how)
				}
			case <-time.After(patience):
				t.Fatalf("%s: the connection lives on, up %v", name, up)
			}
			l.leave()
		}
	}
}
