package ledger

import (
	"cmp"
	"context"
	"slices"

	"msctl.dev/msctl/contracts"
)

// Pair is who needs something of whom.
type Pair struct{ Consumer, Provider string }

// Place is one set of versions that a matrix is made of.
type Place struct {
	Name string // "worktree", "HEAD", or an environment's
	at   func(ctx context.Context, service string) (*Version, error)
}

// PlaceAt is every service at one revision.
func (l *Ledger) PlaceAt(ref string) Place {
	return Place{ref, func(ctx context.Context, _ string) (*Version, error) { return l.At(ctx, ref) }}
}

// PlaceIn is the services as they are in an environment.
func (l *Ledger) PlaceIn(e Environment) Place {
	return Place{e.Name, func(ctx context.Context, service string) (*Version, error) { return l.there(ctx, e, service) }}
}

// Matrix returns a cell for each edge that a consumer of the place has a pact for, and for each declared one of
// services that are there, by edge.
func (l *Ledger) Matrix(ctx context.Context, place Place, services []string, declared []Pair) ([]Cell, error) {
	var cells []Cell
	done := map[Pair]bool{}
	for _, consumer := range services {
		v, err := place.at(ctx, consumer)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		pacts, err := v.Pacts(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range pacts {
			if p.Consumer != consumer || !slices.Contains(services, p.Provider) {
				continue
			}
			c, err := l.cell(ctx, place, p, v)
			if err != nil {
				return nil, err
			}
			cells, done[Pair{p.Consumer, p.Provider}] = append(cells, c), true
		}
		for _, d := range declared {
			if d.Consumer == consumer && !done[d] {
				done[d] = true
				cells = append(cells, Cell{Consumer: d.Consumer, Provider: d.Provider, ConsumerAt: v.Name(), State: None, Reason: "there is no pact"})
			}
		}
	}
	slices.SortStableFunc(cells, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(a.Consumer, b.Consumer), cmp.Compare(a.Provider, b.Provider))
	})
	return cells, nil
}

func (l *Ledger) cell(ctx context.Context, place Place, p contracts.Pact, consumer *Version) (Cell, error) {
	provider, err := place.at(ctx, p.Provider)
	if err != nil {
		return Cell{}, err
	}
	c, err := l.judge(ctx, p, consumer, provider)
	if err != nil {
		return c, err
	}
	return c, l.advise(ctx, &c, place.Name)
}
