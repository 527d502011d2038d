package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/failpoint"
	"msctl.dev/msctl/internal/keeper"
)

const (
	orphanGrace = 2 * time.Second  // for what lost its keeper
	hopeless    = 15 * time.Second // after the first KILL
)

// Sweep implements [driver.Sweeper]. It needs no state: it finds the stack's processes by their marker,
// and what lost the marker below their keepers. It returns how many processes it ended, keepers apart,
// after it has counted zero. A process that called setsid and dropped its environment is found only while
// its keeper lives.
func (d *Driver) Sweep(ctx context.Context, _ bool) (int, error) {
	n, err := d.end(ctx, d.everything)
	if err != nil {
		return n, fmt.Errorf("sweep processes: %w", err)
	}
	failpoint.Hit("processes-swept")
	d.tidy()
	return n, nil
}

// Prune implements [driver.Pruner].
func (d *Driver) Prune(ctx context.Context, keep []string) (int, error) {
	n, err := d.end(ctx, func() ([]marked, error) {
		all, err := d.everything()
		return slices.DeleteFunc(all, func(m marked) bool { return m.unit == "" || slices.Contains(keep, m.unit) }), err
	})
	if err != nil {
		return n, fmt.Errorf("prune processes: %w", err)
	}
	return n, nil
}

// sweepUnit ends what is left of one unit whose keeper is gone: what carries its marker, and the group of
// its leader, since programs that set their title lose the marker. Where another keeper has the unit by
// now, what carries the marker is that one's.
func (d *Driver) sweepUnit(ctx context.Context, unit string, rec keeper.Record) (int, error) {
	return d.end(ctx, func() ([]marked, error) {
		all, err := d.everything()
		if err != nil {
			return nil, err
		}
		var out []marked
		for _, m := range all {
			if m.unit == unit && !m.keeper && !kept(m, all) {
				out = append(out, m)
			}
		}
		return append(out, group(rec.Leader)...), nil
	})
}

// group returns the living processes of a leader's group, unless its number belongs to somebody else now.
func group(leader keeper.Identity) (out []marked) {
	if leader.PID == 0 || leader.Boot != (keeper.Process{}).Identity().Boot {
		return nil
	}
	if p, err := keeper.Inspect(leader.PID); err == nil && p.Start != leader.Start {
		return nil
	}
	all, err := keeper.Processes()
	if err != nil {
		return nil
	}
	for _, p := range all {
		if p.Group == leader.PID && !p.Zombie && p.Start >= leader.Start {
			out = append(out, marked{Process: p})
		}
	}
	return out
}

// end ends what find finds until it finds nothing: keepers are asked and see to their own, orphans get
// the polite signal, and after the longest grace all are killed.
func (d *Driver) end(ctx context.Context, find func() ([]marked, error)) (int, error) {
	begun := time.Now()
	told, seen := map[keeper.Identity]bool{}, map[keeper.Identity]bool{}
	var kill time.Time
	for sure, killed := false, false; ; {
		left, err := find()
		if err == nil && killed {
			left, err = freeze(left, find)
		}
		if err != nil {
			return len(seen), err
		}
		if len(left) == 0 {
			if sure {
				return len(seen), nil
			}
			sure = true // one look misses the child of a process that ended while it looked
			continue
		}
		sure = false
		if kill.IsZero() {
			kill = begun.Add(patience(left))
		}
		for _, m := range left {
			if !m.keeper {
				seen[m.Identity()] = true
			}
		}
		killing := time.Now().After(kill)
		killed = killing
		if killing && time.Since(kill) > hopeless {
			return len(seen), fmt.Errorf("%d processes cannot be killed, the first is %d (%s)", len(left), left[0].PID, left[0].Name)
		}
		for _, m := range left {
			m.prod(killing, told, left)
		}
		if err := rest(ctx, left, kill, killing); err != nil {
			return len(seen), err
		}
	}
}

// freeze stops what survived a kill, and what it has started meanwhile, until find finds nothing new: it can
// no longer grow faster than it is killed.
func freeze(left []marked, find func() ([]marked, error)) ([]marked, error) {
	stopped := map[keeper.Identity]bool{}
	for range 50 {
		grown := false
		for _, m := range left {
			if id := m.Identity(); !stopped[id] {
				stopped[id], grown = true, true
				id.Send(unix.SIGSTOP)
			}
		}
		if !grown {
			break
		}
		var err error
		if left, err = find(); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// patience is how long the polite end may take: the longest grace, and a little for the keeper's own work.
func patience(all []marked) time.Duration {
	most := orphanGrace
	for _, m := range all {
		if m.keeper {
			most = max(most, m.grace+time.Second)
		}
	}
	return most
}

// prod signals m: once politely, unless its keeper does, and KILL each time when the time is over.
func (m marked) prod(killing bool, told map[keeper.Identity]bool, all []marked) {
	id := m.Identity()
	switch {
	case killing:
		id.Send(unix.SIGKILL)
	case told[id] || (!m.keeper && kept(m, all)):
	default:
		told[id] = true
		id.Send(unix.SIGTERM)
		id.Send(unix.SIGCONT)
	}
}

// kept reports whether a keeper of m's unit is there to end it.
func kept(m marked, all []marked) bool {
	for _, k := range all {
		if k.keeper && k.unit == m.unit {
			return true
		}
	}
	return false
}

// rest waits until all have ended, or it is time to kill, or, while killing, a moment.
func rest(ctx context.Context, left []marked, kill time.Time, killing bool) error {
	until := kill
	if killing {
		until = time.Now().Add(20 * time.Millisecond)
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for _, m := range left {
		if err := waitEnd(ctx, m.Identity()); err != nil {
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return nil
			}
			return context.Cause(ctx)
		}
	}
	return nil
}

// waitEnd waits for the end of a process; ctx bounds it.
func waitEnd(ctx context.Context, id keeper.Identity) error {
	e, err := watch(id)
	if err != nil {
		return nil // it is gone
	}
	stop := context.AfterFunc(ctx, e.close)
	defer func() {
		if stop() {
			e.close()
		}
	}()
	return e.wait()
}

// tidy removes what dead keepers left on disk.
func (d *Driver) tidy() {
	for _, pattern := range []string{"*.json", "*.json.tmp", "*.lock"} {
		paths, _ := filepath.Glob(filepath.Join(d.RunDir, pattern))
		for _, path := range paths {
			os.Remove(path)
		}
	}
	keeper.RemoveGroups(d.Stack)
}

// clear ends what a keeper of an earlier time left of the unit, when it was killed before it could write
// its record. The machine is searched once; a keeper that ends by itself leaves nothing.
func (d *Driver) clear(ctx context.Context, unit string) error {
	d.once.Do(func() {
		d.strays = map[string]bool{}
		for range 2 { // one look misses the child of a process that ended while it looked
			all, err := d.marked()
			if err != nil {
				return // what has a record is swept all the same
			}
			for _, m := range all {
				if !m.keeper && !kept(m, all) {
					d.strays[m.unit] = true
				}
			}
		}
	})
	d.mu.Lock()
	found := d.strays[unit]
	delete(d.strays, unit)
	d.mu.Unlock()
	if !found {
		return nil
	}
	_, err := d.sweepUnit(ctx, unit, keeper.Record{})
	return err
}
