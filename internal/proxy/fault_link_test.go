package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/http2"
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

// holding is a fault that lets nothing through while it acts.
type holding struct{}

func (holding) String() string                { return "holding" }
func (holding) Shape(Conn) Shape              { return holding{} }
func (holding) Next(time.Time, Piece) Verdict { return Verdict{Held: true} }
func (holding) Take(time.Time, []byte)        {}

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
			if _, drop, err := l.up.next(Piece{Size: 4, Came: time.Now()}, nil); !drop || err != nil {
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

// TestHeldBackLeft checks that a connection ends whose caller breaks it while bytes are held back.
func TestHeldBackLeft(t *testing.T) {
	nothing := func(http.ResponseWriter, *http.Request) {}
	tcp := func(t *testing.T) string { return backend(t, echo) }
	h1 := func(t *testing.T) string {
		s := httptest.NewServer(http.HandlerFunc(nothing))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	h2 := func(t *testing.T) string { return h2Server(t, nothing) }
	ping := func(c net.Conn) { io.WriteString(c, "ping") }
	get := func(c net.Conn) { io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
	two := func(c net.Conn) { get(c); get(c) }
	for name, tt := range map[string]struct {
		protocol, stream string
		server           func(*testing.T) string
		say              func(net.Conn)
	}{
		"bytes to the callee":  {"", "up", tcp, ping},
		"bytes to the caller":  {"", "down", tcp, ping},
		"a request":            {"http", "up", h1, get},
		"an answer":            {"http", "down", h1, get},
		"an answer of several": {"http", "down", h1, two},
		"frames to the callee": {"grpc", "up", h2, greetH2},
		"frames to the caller": {"grpc", "down", h2, greetH2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &Edge{Protocol: tt.protocol}
			addr := serve(t, e)
			e.SetTargets(to(tt.server(t)))
			held := &Placed{Fault: holding{}, Stream: tt.stream}
			e.SetFaults(&Faults{List: []Fault{held}})
			c := dial(t, addr)
			tt.say(c)
			until(t, "the fault acts", func() bool { return held.Acted() > 0 })
			c.SetLinger(0)
			c.Close()
			until(t, "the connection ends", func() bool { return e.Stats(time.Now()).Open == 0 })
		})
	}
}

func greetH2(c net.Conn) {
	io.WriteString(c, http2.ClientPreface)
	f := newFrames(c)
	f.WriteSettings()
	f.get(1, true)
}
