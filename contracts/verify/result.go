// Package verify proves providers against the pacts of their consumers: it sets the provider's states,
// leads requests, messages and calls to the provider that runs, has pact-go's verifier compare, and says
// for each interaction what came of it. What went wrong with the machinery is never told as a mismatch.
package verify

import (
	"time"

	"msctl.dev/msctl/contracts"
)

// Outcome is what came of one interaction.
type Outcome string

// The outcomes, the worst last.
const (
	Holds   Outcome = "holds"
	Pending Outcome = "pending" // it differs, and is marked as pending: that breaks nothing
	Unknown Outcome = "unknown" // it could not be asked: a state or a trigger is not described
	Failed  Outcome = "failed"  // the machinery or the provider failed: nothing was compared
	Broken  Outcome = "broken"
)

// Mismatch is one difference between what the consumer needs and what came.
type Mismatch struct {
	Attribute   string `json:"attribute"`            // "status", "header", "body", "metadata"
	Identifier  string `json:"identifier,omitempty"` // of the header, or the path in the body: "$.name"
	Description string `json:"description"`
}

// Result is what came of one interaction of one edge.
type Result struct {
	Consumer    string         `json:"consumer"`
	Provider    string         `json:"provider"`
	Interaction string         `json:"interaction"` // its title
	ID          string         `json:"id"`          // of its content
	Kind        contracts.Kind `json:"kind"`
	Outcome     Outcome        `json:"outcome"`
	Mismatches  []Mismatch     `json:"mismatches,omitempty"`
	Reason      string         `json:"reason,omitempty"` // of unknown and failed
	Hint        string         `json:"hint,omitempty"`   // what to do, such as lines to paste
}

// Edge returns "consumer:provider".
func (r Result) Edge() string { return r.Consumer + ":" + r.Provider }

// Report is what came of one provider.
type Report struct {
	Provider string        `json:"provider"`
	Results  []Result      `json:"results"`           // by consumer, in the order of the pacts
	Failure  string        `json:"failure,omitempty"` // why nothing could be asked; the results say failed then
	Cached   bool          `json:"cached,omitempty"`  // nothing that matters has changed since it was found
	Took     time.Duration `json:"took_ns"`
}

// Count returns how many results have an outcome.
func (r Report) Count(o Outcome) int {
	n := 0
	for _, one := range r.Results {
		if one.Outcome == o {
			n++
		}
	}
	return n
}

// Exit codes of a verification, by what came of it.
const (
	ExitHolds   = 0
	ExitBroken  = 1
	ExitFailed  = 3
	ExitUnknown = 4
)

// ExitCode returns the worst of the reports: something is broken before something failed, and both before
// something is unknown.
func ExitCode(reports []Report) int {
	n := map[Outcome]int{}
	for _, r := range reports {
		for _, one := range r.Results {
			n[one.Outcome]++
		}
		if r.Failure != "" {
			n[Failed]++
		}
	}
	switch {
	case n[Broken] > 0:
		return ExitBroken
	case n[Failed] > 0:
		return ExitFailed
	case n[Unknown] > 0:
		return ExitUnknown
	}
	return ExitHolds
}
