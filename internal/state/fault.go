package state

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Fault is what is done to the calls of an edge, until it is lifted. One with none of Latency and Refuse
// does nothing.
type Fault struct {
	Edge    string        `json:"edge"` // "orders:payments", ":gateway" from outside, or with the callee's port "orders:payments/grpc"
	Latency time.Duration `json:"latency,omitempty"`
	Jitter  time.Duration `json:"jitter,omitempty"` // to either side of Latency
	Refuse  bool          `json:"refuse,omitempty"`
	For     time.Duration `json:"for,omitempty"`  // lifted by itself after so long; 0: when it is asked for, or the fleet ends
	Until   time.Time     `json:"until,omitzero"` // when For is over
}

// String says what it does: "latency 300ms ±50ms", "refuse".
func (f Fault) String() string {
	var words []string
	if f.Latency > 0 {
		text := "latency " + f.Latency.String()
		if f.Jitter > 0 {
			text += " ±" + f.Jitter.String()
		}
		words = append(words, text)
	}
	if f.Refuse {
		words = append(words, "refuse")
	}
	return strings.Join(words, ", ")
}

// ErrUnknownFault says that there is no fault of that name.
var ErrUnknownFault = errors.New("no such fault")

// FaultWords are the names that [Fault.Set] knows.
func FaultWords() []string { return []string{"latency", "jitter", "refuse", "for"} }

// Set adds a word to a fault: latency=300ms, jitter=50ms, refuse, for=30s.
func (f *Fault) Set(word string) error {
	name, value, valued := strings.Cut(word, "=")
	if name == "refuse" && !valued {
		f.Refuse = true
		return nil
	}
	into := map[string]*time.Duration{"latency": &f.Latency, "jitter": &f.Jitter, "for": &f.For}[name]
	if into == nil {
		return fmt.Errorf("read %q: %w", word, ErrUnknownFault)
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return fmt.Errorf("read %q: not a duration", word)
	}
	*into = d
	return nil
}

// Check says what is wrong with a fault, apart from its edge.
func (f Fault) Check() error {
	switch {
	case f.Latency < 0 || f.Jitter < 0 || f.For < 0:
		return errors.New("a duration is negative")
	case f.Jitter > f.Latency:
		return fmt.Errorf("the jitter %s is more than the latency %s", f.Jitter, f.Latency)
	case f.Latency > time.Hour:
		return fmt.Errorf("a latency of %s is more than an hour", f.Latency)
	case f.Latency == 0 && !f.Refuse:
		return errors.New("it says neither latency nor refuse")
	}
	return nil
}
