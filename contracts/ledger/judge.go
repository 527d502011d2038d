package ledger

import (
	"context"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/verify"
)

// State is what is known of one edge.
type State string

// The states of an edge, the worst last.
const (
	Holds   State = "holds"
	None    State = "none"   // a call without a pact
	Absent  State = "absent" // the provider is not there
	Unknown State = "unknown"
	Broken  State = "broken"
)

// Cell is what is known of one edge between two versions.
type Cell struct {
	Consumer     string   `json:"consumer"`
	Provider     string   `json:"provider"`
	ConsumerAt   string   `json:"consumer_at,omitempty"` // commit, or "worktree"
	ProviderAt   string   `json:"provider_at,omitempty"`
	State        State    `json:"state"`
	Interactions int      `json:"interactions"`
	Broken       []Known  `json:"broken,omitempty"`  // with what differs
	Unknown      []string `json:"unknown,omitempty"` // titles of the interactions of which nothing is known
	Reason       string   `json:"reason,omitempty"`
	Command      string   `json:"command,omitempty"` // makes known what is not

	consumer, provider *Version
	pact               contracts.Pact
}

// Edge returns "consumer:provider".
func (c Cell) Edge() string { return c.Consumer + ":" + c.Provider }

// judge says what is known of a consumer's pact against a version of its provider. A nil provider is nowhere.
func (l *Ledger) judge(ctx context.Context, p contracts.Pact, consumer, provider *Version) (Cell, error) {
	c := Cell{Consumer: p.Consumer, Provider: p.Provider, ConsumerAt: consumer.Name(), Interactions: len(p.Interactions),
		State: Holds, consumer: consumer, provider: provider, pact: p}
	if provider == nil {
		c.State, c.Reason = Absent, "no version of "+p.Provider+" is recorded there"
		return c, nil
	}
	c.ProviderAt = provider.Name()
	records, err := l.known(ctx, p.Provider, provider)
	if err != nil {
		return c, err
	}
	for _, i := range p.Interactions {
		switch one, found := find(records, p.Consumer, i.ID()); {
		case i.Pending || found && one.Outcome != verify.Broken:
		case found:
			c.Broken = append(c.Broken, one)
		default:
			c.Unknown = append(c.Unknown, i.Title())
		}
	}
	switch {
	case len(c.Broken) > 0:
		c.State = Broken
	case len(c.Unknown) > 0:
		c.State, c.Reason = Unknown, c.why(records)
	}
	return c, nil
}

func (c Cell) why(records []Record) string {
	if len(records) == 0 {
		return "nobody verified " + c.Provider + " as it is at " + Short(c.ProviderAt)
	}
	return c.Provider + " was verified as it is at " + Short(c.ProviderAt) + ", but not against what " + c.Consumer + " needs at " + Short(c.ConsumerAt)
}

// find returns what is known of an interaction. Where two results differ, it is broken.
func find(records []Record, consumer, id string) (Known, bool) {
	var out Known
	found := false
	for _, rec := range records {
		for _, one := range rec.Results {
			if one.Consumer == consumer && one.ID == id && (!found || one.Outcome == verify.Broken) {
				out, found = one, true
			}
		}
	}
	return out, found
}
