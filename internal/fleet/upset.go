package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/state"
)

// upsets is what is done to units on purpose. It acts on whatever runs of a target, also on what is started
// meanwhile, and what undoes it is on the disk before it is done.
type upsets struct {
	f    *Fleet
	turn chan struct{} // holds one while something is done or undone: that takes a while, and keeps its order

	mu sync.Mutex // guards on
	on []upsetting
}

// upsetting is one fault that lasts.
type upsetting struct {
	by    *acting // the very one: another may have its name later
	fault state.Fault
	does  driver.Upset
}

func newUpsets(f *Fleet) *upsets { return &upsets{f: f, turn: make(chan struct{}, 1)} }

// upsetTime bounds one thing done to one unit, or undone: an engine may hang.
const upsetTime = 20 * time.Second

// mean says what a fault does and to which units, or why it cannot be.
func (u *upsets) mean(f state.Fault) (driver.Upset, []*unit, []string, error) {
	if u.f.o.Upset == nil {
		return driver.Upset{}, nil, nil, fmt.Errorf("put %s on %s: this fleet knows no faults", f.Kind, f.Target)
	}
	does, err := u.f.o.Upset(f)
	if err != nil {
		return does, nil, nil, err
	}
	units, also, err := u.f.struck(f.Target)
	if err != nil {
		return does, nil, nil, fmt.Errorf("put %s on %s: %w", f.Kind, f.Target, err)
	}
	return does, units, also, nil
}

// struck returns the units that a target means: those of a service, one replica, or the server of a resource,
// with the other resources on that server.
func (f *Fleet) struck(target string) (units []*unit, also []string, err error) {
	found, err := f.find([]string{target})
	if err != nil {
		return nil, nil, &unfit{text: err.Error(), is: state.ErrUnknownTarget}
	}
	for _, u := range found {
		st := u.plan()
		if st.Skip != "" {
			return nil, nil, fmt.Errorf("it does not run here: %s", st.Skip)
		}
		if st.Sort == state.Resource {
			if st.choice == nil || st.choice.Server == "" {
				return nil, nil, errors.New("it is a file, and no process of its own")
			}
			if u = f.unit(st.choice.Server); u == nil {
				return nil, nil, fmt.Errorf("its server %s does not run", st.choice.Server)
			}
			st = u.plan()
		}
		if st.server != nil {
			for _, c := range st.server.Choices {
				if c.Resource.Name != target {
					also = append(also, c.Resource.Name)
				}
			}
		}
		if !slices.Contains(units, u) {
			units = append(units, u)
		}
	}
	return units, also, nil
}

// do does it to one unit.
func (u *upsets) do(ctx context.Context, f state.Fault, does driver.Upset, one *unit) error {
	if u.f.cause() != nil {
		return fmt.Errorf("put %s on %s: the fleet ends", f.Kind, f.Target)
	}
	st := one.plan()
	d, ok := u.f.driver(st).(driver.Upsetter)
	if !ok {
		return cannot(f, one.name, driver.ErrCannot)
	}
	ctx, cancel := context.WithTimeout(ctx, upsetTime)
	defer cancel()
	left := leftover{Fault: f.ID, Unit: one.name, Container: st.Unit.Image != ""}
	err := d.Upset(ctx, one.name, does, func(inverse []byte) error {
		var err error
		if left.Inverse, err = u.inherit(d, left, inverse); err != nil {
			return err
		}
		return left.write(u.dir())
	})
	if errors.Is(err, driver.ErrCannot) {
		return cannot(f, one.name, err)
	}
	return err
}

// cannot is the error about what this machine, or this sort of unit, has no means for.
func cannot(f state.Fault, unit string, err error) error {
	_, why, said := strings.Cut(err.Error(), driver.ErrCannot.Error()+": ")
	if !said {
		why = "what runs it has no means for faults"
	}
	return &unfit{fmt.Sprintf("put %s on %s: %s", f.Kind, unit, why), "`msctl doctor` says which faults this machine can do", driver.ErrCannot}
}

// inherit adds to a fresh inverse how the unit was before anything was done to it.
func (u *upsets) inherit(d driver.Upsetter, of leftover, fresh []byte) ([]byte, error) {
	h, ok := d.(driver.Inheritor)
	if !ok {
		return fresh, nil
	}
	left, err := of.beside(u.dir())
	if err != nil {
		return nil, err
	}
	return h.Inherit(fresh, left)
}

// undo ends what a fault does, and does again what other faults do to the same units: the end of one pause
// is not the end of another.
func (u *upsets) undo(f state.Fault) error {
	u.mu.Lock()
	u.on = slices.DeleteFunc(u.on, func(o upsetting) bool { return o.fault.ID == f.ID })
	u.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), upsetTime)
	defer cancel()
	calmed, err := heal(ctx, u.dir(), f.ID, u.f.o.Process, u.f.o.Container)
	for _, name := range calmed {
		if one := u.f.unit(name); one != nil {
			u.again(ctx, one)
		}
	}
	if err != nil {
		return fmt.Errorf("lift %s of %s: %w", f.Kind, f.Target, err)
	}
	return nil
}

// again does to a unit all that is done to it now.
func (u *upsets) again(ctx context.Context, one *unit) {
	u.mu.Lock()
	on := slices.Clone(u.on)
	u.mu.Unlock()
	for _, o := range on {
		units, _, err := u.f.struck(o.fault.Target)
		if err != nil || !slices.Contains(units, one) {
			continue
		}
		if err := u.do(ctx, o.fault, o.does, one); err != nil {
			u.f.log.Warn("fault not put", "unit", one.name, "err", err)
		}
	}
}

// calm is undo for a fault that was lifted, where it is still done; those of edges have nothing to undo.
func (u *upsets) calm(a *acting) {
	if a.OnEdge() {
		return
	}
	_ = u.lock(context.Background()) // does not end
	defer u.unlock()
	u.mu.Lock()
	done := slices.ContainsFunc(u.on, func(o upsetting) bool { return o.by == a })
	u.mu.Unlock()
	if !done {
		return
	}
	if err := u.undo(a.Fault); err != nil {
		u.f.note(state.KindNotice, err.Error()+"; `msctl chaos heal` tries again")
	}
}

// started does to a run that has begun what is done to its unit.
func (u *upsets) started(ctx context.Context, one *unit) {
	u.mu.Lock()
	none := len(u.on) == 0
	u.mu.Unlock()
	if none || u.lock(ctx) != nil {
		return
	}
	defer u.unlock()
	u.again(ctx, one)
}

func (u *upsets) lock(ctx context.Context) error {
	select {
	case u.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (u *upsets) unlock() { <-u.turn }

func (u *upsets) dir() string { return leftoverDir(u.f.o.StateDir) }

// heal undoes what an earlier supervisor, which was killed, left of faults.
func (f *Fleet) heal(ctx context.Context) {
	units, err := Heal(ctx, f.o.StateDir, f.o.Process, f.o.Container)
	if err != nil {
		f.note(state.KindNotice, err.Error())
	}
	if len(units) > 0 {
		f.note(state.KindNotice, "what a fault of an earlier run did was undone: "+strings.Join(units, ", "))
	}
}
