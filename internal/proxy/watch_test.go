package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestCommands checks that commands of a protocol that can be read become calls, each a child of the
// request that the caller served when it asked, and that a delay is seen in them.
func TestCommands(t *testing.T) {
	var orders Flights
	var calls record
	wait := make(chan bool)
	e := &Edge{From: "orders", To: "cache", Protocol: "redis", Record: calls.add, Caller: &orders}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, func(c *net.TCPConn) {
		for r := bufio.NewReader(c); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line == "BLPOP x\r\n" {
				<-wait
				return
			}
			io.WriteString(c, "+OK\r\n")
		}
	})))
	served := &flight{trace: newTrace(), span: newSpan(), sampled: true}
	orders.add(served)
	c := dial(t, addr)
	r := bufio.NewReader(c)
	ask := func(line string) {
		io.WriteString(c, line+"\r\n")
		if got, err := r.ReadString('\n'); got != "+OK\r\n" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	ask("GET user:1")
	if n := e.Stats(time.Now()).InFlight; n != 0 {
		t.Errorf("%d in flight after the answer", n)
	}
	served.remove()
	e.SetFaults(latency(20*time.Millisecond, 0))
	ask("PING")
	got := calls.wait(t, 2)
	one, two := got[0], got[1]
	if one.Name != "GET" || one.Protocol != "redis" || one.Unit != "u-1" || !one.Inferred || one.Trace != served.trace || one.Parent != served.span || len(one.Attrs) == 0 {
		t.Errorf("recorded %+v", one)
	}
	if two.Inferred || two.Parent != [8]byte{} || two.Trace == one.Trace || two.Duration < 20*time.Millisecond || fmt.Sprint(two.Faults) != "[latency 20ms]" {
		t.Errorf("recorded %+v", two)
	}
	if s := e.Stats(time.Now()); s.Requests != 2 || s.InFlight != 0 || s.Open != 1 || s.P95 < 19*time.Millisecond {
		t.Errorf("counted %+v", s)
	}
	e.SetFaults(nil)
	io.WriteString(c, "BLPOP x\r\n")
	until(t, "the command is in flight", func() bool { return e.Stats(time.Now()).InFlight == 1 })
	c.Close()
	close(wait)
	until(t, "the connection ends", func() bool { return e.Stats(time.Now()).Open == 0 && e.Stats(time.Now()).InFlight == 0 })
	if got := calls.wait(t, 3)[2]; got.Err == "" {
		t.Errorf("recorded %+v", got)
	}
}

// TestOtherProtocols checks that TLS and HTTP/2 on an edge for HTTP reach their callee.
func TestOtherProtocols(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	srv.StartTLS()
	t.Cleanup(srv.Close)
	e := &Edge{Protocol: "http"}
	addr := serve(t, e)
	e.SetTargets(to(srv.Listener.Addr().String()))
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(tr.CloseIdleConnections)
	res, err := (&http.Client{Transport: tr}).Get("https://" + addr)
	if got := text(t, res, err); got != "HTTP/1.1" {
		t.Errorf("over TLS: got %q", got)
	}

	plain := httptest.NewUnstartedServer(srv.Config.Handler)
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Start()
	t.Cleanup(plain.Close)
	e.SetTargets(to(plain.Listener.Addr().String()))
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2.CloseIdleConnections)
	res, err = (&http.Client{Transport: h2}).Post("http://"+addr, "", strings.NewReader("x"))
	if got := text(t, res, err); got != "HTTP/2.0" {
		t.Errorf("over HTTP/2: got %q", got)
	}
}
