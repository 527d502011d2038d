package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/tui"
)

// board is what the files of a stack say of its contracts: the pacts, and what verifications found last.
type board struct {
	stack *stack.Stack
	pacts []contracts.Pact
	cache verify.Cache
	known map[string]verdict // by provider
}

// verdict is what is kept of the verification of a provider.
type verdict struct {
	report verify.Report
	why    string // it says nothing
}

// contractBoard reads the board anew.
func (a *App) contractBoard(context.Context) (tui.Contracts, error) {
	st, err := a.load("")
	if err != nil {
		return tui.Contracts{}, err
	}
	p, err := a.place()
	if err != nil {
		return tui.Contracts{}, err
	}
	b := board{stack: st, known: map[string]verdict{}, cache: p.verified(st)}
	if b.pacts, err = contracts.Load(filepath.Join(st.Dir, contracts.Dir)); err != nil {
		return tui.Contracts{}, err
	}
	return b.contracts(), nil
}

// verified is where reports of verifications are kept.
func (p place) verified(st *stack.Stack) verify.Cache {
	return verify.Cache{Dir: filepath.Join(p.cache(), "contracts"), Root: st.Dir}
}

// contracts returns every pact, and every edge that has none.
func (b *board) contracts() tui.Contracts {
	out := tui.Contracts{Services: serviceNamesOf(b.stack)}
	seen := map[string]bool{}
	for _, p := range b.pacts {
		seen[p.Edge()] = true
		out.Edges = append(out.Edges, b.contract(p))
	}
	for _, e := range neededPairs(b.stack) {
		if !seen[e.Consumer+":"+e.Provider] {
			out.Edges = append(out.Edges, tui.Contract{Consumer: e.Consumer, Provider: e.Provider,
				Why: "no pact says what " + e.Consumer + " needs of " + e.Provider + "; a consumer test in " + e.Consumer + " writes one"})
		}
	}
	return out
}

// contract says what came of each interaction of a pact.
func (b *board) contract(p contracts.Pact) tui.Contract {
	found := b.verdict(p.Provider)
	out := tui.Contract{Consumer: p.Consumer, Provider: p.Provider, Why: found.why}
	for _, i := range p.Interactions {
		one := tui.Agreement{Title: i.Title(), Kind: i.Kind.String(), State: tui.ContractUnknown}
		at := slices.IndexFunc(found.report.Results, func(r verify.Result) bool {
			return r.Consumer == p.Consumer && r.ID == i.ID()
		})
		if at >= 0 {
			r := found.report.Results[at]
			one.State, one.Said = contractStates[r.Outcome], saidOf(r)
		}
		out.Agreements = append(out.Agreements, one)
	}
	return out
}

// contractStates is what outcomes are on the board; the others are unknown.
var contractStates = map[verify.Outcome]tui.ContractState{
	verify.Holds: tui.ContractHolds, verify.Pending: tui.ContractPending, verify.Broken: tui.ContractBroken,
	verify.Unknown: tui.ContractUnknown, verify.Failed: tui.ContractUnknown,
}

// saidOf is what a result says beside its outcome, one line each.
func saidOf(r verify.Result) []string {
	var out []string
	for _, m := range r.Mismatches {
		what := m.Attribute
		if m.Identifier != "" {
			what += " " + m.Identifier
		}
		out = append(out, what+": "+m.Description)
	}
	if r.Reason != "" {
		out = append(out, r.Reason)
	}
	return out
}

// verdict returns what is known of a provider as it is now.
func (b *board) verdict(provider string) verdict {
	if f, there := b.known[provider]; there {
		return f
	}
	f := b.look(provider)
	b.known[provider] = f
	return f
}

func (b *board) look(provider string) verdict {
	if b.stack.Service(provider) == nil {
		return verdict{why: fmt.Sprintf("stack.yaml has no service %q", provider)}
	}
	states, err := verify.LoadStates(filepath.Join(b.stack.Dir, verify.StatesDir), provider)
	if err != nil {
		return verdict{why: err.Error()}
	}
	t := &verify.Target{Name: provider, States: states}
	for _, runtime := range []string{"embedded", "native", "container", "auto"} {
		if r, ok := b.cache.Get(provider, verify.Key(b.stack, t, b.pacts, runtime)); ok {
			return verdict{report: r}
		}
	}
	advice := "; `msctl contract verify " + provider + "` tries it"
	if _, err := os.Stat(b.cache.File(provider)); err == nil {
		return verdict{why: provider + " has changed since it was verified" + advice}
	}
	return verdict{why: provider + " has not been verified" + advice}
}
