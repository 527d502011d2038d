package fleet

import (
	"context"
	"errors"
	"slices"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/state"
)

// upset does what faults on units say, and adds to them in out what became known. Where one of them cannot be
// done all are lifted.
func (f *Fleet) upset(ctx context.Context, fresh []*acting, out []state.Fault) error {
	for i, a := range fresh {
		if out[i].OnEdge() {
			continue
		}
		once, err := f.upsets.put(ctx, a, &out[i])
		if err != nil {
			f.mesh.expire(func(b *acting) bool { return slices.Contains(fresh, b) })
			return err
		}
		f.mesh.upsetBy(a, out[i].Also, once)
	}
	return nil
}

// upsetBy keeps what became known of a fault when it was put, or forgets it: it is over.
func (m *mesh) upsetBy(a *acting, also []string, once bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case once:
		m.lift(func(b *acting) bool { return a == b })
	case slices.Contains(m.faults, a):
		a.Also = also
	}
}

// put does what a fault says, and adds to f, which is a copy of it, what else feels it. Where something of it
// cannot be done, nothing is, and neither where it was lifted while others were put.
func (u *upsets) put(ctx context.Context, a *acting, f *state.Fault) (once bool, err error) {
	asked := *f
	asked.For, asked.Lease = 0, "" // its end was looked at before it was chosen
	does, units, also, err := u.mean(asked)
	if err != nil {
		return false, err
	}
	f.Also = also
	if does.Once() {
		f.For, f.Until = 0, time.Time{}
		if !u.f.mesh.holds(a) {
			return true, nil
		}
		return true, u.once(ctx, *f, does, units)
	}
	if err := u.lock(ctx); err != nil {
		return false, err
	}
	defer u.unlock()
	if !u.f.mesh.holds(a) {
		return false, nil
	}
	if err := u.yield(f.ID); err != nil {
		return false, err
	}
	u.mu.Lock()
	u.on = append(u.on, upsetting{a, *f, does})
	u.mu.Unlock()
	for _, one := range units {
		if err := u.do(ctx, *f, does, one); err != nil && !errors.Is(err, driver.ErrNotRunning) {
			return false, errors.Join(err, u.undo(*f))
		}
	}
	return false, nil
}

// yield undoes what an earlier fault of that name does, which was lifted and waits for its turn to be undone.
func (u *upsets) yield(id string) error {
	u.mu.Lock()
	i := slices.IndexFunc(u.on, func(o upsetting) bool { return o.fault.ID == id })
	var earlier state.Fault
	if i >= 0 {
		earlier = u.on[i].fault
	}
	u.mu.Unlock()
	if i < 0 {
		return nil
	}
	return u.undo(earlier)
}

// once does what is over when it is done.
func (u *upsets) once(ctx context.Context, f state.Fault, does driver.Upset, units []*unit) error {
	if does.Restart {
		for _, one := range units {
			one.restart(nil, false)
		}
		return nil
	}
	var errs []error
	for _, one := range units {
		errs = append(errs, u.do(ctx, f, does, one))
	}
	if i := slices.Index(errs, nil); i >= 0 { // one of several replicas runs, the others may not
		errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, driver.ErrNotRunning) })
	}
	return errors.Join(errs...)
}
