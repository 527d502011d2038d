package tui

import (
	"context"
	"math"
	"reflect"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// Contracts is every edge between two services, as far as its contract tells.
type Contracts struct {
	Services []string // in the order of the stack
	Edges    []Contract
}

// Contract is what a consumer needs of a provider, and whether that holds.
type Contract struct {
	Consumer, Provider string
	Why                string      // nobody knows, where nobody does
	Agreements         []Agreement // none: the edge has no pact
}

// Agreement is one interaction of a contract.
type Agreement struct {
	Title, Kind string
	State       ContractState
	Said        []string // its mismatches, or why nobody knows
}

// ContractState is what is known of a contract or of one interaction in it.
type ContractState uint8

// The states, the worst last.
const (
	ContractNone    ContractState = iota // the edge has no pact
	ContractHolds                        // the provider does what is needed
	ContractPending                      // it does not, and that breaks nothing yet
	ContractUnknown                      // it was not verified since something changed
	ContractBroken                       // it does not
)

// contractLooks is how each state is drawn: nothing is said by colour alone.
var contractLooks = [...]struct {
	sign, word string
	tone       tone
}{{"–", "no pact", faint}, {"✓", "holds", good}, {"~", "pending", warn}, {"?", "unknown", warn}, {"✗", "broken", bad}}

// State returns the worst of a contract's interactions.
func (c Contract) State() ContractState {
	worst := ContractNone
	for _, a := range c.Agreements {
		worst = max(worst, a.State)
	}
	return worst
}

func (c Contract) edge() string { return c.Consumer + " → " + c.Provider }

// Bounds of what is kept of an answer to be drawn, in bytes.
const (
	maxContractName = 64
	maxContractText = 2 << 10
)

// fitting returns contracts with plain texts of bounded length. The original stays as it is.
func (c Contracts) fitting() Contracts {
	bound := func(s string, most int) string { return plainText(s[:min(len(s), most)]) }
	out := Contracts{Services: slices.Clone(c.Services), Edges: slices.Clone(c.Edges)}
	for i := range out.Services {
		out.Services[i] = bound(out.Services[i], maxContractName)
	}
	for i := range out.Edges {
		e := &out.Edges[i]
		e.Consumer, e.Provider = bound(e.Consumer, maxContractName), bound(e.Provider, maxContractName)
		e.Why = bound(e.Why, maxContractText)
		e.Agreements = slices.Clone(e.Agreements)
		for j := range e.Agreements {
			a := &e.Agreements[j]
			a.Title, a.Kind, a.Said = bound(a.Title, maxContractText), bound(a.Kind, maxContractName), slices.Clone(a.Said)
			for k := range a.Said {
				a.Said[k] = bound(a.Said[k], maxContractText)
			}
		}
	}
	return out
}

// pacts is the view of consumers by providers.
type pacts struct {
	list               // of consumers
	column  int        // the chosen provider
	left    int        // the first visible one
	rows    []string   // consumers
	columns []string   // providers
	all     []Contract // of the answer
	err     string
	have    bool
	seconds int // since it was asked
}

// contractsEvery is how many seconds pass before the contracts are asked for anew.
const contractsEvery = 5

func (v *pacts) title(*model) string { return "" }
func (v *pacts) cursor() *list       { return &v.list }

func (v *pacts) opened(m *model) tea.Cmd {
	v.seconds = 0
	return m.ask("contracts", "", func(ctx context.Context) func(*model) tea.Cmd {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		c, err := m.source.Contracts(ctx)
		return func(m *model) tea.Cmd {
			if v.take(c, err) {
				m.dirty = true
			}
			return nil
		}
	})
}

func (v *pacts) tick(m *model) tea.Cmd {
	v.seconds++
	if _, busy := m.asked["contracts"]; busy || v.seconds <= contractsEvery {
		return nil
	}
	return v.opened(m)
}

// take takes in an answer and reports whether anything changed.
func (v *pacts) take(c Contracts, err error) bool {
	said := ""
	if err != nil {
		said = why(err)
	}
	c = c.fitting()
	if v.have && said == v.err && (err != nil || reflect.DeepEqual(c.Edges, v.all)) {
		return false
	}
	first := !v.have
	v.err, v.have = said, true
	if err != nil {
		return true
	}
	v.all = c.Edges
	v.rows = involved(c, func(e Contract) string { return e.Consumer })
	v.columns = involved(c, func(e Contract) string { return e.Provider })
	v.n = len(v.rows)
	v.column, v.at = clamp(v.column, 0, len(v.columns)-1), clamp(v.at, 0, v.n-1)
	if _, there := v.chosen(); first && !there {
		v.next(ContractNone)
	}
	return true
}

// involved returns the services that an end of an edge is, in the order of the stack; behind them what the
// stack does not know.
func involved(c Contracts, end func(Contract) string) []string {
	var out []string
	for _, name := range c.Services {
		if slices.ContainsFunc(c.Edges, func(e Contract) bool { return end(e) == name }) {
			out = append(out, name)
		}
	}
	for _, e := range c.Edges {
		if !slices.Contains(out, end(e)) {
			out = append(out, end(e))
		}
	}
	return out
}

// of returns the contract of a row and a column.
func (v *pacts) of(row, column int) (Contract, bool) {
	if row < 0 || row >= len(v.rows) || column < 0 || column >= len(v.columns) {
		return Contract{}, false
	}
	i := slices.IndexFunc(v.all, func(c Contract) bool { return c.Consumer == v.rows[row] && c.Provider == v.columns[column] })
	if i < 0 {
		return Contract{}, false
	}
	return v.all[i], true
}

func (v *pacts) chosen() (Contract, bool) { return v.of(v.at, v.column) }

// next moves to the next contract that is at least as bad, row by row and from the start again.
func (v *pacts) next(least ContractState) bool {
	wide := len(v.columns)
	for step := 1; step <= len(v.rows)*wide; step++ {
		i := (v.at*wide + v.column + step) % (len(v.rows) * wide)
		if c, there := v.of(i/wide, i%wide); there && c.State() >= least {
			v.at, v.column = i/wide, i%wide
			return true
		}
	}
	return false
}

func (v *pacts) keys(*model) []binding {
	sideways := func(by int) func(*model) tea.Cmd {
		return func(*model) tea.Cmd {
			v.column = clamp(v.column+by, 0, len(v.columns)-1)
			return nil
		}
	}
	return []binding{
		{[]string{"enter"}, "interactions", "the interactions of the chosen contract, with what differs", v.openContract},
		{[]string{"h", "left"}, "", "the provider to the left", sideways(-1)},
		{[]string{"l", "right"}, "", "the provider to the right", sideways(1)},
		{[]string{"n"}, "next trouble", "the next contract that is pending, unknown or broken", func(m *model) tea.Cmd {
			if !v.next(ContractPending) {
				m.say("no contract is broken, unknown or pending")
			}
			return nil
		}},
		{[]string{"y"}, "copy", "copy the command that verifies the chosen provider", func(m *model) tea.Cmd {
			if v.column >= len(v.columns) {
				return nil
			}
			return m.copy("msctl contract verify " + v.columns[v.column])
		}},
		{[]string{"R"}, "again", "read the contracts anew", v.opened},
	}
}

func (v *pacts) openContract(m *model) tea.Cmd {
	c, there := v.chosen()
	if !there {
		m.complain("no contract is chosen: n goes to the next one in trouble")
		return nil
	}
	return m.push(&text{name: c.edge(), rows: func(m *model, w int) []string {
		if now, there := v.between(c); there { // it may have been verified meanwhile
			c = now
		}
		return m.contractRows(c, w, math.MaxInt)
	}})
}

func (v *pacts) between(c Contract) (Contract, bool) {
	i := slices.IndexFunc(v.all, func(o Contract) bool { return o.Consumer == c.Consumer && o.Provider == c.Provider })
	if i < 0 {
		return c, false
	}
	return v.all[i], true
}

func (v *pacts) draw(m *model, w, h int) []string {
	switch {
	case v.err != "":
		return m.empty(w, h, "contracts cannot be read: "+v.err+"; R tries again")
	case !v.have:
		return nil
	case len(v.all) == 0:
		return m.empty(w, h, "no service calls another, and there is no pact; `msctl contract test` writes pacts from the tests of consumers")
	case !slices.ContainsFunc(v.all, func(c Contract) bool { return len(c.Agreements) > 0 }):
		return append(m.empty(w, h, "no pact is in contracts/pacts: `msctl contract test` writes them from the tests of consumers, "+
			"`msctl contract verify` holds providers to them. These call each other:"), v.matrix(m, w, h-5)...)
	}
	under := v.under(m, w, h)
	return append(filled(v.matrix(m, w, h-len(under)), h-len(under)), under...)
}

// under is the chosen contract below the matrix, where it does not stand beside it: what room there is, and
// at least its first rows.
func (v *pacts) under(m *model, w, h int) []string {
	if m.w >= splitAt || h < 8 {
		return nil
	}
	rows := append([]string{m.theme.paint(faint, strings.Repeat("─", w))}, v.detail(m, w-1, h)...)
	return rows[:min(len(rows), max(3, h-len(v.rows)-2))]
}

func (v *pacts) detail(m *model, w, h int) []string {
	c, there := v.chosen()
	if !there && v.column < len(v.columns) && v.at < len(v.rows) {
		return []string{m.theme.paint(faint, cut(" "+v.rows[v.at]+" does not call "+v.columns[v.column], w))}
	}
	if !there {
		return nil
	}
	rows := m.contractRows(c, w-1, h)
	for i := range rows {
		rows[i] = " " + rows[i]
	}
	return rows
}
