package state

import (
	"strings"
	"time"
)

// Edge is one caller to callee with what went over it: counters since the edge was opened, and figures of
// the last ten seconds.
type Edge struct {
	From     string `json:"from"` // "" is whoever calls from outside the stack (an ingress)
	To       string `json:"to"`
	Listen   string `json:"listen,omitempty"` // name of the callee's port
	Protocol string `json:"protocol"`
	Addr     string `json:"addr"`             // where the caller finds it
	Mesh     bool   `json:"mesh"`             // goes through msctl; false: switched off, or a file
	Direct   string `json:"direct,omitempty"` // why it does not

	Requests int64 `json:"requests"` // HTTP requests, calls, commands; connections where the protocol is not read
	Errors   int64 `json:"errors"`
	InFlight int64 `json:"in_flight"`
	Open     int64 `json:"open"`     // connections
	Sent     int64 `json:"sent"`     // bytes from the caller
	Received int64 `json:"received"` // bytes from the callee

	Rate   float64       `json:"rate"`   // requests per second
	Failed float64       `json:"failed"` // errors per second
	P50    time.Duration `json:"p50"`
	P95    time.Duration `json:"p95"`
	P99    time.Duration `json:"p99"`

	Faults  []string     `json:"faults,omitempty"` // that act now, in words
	Targets []EdgeTarget `json:"targets,omitempty"`
}

// EdgeTarget is one replica or version that an edge leads to.
type EdgeTarget struct {
	Unit    string `json:"unit"`
	Addr    string `json:"addr"`
	Weight  int    `json:"weight"`
	Open    int64  `json:"open"`
	Ejected bool   `json:"ejected,omitempty"` // left out for a while: it refused or failed in a row
}

// Name returns "orders:payments".
func (e Edge) Name() string { return e.From + ":" + e.To }

// outside is how the caller of an edge is called that has no name.
const outside = "outside"

// EdgeTitle is the name of an edge for people: "outside:gateway" for ":gateway".
func EdgeTitle(name string) string {
	if strings.HasPrefix(name, ":") {
		return outside + name
	}
	return name
}

// EdgeName is the name of an edge, however it was written.
func EdgeName(title string) string {
	if to, is := strings.CutPrefix(title, outside+":"); is {
		return ":" + to
	}
	return title
}
