package proxy

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// sink keeps what is written to it.
type sink struct {
	net.Conn
	mu  sync.Mutex // guards got
	got bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(b)
}

func (s *sink) Close() error { return nil }

// take returns what was written since it was asked before.
func (s *sink) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.got.Next(s.got.Len()))
}

// spoken is a connection whose messages faults act on. Each piece that one side says is there at once.
type spoken struct {
	t              *testing.T
	e              *Edge
	talk           *talk
	up, down       *pump
	caller, callee sink
}

func speak(t *testing.T, protocol string) *spoken {
	s := &spoken{t: t, e: &Edge{From: "orders", To: "store", Protocol: protocol}}
	f := &flow{e: s.e, client: newWire(&s.caller, 0), server: newWire(&s.callee, 0), dead: make(chan struct{})}
	p := sniff.New(protocol)
	f.watch = &watch{e: s.e, parser: p}
	f.talk = newTalk(f, p)
	s.talk = f.talk
	s.up = &pump{f: f, to: f.server, dir: sniff.Request, count: &s.e.count.sent}
	s.down = &pump{f: f, to: f.client, dir: sniff.Response, count: &s.e.count.received}
	return s
}

// says has the caller say something, and returns what the callee gets of it.
func (s *spoken) says(what string) string { return s.pass(s.up, &s.callee, what) }

// answers has the callee say something, and returns what the caller gets of it.
func (s *spoken) answers(what string) string { return s.pass(s.down, &s.caller, what) }

func (s *spoken) pass(p *pump, to *sink, what string) string {
	s.t.Helper()
	if err := s.talk.pass(p, []byte(what)); err != nil {
		s.t.Errorf("%q is not passed on: %v", what, err)
	}
	return to.take()
}

// opened opens a connection of postgres.
func (s *spoken) opened() {
	s.says("\x00\x00\x00\x10\x00\x03\x00\x00user\x00a\x00\x00")
	s.answers(said3('R', "\x00\x00\x00\x00") + said3('Z', "I"))
}

// said3 frames a message of version 3 of postgres.
func said3(kind byte, body string) string { return string(pgMessage(kind, body)) }

// TestSlowRowsLifted checks that the rows of a statement are no longer held back when the fault is lifted under which
// it was said: those that are held back, and those that come then.
func TestSlowRowsLifted(t *testing.T) {
	for name, next := range map[string]*Faults{"none": nil, "another": {List: []Fault{matching("delete*", Action{})}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := speak(t, "postgres")
				s.opened()
				row, began := said3('D', "\x00\x00"), time.Now()
				act(s.e, matching("select*", Action{DelayRow: time.Hour}))
				s.says(said3('Q', "select 1\x00"))
				s.answers(said3('T', "\x00\x00"))
				held := make(chan string)
				go func() { held <- s.answers(row) }()
				synctest.Wait()
				s.e.SetFaults(next)
				if got := <-held + s.answers(row); got != row+row {
					t.Errorf("got %q", got)
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("held back for %v", took)
				}
			})
		})
	}
}

// TestUnreadable checks that nothing the callee says is lost where the caller says what cannot be read, while half a
// message of the callee is kept.
func TestUnreadable(t *testing.T) {
	const frame = "\x01\x00\x01\x00\x00\x00\x04\x00\x14\x00\x0b\xce"
	for protocol, tt := range map[string]struct{ half, bad, rest, want string }{
		"redis": {"-ERR unknown comm", "*x\r\n", "and 'msctl-fault-1', with\r\n+OK\r\n", "-READONLY no\r\n+OK\r\n"},
		"postgres": {said3('E', "SERROR\x00\x00")[:8], "Q\x00\x00\x00\x01", said3('E', "SERROR\x00\x00")[8:] + said3('Z', "I"),
			said3('E', "SERROR\x00\x00") + said3('Z', "I")},
		"nats": {"MSG orders 1 4\r\npi", "PUB orders x\r\n", "ng\r\nPING\r\n", "MSG orders 1 4\r\nping\r\nPING\r\n"},
		"amqp": {frame[:9], "\x09\x00\x01\x00\x00\x00\x00\xce", frame[9:] + frame, frame + frame},
	} {
		s := speak(t, protocol)
		act(s.e, matching("set", Action{Reply: &Reply{State: "READONLY", Text: "no"}}))
		s.talk.on = s.talk.speaker()
		if protocol == "redis" {
			s.says("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n")
		}
		if got := s.answers(tt.half); got != "" {
			t.Errorf("%s: half a message is passed on: %q", protocol, got)
		}
		if got := s.says(tt.bad); got != tt.bad {
			t.Errorf("%s: the callee gets %q", protocol, got)
		}
		if got := s.answers(tt.rest); got != tt.want {
			t.Errorf("%s: the caller gets %q", protocol, got)
		}
		if got := s.says(tt.bad[:1]) + s.says(tt.bad[1:]); got != tt.bad {
			t.Errorf("%s: later the callee gets %q", protocol, got)
		}
	}
}

// TestReadAgain checks that faults act on what comes behind a message that is too long to be read.
func TestReadAgain(t *testing.T) {
	s := speak(t, "redis")
	act(s.e, matching("incr", Action{Reply: &Reply{}}))
	long := strings.Repeat("x", 5*maxTalk)
	for _, piece := range []string{"*3\r\n$3\r\nSET\r\n$" + strconv.Itoa(len(long)) + "\r\n", long + "\r\n$1\r\n", "1\r\n"} {
		if got := s.says(piece); got != piece {
			t.Errorf("the callee gets %d bytes of %d", len(got), len(piece))
		}
	}
	s.answers("+OK\r\n")
	if got := s.says("*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"); !strings.Contains(got, redisMark) {
		t.Errorf("the callee gets %q", got)
	}
}

// TestRepliesForgotten checks that the answers for statements which the server passed over are not kept: in a
// transaction that has failed, and in a pipeline.
func TestRepliesForgotten(t *testing.T) {
	s := speak(t, "postgres")
	s.opened()
	act(s.e, matching("*", Action{Reply: &Reply{State: "40001", Text: "no"}}))
	failed, ready := said3('E', "SERROR\x00VERROR\x00C25P02\x00Mcurrent transaction is aborted\x00\x00"), said3('Z', "E")
	execute := said3('P', "\x00select 1\x00\x00\x00") + said3('B', "\x00\x00\x00\x00\x00\x00\x00\x00") + said3('E', "\x00\x00\x00\x00\x00")
	kept := func() int { return len(s.talk.on.(*pgTalk).replies) }
	for range 3 {
		s.says(said3('Q', "select 1\x00"))
		s.answers(failed + ready)
	}
	if n := kept(); n != 0 {
		t.Errorf("%d are kept in a transaction that failed", n)
	}
	s.says(execute + execute)
	s.says(execute + said3('S', ""))
	s.says(said3('Q', "select 2\x00"))
	s.answers(said3('1', "") + said3('2', "") + failed)
	s.answers(ready)
	if got := s.answers(said3('E', "SERROR\x00M\"msctl-fault-7\"\x00\x00") + ready); !strings.Contains(got, "40001") {
		t.Errorf("what waits behind a pipeline is answered by %q", got)
	}
	if n := kept(); n != 0 {
		t.Errorf("%d are kept behind a pipeline", n)
	}
}

// TestNATSAckAgain checks that an acknowledgement becomes a proper refusal, whether or not it has headers and asks for
// an answer.
func TestNATSAckAgain(t *testing.T) {
	const subject = "$JS.ACK.ORDERS.email.1.1.1.1.0"
	s := speak(t, "nats")
	act(s.e, &rule{Matcher: Matcher{Match: Match{Method: "ACK"}}, do: Action{Again: true}})
	for said, want := range map[string]string{
		"PUB " + subject + " 4\r\n+ACK\r\n":                                       "PUB " + subject + " 4\r\n-NAK\r\n",
		"PUB " + subject + " _INBOX.a 4\r\n+ACK\r\n":                              "PUB " + subject + " _INBOX.a 4\r\n-NAK\r\n",
		"HPUB " + subject + " 18 22\r\nNATS/1.0\r\na: b\r\n\r\n+ACK\r\n":          "PUB " + subject + " 4\r\n-NAK\r\n",
		"hpub " + subject + " _INBOX.a 18 22\r\nNATS/1.0\r\na: b\r\n\r\n+ACK\r\n": "pub " + subject + " _INBOX.a 4\r\n-NAK\r\n",
	} {
		if got := s.says(said); got != want {
			t.Errorf("%q becomes %q, want %q", said, got, want)
		}
	}
}

// lifting is a fault that is lifted while it acts.
type lifting struct {
	rule
	e *Edge
}

func (l *lifting) Ask(q *Request) (Action, bool) {
	l.e.SetFaults(nil)
	return l.rule.Ask(q)
}

// TestSwapLifted checks that a message which waits for another one to go before it does not go in the midst of one, where
// the fault is lifted before that comes.
func TestSwapLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := speak(t, "nats")
		s.says("CONNECT {}\r\n")
		s.e.SetFaults(&Faults{List: []Fault{&lifting{rule{do: Action{Swap: true}}, s.e}}})
		got := s.says("PUB a 1\r\n1\r\n") + s.says("PUB b 4\r\n12")
		time.Sleep(2 * swapTime)
		synctest.Wait()
		got += s.callee.take() + s.says("34\r\n")
		if want := "PUB a 1\r\n1\r\nPUB b 4\r\n1234\r\n"; got != want {
			t.Errorf("the callee gets %q, want %q", got, want)
		}
	})
}
