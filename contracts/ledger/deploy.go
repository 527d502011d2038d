package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Answer says whether a version of a service fits what is in an environment.
type Answer struct {
	Service     string
	At          *Version
	Environment string
	Cells       []Cell   // one of each edge of the service, by edge
	Outside     []string // providers that are no services of the stack, and are not judged
}

// State is the worst of the cells; [Holds] where there are none.
func (a Answer) State() State {
	worst := Holds
	for _, c := range a.Cells {
		worst = worse(worst, c.State)
	}
	return worst
}

func worse(a, b State) State {
	order := []State{Holds, None, Absent, Unknown, Broken}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// Deploy answers whether a version of a service fits the services of an environment. services are those of the
// stack.
func (l *Ledger) Deploy(ctx context.Context, service string, at *Version, there Environment, services []string) (Answer, error) {
	a := Answer{Service: service, At: at, Environment: there.Name}
	if err := l.asConsumer(ctx, &a, there, services); err != nil {
		return a, err
	}
	if err := l.asProvider(ctx, &a, there); err != nil {
		return a, err
	}
	for i := range a.Cells {
		if err := l.advise(ctx, &a.Cells[i], there.Name); err != nil {
			return a, err
		}
	}
	slices.SortStableFunc(a.Cells, func(x, y Cell) int {
		return cmp.Or(cmp.Compare(x.Consumer, y.Consumer), cmp.Compare(x.Provider, y.Provider))
	})
	return a, nil
}

// asConsumer holds what the version needs to the providers that are there.
func (l *Ledger) asConsumer(ctx context.Context, a *Answer, there Environment, services []string) error {
	pacts, err := a.At.Pacts(ctx)
	if err != nil {
		return err
	}
	for _, p := range pacts {
		if p.Consumer != a.Service {
			continue
		}
		if !slices.Contains(services, p.Provider) {
			a.Outside = append(a.Outside, p.Provider)
			continue
		}
		provider := a.At
		if p.Provider != a.Service {
			if provider, err = l.there(ctx, there, p.Provider); err != nil {
				return err
			}
		}
		c, err := l.judge(ctx, p, a.At, provider)
		if err != nil {
			return err
		}
		a.Cells = append(a.Cells, c)
	}
	return nil
}

// asProvider holds the version to what the consumers need that are there.
func (l *Ledger) asProvider(ctx context.Context, a *Answer, there Environment) error {
	for consumer := range there.Services {
		if consumer == a.Service {
			continue
		}
		v, err := l.there(ctx, there, consumer)
		if err != nil {
			return err
		}
		p, said, err := v.pact(ctx, consumer, a.Service)
		if err != nil {
			return err
		}
		if !said {
			continue
		}
		c, err := l.judge(ctx, p, v, a.At)
		if err != nil {
			return err
		}
		a.Cells = append(a.Cells, c)
	}
	return nil
}

// there returns the version of a service in an environment; nil where it has none.
func (l *Ledger) there(ctx context.Context, e Environment, service string) (*Version, error) {
	commit := e.Services[service]
	if commit == "" {
		return nil, nil
	}
	v, err := l.At(ctx, commit)
	if err != nil {
		return nil, fmt.Errorf("%s in %s: %w", service, e.Name, err)
	}
	return v, nil
}
