package jaeger

import (
	"cmp"
	"context"
	"slices"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Ages of what is known of services and operations.
const (
	fresh    = 2 * time.Second // answered without a look at the store
	late     = time.Minute     // how long after its start a span may come and still be noticed soon
	complete = 5 * time.Minute // then all is read anew, and what was removed is forgotten
)

// maxOperations is how many names of one service are told: a service that puts ids into names has no end
// of them.
const maxOperations = 5000

// names remembers which services there are, and their operations. Looking through all spans for each
// request would take too long: only new ones are looked at.
type names struct {
	turn  chan struct{} // held by whoever reads or writes the rest
	known catalog
	read  time.Time // when the store was last looked at
	whole time.Time // when all of it was
}

// catalog has the operations of each service. It is not changed once it is answered.
type catalog map[string]map[operation]bool

// operation is one name of spans and their kind.
type operation struct {
	Name string `json:"name"`
	Kind string `json:"spanKind"`
}

// known returns the current catalog.
func (h *Handler) known(ctx context.Context) (catalog, error) {
	n := &h.names
	select {
	case n.turn <- struct{}{}:
		defer func() { <-n.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := h.now()
	if n.known != nil && now.Sub(n.read) < fresh {
		return n.known, nil
	}
	c, since := catalog{}, time.Time{}
	whole := n.known == nil || now.Sub(n.whole) >= complete
	if !whole {
		c, since = n.known.clone(), n.read.Add(-late)
	}
	err := h.Store.ScanKeys(ctx, since, time.Time{}, []string{}, func(sp *telemetry.Span) bool {
		c.add(sp)
		return true
	})
	if err != nil {
		return nil, err
	}
	n.known, n.read = c, now
	if whole {
		n.whole = now
	}
	return c, nil
}

func (c catalog) clone() catalog {
	out := make(catalog, len(c))
	for service, ops := range c {
		of := make(map[operation]bool, len(ops))
		for op := range ops {
			of[op] = true
		}
		out[service] = of
	}
	return out
}

func (c catalog) add(sp *telemetry.Span) {
	ops := c[sp.Service]
	if ops == nil {
		ops = map[operation]bool{}
		c[sp.Service] = ops
	}
	if op := (operation{sp.Name, kindName(sp.Kind)}); len(ops) < maxOperations && !ops[op] {
		ops[op] = true
	}
}

func (c catalog) services() []string {
	list := []string{}
	for service := range c {
		list = append(list, service)
	}
	slices.Sort(list)
	return list
}

func (c catalog) operationNames(service string) []string {
	list := []string{}
	for op := range c[service] {
		list = append(list, op.Name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (c catalog) operations(service, kind string) []operation {
	list := []operation{}
	for op := range c[service] {
		if kind == "" || op.Kind == kind {
			list = append(list, op)
		}
	}
	slices.SortFunc(list, func(a, b operation) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind)) })
	return list
}
