package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// disturbance is the faults of a set that act on one run.
type disturbance struct {
	fleet  *control.Client
	set    explore.Set
	put    []state.Fault // one for each of the set
	hit    []bool        // it has acted
	lifted []bool
}

// put puts the faults of a set on the run of that trace.
func (x *exploring) put(ctx context.Context, set explore.Set, trace string) (*disturbance, error) {
	d := &disturbance{fleet: x.fleet, set: set, hit: make([]bool, len(set)), lifted: make([]bool, len(set))}
	if len(set) == 0 {
		return d, nil
	}
	var faults []state.Fault
	for _, f := range set {
		one := f.State(trace)
		one.Lease, one.Seed = x.session.Lease(), max(x.o.seed, 1)
		faults = append(faults, one)
	}
	var err error
	if d.put, err = x.fleet.AddFaults(ctx, faults); err == nil && len(d.put) != len(set) {
		err = fmt.Errorf("%d act", len(d.put))
	}
	if err != nil {
		return nil, fmt.Errorf("put %s: %w", set, err)
	}
	return d, nil
}

// lift lifts those faults that still act, and keeps which of them had acted. It is [state.ErrUnknownFault] where one
// was lifted already: its lease was over.
func (d *disturbance) lift(ctx context.Context, which func(explore.Fault) bool) error {
	var ids []string
	for i, f := range d.set {
		if !d.lifted[i] && which(f) {
			ids = append(ids, d.put[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	all, err := d.fleet.Faults(ctx)
	if err != nil {
		return fmt.Errorf("ask which faults acted: %w", err)
	}
	for i, f := range d.put {
		if slices.Contains(ids, f.ID) {
			d.lifted[i] = true // or its lease ends it
			d.hit[i] = slices.ContainsFunc(all, func(s state.Fault) bool { return s.ID == f.ID && s.Acted > 0 })
		}
	}
	if _, err := d.fleet.RemoveFaults(ctx, ids); err != nil {
		return fmt.Errorf("lift the faults of a run: %w", err)
	}
	return nil
}

// idle reports that a fault has not acted.
func (d *disturbance) idle() bool { return slices.Contains(d.hit, false) }

// lost adds the calls that faults have hit, and whose end no edge has seen: nobody answers a message that is lost, and
// one that is published again would be taken for it.
func (d *disturbance) lost(tr telemetry.Trace, seen []explore.Seen) []explore.Seen {
	order := make([]int, len(d.set))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return d.set[a].Nth - d.set[b].Nth }) // the first of them first
	left := map[string]int{}                                                                // by edge and operation: calls that say so
	for _, r := range tr.Rows {
		if r.Scope == edgeScope && attrOf(&r, "msctl.faults") != "" {
			left[r.Edge+" "+r.Name]++
		}
	}
	for _, i := range order {
		f := d.set[i]
		key := f.Edge + " " + f.Op
		switch {
		case !d.hit[i]:
		case left[key] > 0:
			left[key]--
		case strings.HasPrefix(f.Op, "publish ") && f.Mode == "cut" || !made(explore.Name(seen), f):
			seen = explore.Lost(seen, f)
		}
	}
	return seen
}

// made reports that the call of a fault is among those that were seen.
func made(calls []explore.Call, f explore.Fault) bool {
	return slices.ContainsFunc(calls, func(c explore.Call) bool { return c.Edge == f.Edge && c.Op == f.Op && c.Nth >= f.Nth })
}
