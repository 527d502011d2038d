package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/keeper"
)

// adopt takes over what runs with the same specification. It ends what runs with another one, and what
// is left of a run whose keeper was killed; then it returns nil, and the unit can be started.
func (d *Driver) adopt(ctx context.Context, spec keeper.Spec) (*run, error) {
	path := keeper.RecordPath(d.RunDir, spec.Unit)
	rec, err := keeper.ReadRecord(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, keeper.ErrCorrupt), err == nil && rec.Unit != spec.Unit:
		return nil, quarantine(path)
	case err != nil:
		return nil, err
	}
	end, err := watch(rec.Keeper)
	alive := err == nil && rec.Keeper.Alive()
	if !alive {
		end.close()
		if rec.Exit != nil {
			return nil, nil
		}
		_, err := d.sweepUnit(ctx, spec.Unit, rec)
		return nil, err
	}
	if rec.Protocol != keeper.Protocol {
		end.close()
		return nil, fmt.Errorf("it runs under a keeper of protocol %d and this msctl speaks %d: stop it with the msctl that started it, or all with `msctl down`",
			rec.Protocol, keeper.Protocol)
	}
	r := &run{d: d, spec: spec, rec: rec, id: rec.Keeper, adopted: true, end: end, leave: make(chan struct{})}
	if rec.Hash == spec.Hash && !spec.Ephemeral && rec.Exit == nil {
		return r, nil
	}
	defer r.close()
	return nil, r.replace(ctx)
}

// replace ends a run that is not the wanted one.
func (r *run) replace(ctx context.Context) error {
	r.id.Send(unix.SIGTERM)
	hung := time.AfterFunc(r.rec.Grace+overtime, func() { r.id.Send(unix.SIGKILL) })
	defer hung.Stop()
	done := make(chan error, 1)
	r.tasks.Go(func() { done <- r.end.wait() })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// quarantine moves a record aside that no keeper wrote like this.
func quarantine(path string) error {
	aside := fmt.Sprintf("%s.corrupt-%d", path, time.Now().Unix())
	if err := os.Rename(path, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set aside corrupt record: %w", err)
	}
	return nil
}

// rouse asks the keeper of a unit, found by its marker, to write its record again. Where there is none any
// more, the next start looks for what it left.
func (d *Driver) rouse(unit string) error {
	all, err := d.marked()
	if err != nil {
		return err
	}
	found := false
	for _, m := range all {
		if m.keeper && m.unit == unit {
			found = true
			m.Identity().Send(unix.SIGUSR2)
		}
	}
	if !found {
		d.mu.Lock()
		d.strays[unit] = true
		d.mu.Unlock()
	}
	return nil
}
