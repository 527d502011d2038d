package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// TestJobs checks that what a service does while it works on a message is done for that message, and that
// nothing is guessed while it works on two.
func TestJobs(t *testing.T) {
	var email Flights
	var calls record
	broker := &Edge{From: "email", To: "broker", Protocol: "nats", Record: calls.add, Caller: &email}
	cache := &Edge{From: "email", To: "cache", Protocol: "redis", Record: calls.add, Caller: &email}
	deliver := make(chan string)
	brokerAddr, cacheAddr := serve(t, broker), serve(t, cache)
	broker.SetTargets(to(backend(t, func(c *net.TCPConn) {
		defer c.Close()
		for message := range deliver {
			io.WriteString(c, message)
		}
	})))
	cache.SetTargets(to(backend(t, func(c *net.TCPConn) {
		for r := bufio.NewReader(c); ; io.WriteString(c, "+OK\r\n") {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
	})))
	worker, store := dial(t, brokerAddr), dial(t, cacheAddr)
	messages, answers := bufio.NewReader(worker), bufio.NewReader(store)
	receive := func(n int, parts ...string) {
		t.Helper()
		deliver <- strings.Join(parts, "")
		for range n {
			for line := ""; line != "hello\r\n"; {
				var err error
				if line, err = messages.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	set := func() Call {
		t.Helper()
		before := len(calls.wait(t, 0))
		io.WriteString(store, "SET inbox 1\r\n")
		if _, err := answers.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return calls.wait(t, before+1)[before]
	}
	acknowledge := func(id int) Call {
		t.Helper()
		before := len(calls.wait(t, 0))
		fmt.Fprintf(worker, "PUB $JS.ACK.%d 0\r\n\r\n", id)
		return calls.wait(t, before+1)[before]
	}

	const one, two = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01"
	receive(1, message(1, one))
	did := set()
	taken := acknowledge(1)
	if !did.Inferred || did.Parent != taken.Span || did.Trace != taken.Trace || taken.Kind != Consumer {
		t.Errorf("while it worked on one: got %+v, want a child of %+v", did, taken)
	}
	if want := "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331"; fmt.Sprintf("%x %x", taken.Trace, taken.Parent) != want {
		t.Errorf("the message: got %x %x, want %s", taken.Trace, taken.Parent, want)
	}
	working := func(n int) {
		t.Helper()
		until(t, fmt.Sprintf("it works on %d", n), func() bool { return email.Len() == n })
	}
	working(0)
	if did := set(); did.Inferred {
		t.Errorf("with nothing to do: got %+v", did)
	}

	receive(2, message(2, one), message(3, two)) // in one packet
	if did := set(); did.Inferred {
		t.Errorf("while it worked on two: got %+v", did)
	}
	taken = acknowledge(2)
	working(1)
	did = set()
	last := acknowledge(3)
	if did.Parent != last.Span || did.Trace != last.Trace || last.Trace == taken.Trace {
		t.Errorf("after one of two: got %+v, want a child of %+v", did, last)
	}

	receive(1, message(4, one))
	close(deliver)
	working(0) // the connection's end ends the work
}

// message is one of JetStream that is to be acknowledged.
func message(id int, traceparent string) string {
	head := "NATS/1.0\r\ntraceparent: " + traceparent + "\r\n\r\n"
	return fmt.Sprintf("HMSG email.queue 1 $JS.ACK.%d %d %d\r\n%shello\r\n", id, len(head), len(head)+5, head)
}
