package telemetry

import (
	"fmt"
	"strings"
)

// Call says who called whom, as far as spans tell without knowing the stack. It is comparable.
type Call struct {
	Sort     CallSort
	From     string // the caller; "" for one outside
	To       string // the callee; of an [Asked] call the service that served it, "" where none is known
	Protocol string
	Peer     Peer // of an Asked call
}

// CallSort says who tells of a call.
type CallSort uint8

const (
	Crossed CallSort = iota + 1 // the edge that it went over
	Asked                       // the caller's own span
	Entered                     // the callee's own span alone: nobody is known to have asked
)

// Peer is what a client span says of whom it called.
type Peer struct {
	Addrs    [3]string // host:port of the server, and of the other end in the words of today and of before
	Service  string    // peer.service
	Database bool      // it spoke to a database
}

// callKeys are the attributes from which calls are read.
var callKeys = [...]string{
	"network.protocol.name", "peer.service", "server.address", "server.port", "network.peer.address", "network.peer.port",
	"net.peer.name", "net.peer.port", "db.system.name", "db.system", "messaging.system", "rpc.system.name", "rpc.system",
	"http.request.method", "http.method",
}

// PeerOf reads whom a client span called.
func PeerOf(s *Span) (p Peer) {
	for i, pair := range [...][2]string{{"server.address", "server.port"}, {"network.peer.address", "network.peer.port"}, {"net.peer.name", "net.peer.port"}} {
		host, port := s.Word(pair[0]), s.Word(pair[1])
		if host == "" || port == "" {
			continue
		}
		if host == "localhost" || host == "::1" {
			host = "127.0.0.1"
		}
		p.Addrs[i] = host + ":" + port
	}
	p.Service = s.Word("peer.service")
	p.Database = s.Word("db.system.name") != "" || s.Word("db.system") != ""
	return p
}

// ProtocolOf names what a client span spoke, "" where it does not say.
func ProtocolOf(s *Span) string {
	for _, key := range []string{"db.system.name", "db.system", "messaging.system", "rpc.system.name", "rpc.system"} {
		if v := s.Word(key); v != "" {
			return v
		}
	}
	if s.Word("http.request.method") != "" || s.Word("http.method") != "" {
		return "http"
	}
	return ""
}

// Word returns an attribute of a span or of its resource in words, or "".
func (s *Span) Word(key string) string {
	for _, of := range [][]Attr{s.Attrs, s.Resource} {
		for i := range of {
			if of[i].Key != key {
				continue
			}
			if v, ok := of[i].Value.(string); ok {
				return v
			}
			return fmt.Sprint(of[i].Value)
		}
	}
	return ""
}

// role is the part that a span has in calls, seen by itself.
type role struct {
	call   Call // what it tells alone; Sort 0: nothing
	edge   bool // recorded by an edge
	server bool // a service's own span of a request
}

func roleOf(s *Span) role {
	from, to, crossed := strings.Cut(s.Edge, ":")
	switch {
	case crossed:
		return role{edge: true, call: Call{Sort: Crossed, From: from, To: to, Protocol: s.Word("network.protocol.name")}}
	case s.Kind == Client || s.Kind == Producer:
		return role{edge: s.Edge != "", call: Call{Sort: Asked, From: s.Service, Protocol: ProtocolOf(s), Peer: PeerOf(s)}}
	case s.Kind == Server && s.Edge == "":
		return role{server: true, call: Call{Sort: Entered, To: s.Service}}
	}
	return role{edge: s.Edge != ""}
}
