// Package contracts is the words of consumer-driven contracts: a Pact is what one consumer needs of one
// provider, an Interaction is one thing in it. It reads files of Pact V2, V3 and V4 from anywhere, within
// limits, and writes V4 in one canonical form. It runs nothing.
package contracts

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Pact is what one consumer expects of one provider. Both are names of stack.yaml.
type Pact struct {
	Consumer, Provider string
	Interactions       []Interaction // in canonical order: by kind, description and states
	// Metadata holds what the file says beside, such as plugins, without the versions of libraries and
	// without the version of the specification.
	Metadata map[string]json.RawMessage
	// Rest holds the keys of the file that this package does not know.
	Rest map[string]json.RawMessage
	File string // where it was read; "" when it was made in memory
}

// Edge returns "consumer:provider", the name of the edge in every command.
func (p Pact) Edge() string { return p.Consumer + ":" + p.Provider }

// FileName returns the name of the file that holds the pact. It never holds a path.
func (p Pact) FileName() string { return p.Consumer + "-" + p.Provider + ".json" }

// Hash returns the name of the pact's content: equal for files that mean the same.
func (p Pact) Hash() string { return hash(p.Canonical()) }

// Kind is the way in which consumer and provider meet.
type Kind string

// The kinds, by their names in Pact V4.
const (
	HTTP    Kind = "Synchronous/HTTP"
	Message Kind = "Asynchronous/Messages" // the provider publishes, the consumer handles
	Call    Kind = "Synchronous/Messages"  // a gRPC call with JSON bodies
)

// String returns the short word for reports.
func (k Kind) String() string {
	switch k {
	case HTTP:
		return "http"
	case Message:
		return "message"
	case Call:
		return "call"
	}
	return string(k)
}

// Interaction is one request with its answer, one message, or one call.
type Interaction struct {
	Kind        Kind
	Description string
	States      []State // what must hold at the provider before
	Pending     bool    // verified and reported, and breaks nothing

	Request  *Request  // of HTTP
	Response *Response // of HTTP
	Content  *Content  // of Message: what is published. Of Call: the request
	Replies  []Content // of Call: the answers

	Raw    json.RawMessage // the whole interaction as compact V4 JSON with sorted keys, unknown keys kept
	Origin string          // where it comes from, such as a file or a test; not part of the contract
}

// State is one sentence about the provider, with parameters.
type State struct {
	Name   string         `json:"name"`
	Params map[string]any `json:"params,omitempty"` // numbers are json.Number
}

// Key names the interaction within its pact: two interactions with one key say the same or are in conflict.
func (i Interaction) Key() string {
	states, err := json.Marshal(i.States)
	if err != nil {
		return string(i.Kind) + "\x00" + i.Description
	}
	return string(i.Kind) + "\x00" + i.Description + "\x00" + string(states)
}

// ID returns a short name of the interaction's content, the same on every machine.
func (i Interaction) ID() string { return hash(i.Raw)[:40] }

// Title returns the description with its states, for people.
func (i Interaction) Title() string {
	if len(i.States) == 0 {
		return i.Description
	}
	names := make([]string, len(i.States))
	for n, s := range i.States {
		names[n] = s.Name
	}
	return i.Description + " (given " + strings.Join(names, " and ") + ")"
}

func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
