// Package stack is what stack.yaml says: plain values with the position of each, loaded, checked and
// ordered. It starts nothing and imports nothing of msctl.
package stack

import (
	"fmt"
	"strings"
	"time"
)

// Stack is one loaded and checked stack.yaml with its overrides. It is read-only after [Load].
type Stack struct {
	Name      string
	Dir       string   // absolute folder of the first file; relative paths in the file start here
	Files     []string // absolute, in the order in which they were merged
	Services  []*Service
	Resources []*Resource
	Profiles  []Profile
	Edges     []Edge // every caller to callee, in file order, without doubles
	NoMesh    bool   // `mesh: off`: callers are given the callee's own address, and nothing stands between
	Telemetry Telemetry
	Warnings  Errors // what works but should be looked at
}

// Service returns the service of that name, or nil.
func (s *Stack) Service(name string) *Service {
	for _, svc := range s.Services {
		if svc.Name == name {
			return svc
		}
	}
	return nil
}

// Resource returns the resource of that name, or nil.
func (s *Stack) Resource(name string) *Resource {
	for _, r := range s.Resources {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Language says how a service is built and run.
type Language string

// The languages that are detected from what a service's folder holds, and the two that are said.
const (
	Go         Language = "go"         // a main package; built by one `go build` per module
	Node       Language = "node"       // package.json
	Python     Language = "python"     // pyproject.toml, requirements.txt or main.py
	Dockerfile Language = "dockerfile" // built by the container engine
	Command    Language = "command"    // said by `command:`
	Image      Language = "image"      // said by `image:`
)

// Service is one entry under `services:`.
type Service struct {
	Name     string
	Pos      Pos
	Path     string // as written: "services/orders"; "" where only command or image is said
	Source   string // absolute folder of Path, what is built; "" where only command or image is said
	Dir      string // absolute working folder: `dir`, else Source, else the stack's folder
	Language Language
	Command  []string // argv; a string in the file becomes {"sh", "-c", string}
	Image    string
	Build    *Build // nil: the language's own way
	Run      string // "process" (default) or "container"
	Listen   []Listen
	Calls    []Call
	Uses     []string // resources
	Direct   []string // those of Uses with `mesh: off`
	// Publishes are keys of events, and Consumes patterns of them, see [EventMatches].
	Publishes []string
	Consumes  []string
	Weights   []Share  // how calls to this service are spread over it and others; empty: all to itself
	After     []string // services or resources that must be ready before this one
	Health    *Probe   // nil: the listen ports accept (a job: it exited 0)
	Env       []Var    // env files first, then `env`; references not yet replaced
	Watch     Watch
	Restart   Restart
	Stop      Stop
	Limits    Limits
	Replicas  int // at least 1
	Job       bool
	Optional  bool
	Requires  []Requirement
	Tasks     []Task
	Contract  *Contract // nil: the language's own way
}

// Contract is how a service's consumer contracts are made.
type Contract struct {
	Test []string // argv, run in Dir; empty: the language's own way
}

// Port returns the listener of that name, or false.
func (s *Service) Port(name string) (Listen, bool) {
	for _, l := range s.Listen {
		if l.Name == name {
			return l, true
		}
	}
	return Listen{}, false
}

// Build is the command that makes a service runnable, or the Dockerfile to make its image from.
type Build struct {
	Command    []string // run in Dir; empty: the language's own way
	Dockerfile string   // relative to Dir; "" where there is none
	Pos        Pos
}

// Listen is one port that a service opens.
type Listen struct {
	Name string // "http", "grpc", or any other word
	Port int    // 0: auto, a free one that is kept over restarts
	// Inside is the port in the container when it differs from the one on the host ("8080:80", "auto:80").
	// 0: the container is told the host's, like a process. Of a resource, Port is the inner one itself.
	// Of a process it is the port that the program opens while msctl holds Port and leads there; [AutoPort]
	// is a free one.
	Inside int
	Pos    Pos
}

// AutoPort is the [Listen.Inside] of "8080:auto".
const AutoPort = -1

// Ingress reports a port that msctl holds in front of the one that the service opens.
func (s *Service) Ingress(l Listen) bool {
	return l.Inside == AutoPort || l.Inside > 0 && !s.InContainer()
}

// InContainer reports whether the service runs in a container.
func (s *Service) InContainer() bool {
	return s.Run == "container" || s.Language == Image || s.Language == Dockerfile
}

// Call is one entry of `calls:`.
type Call struct {
	To       string
	Protocol string // the callee's listen name; "" in the file means http, or the only one there is
	Direct   bool   // `mesh: off`
	Optional bool   // the caller starts and runs without it
	Pos      Pos
}

// Share is one entry of `weights:`: a service, and its part of the calls relative to the others'.
type Share struct {
	Service string
	Weight  int // 0 gets none
	Pos     Pos
}

// Telemetry says how traces, metrics and logs are taken and kept. The zero value takes them on free ports.
type Telemetry struct {
	Off     bool
	HTTP    int           // OTLP/HTTP; 0: auto
	GRPC    int           // OTLP/gRPC; 0: auto
	Forward string        // OTLP endpoint that gets a copy of all; "" is none
	Keep    int64         // bytes on disk; 0 means 1 GiB
	Age     time.Duration // 0 means 7 days
	Pos     Pos
}

// Resource is one entry under `resources:`: a database, broker, cache or any backing server.
type Resource struct {
	Name      string
	Pos       Pos
	Type      string   // a resource kind: "postgres", "rabbitmq", …, "container"
	Embedded  string   // what to run where there is neither an engine nor an installed server; "" is the kind's own
	Image     string   // overrides the kind's image; required for type container
	Runtime   string   // forces "container", "native" or "embedded" for this one; "" is the command line's
	Dedicated bool     // a server of its own instead of one shared by all resources of this type and image
	Command   []string // type container: arguments for the image
	Listen    []Listen // type container: ports inside the container by name
	Env       []Var    // type container
	Volumes   []string // type container: folders inside the container that are kept
	Health    *Probe   // type container; nil: the first port accepts
}

// Probe says when something is ready. Exactly one of HTTP, TCP, GRPC, Log, Exec is set.
type Probe struct {
	HTTP     string        // path, asked on the http port: 2xx and 3xx are ready
	TCP      string        // listen name whose port must accept
	GRPC     string        // service name for grpc.health.v1; "-" asks for the whole server
	Log      string        // regular expression (RE2) that a line of output must match
	Exec     []string      // argv that must exit 0
	Port     string        // listen name that http and grpc use; "" is "http" and "grpc", or the only one
	Timeout  time.Duration // of one try; 0 means 1 s
	Deadline time.Duration // until the first success; 0 means 60 s
	Interval time.Duration // between tries once ready; 0 means 5 s, negative means never again
	Failures int           // successive failures once ready before the unit counts as not ready; 0 means 3
	Pos      Pos
}

// Var is one environment variable of a service, its value with references such as ${users.url}.
type Var struct {
	Name, Value string
	Literal     bool // from an env file: never interpolated
	Pos         Pos
}

// Watch says what restarts a service in `up --watch`.
type Watch struct {
	Paths  []string // relative to Dir; empty means the service's inputs (Go: its package graph)
	Ignore []string // glob patterns
	Action string   // "restart" (default), "signal" (HUP) or "none"
}

// Restart is the policy after an exit that nobody asked for.
type Restart struct {
	Policy string        // "on-failure" (default), "always", "never"
	Limit  int           // tries in a row before giving up; 0 means no limit
	Delay  time.Duration // first delay, doubled up to 30 s; 0 means 500 ms
}

// Stop is how a service is asked to end.
type Stop struct {
	Signal string        // "TERM" (default), "INT", "QUIT", "HUP"
	Grace  time.Duration // before KILL; 0 means 10 s
}

// Limits bounds what a service may use; zero is no bound.
type Limits struct {
	CPU    float64 // cores
	Memory int64   // bytes
}

// Requirement is one entry of `requires:`, for example python ">=3.11".
type Requirement struct {
	Tool, Version string // Version "" accepts any
	Pos           Pos
}

// Task is a named one-off command with the service's environment.
type Task struct {
	Name    string
	Command []string // a string in the file becomes {"sh", "-c", string}
	Pos     Pos
}

// Profile is a named choice of services; what they need comes along.
type Profile struct {
	Name     string
	Services []string
	Pos      Pos
}

// Edge is one caller to callee. It is the noun that proxies, faults, contracts and traces hang from.
type Edge struct {
	From, To string // To is a service or a resource
	Protocol string // listen name of the callee, or the resource's type
}

// String returns "orders:payments".
func (e Edge) String() string { return e.From + ":" + e.To }

// Pos is a place in a file. Line and Col count from 1.
type Pos struct {
	File      string // as the user named it, for messages
	Line, Col int
}

// String returns "stack.yaml:14:12".
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Error is one mistake in a stack file.
type Error struct {
	Pos  Pos
	Msg  string // "service \"orders\" calls unknown \"payment\""
	Hint string // "did you mean payments?", or ""

	cause error // what Msg tells of, or nil
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

// Unwrap returns what the lookup of a reference said, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Errors is every mistake of a load, in file order. It unwraps to its members.
type Errors []*Error

func (es Errors) Error() string {
	var s strings.Builder
	for i, e := range es {
		if i > 0 {
			s.WriteByte('\n')
		}
		s.WriteString(e.Error())
		if e.Hint != "" {
			s.WriteString("\n\thint: " + e.Hint)
		}
	}
	return s.String()
}

// Unwrap lets errors.As find a single mistake.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}
