// Package chaos is what can be done to a fleet: the kinds of faults, how they are written, and what they are
// for the edge that they act on.
package chaos

import (
	"slices"
	"strings"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/proxy"
)

// Kind is one thing that can be done. Help, completion, checks and the reference are derived from it.
type Kind struct {
	Name      string   `json:"name"`
	Doc       string   `json:"doc"`                 // one line, as "msctl chaos kinds" shows it
	Layer     Layer    `json:"layer"`               // what it acts on
	Params    []Param  `json:"params,omitempty"`    // the first is the main one, which latency=300ms means
	Stream    string   `json:"stream,omitempty"`    // "up" or "down" where none is said; "" it has no direction
	Match     []string `json:"match,omitempty"`     // what requests can be told apart by: path, method, header, operation; nil: it acts on all
	Protocols []string `json:"protocols,omitempty"` // of the edges that it works on; nil: all
	Example   string   `json:"example,omitempty"`   // after "msctl chaos add"

	// New makes the fault for an edge out of parameters that are right each by itself. nil: it does not act on edges.
	New func(Args) (proxy.Fault, error) `json:"-"`

	// Act makes what is done to something that runs. nil: it acts on edges.
	Act func(Args) (driver.Upset, error) `json:"-"`
}

// Layer is what a kind acts on.
type Layer string

// The layers.
const (
	Connection Layer = "connection" // its bytes, whatever they mean
	HTTP       Layer = "http"
	GRPC       Layer = "grpc"
	Database   Layer = "database"
	Broker     Layer = "broker"
	Network    Layer = "network" // several edges
	Process    Layer = "process"
)

// Param is a parameter of a kind.
type Param struct {
	Name     string   `json:"name"`
	Doc      string   `json:"doc"`
	Type     Type     `json:"type"`
	Default  string   `json:"default,omitempty"`  // where it is not given; "" is the zero value
	Required bool     `json:"required,omitempty"` // it must be given
	Choices  []string `json:"choices,omitempty"`  // of [Choice]
}

// Find returns the kind of that name, or nil.
func Find(name string) *Kind {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return nil
	}
	return &Kinds[i]
}

// Param returns the parameter of that name, or nil.
func (k *Kind) Param(name string) *Param {
	i := slices.IndexFunc(k.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &k.Params[i]
}

// main is what the value behind the kind's name means, or nil.
func (k *Kind) main() *Param {
	if len(k.Params) == 0 {
		return nil
	}
	return &k.Params[0]
}

func (k *Kind) paramNames() []string {
	var out []string
	for _, p := range k.Params {
		out = append(out, p.Name)
	}
	return out
}

// Names are the names of all kinds.
func Names() []string {
	var out []string
	for _, k := range Kinds {
		out = append(out, k.Name)
	}
	return out
}

// Describe is one line of help: what it is, what may be given, and what is meant where nothing is.
func (p *Param) Describe() string {
	text := p.Doc
	if p.Type == Choice {
		text += ": " + strings.Join(p.Choices, ", ")
	}
	switch {
	case p.Required:
		text += " (needed)"
	case p.Default != "":
		text += " (default " + p.Default + ")"
	}
	return text
}
