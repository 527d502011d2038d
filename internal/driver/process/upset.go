package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/failpoint"
	"msctl.dev/msctl/internal/keeper"
)

var _ driver.Upsetter = (*Driver)(nil)

// inverse is what undoes an upset. It names the tree by pid and start time of its keeper, so that no other
// process is touched.
type inverse struct {
	Unit   string
	Keeper keeper.Identity
	Leader keeper.Identity
	Upset  driver.Upset
	Bound  *keeper.Bound `json:",omitempty"` // what bounds CPU; nil: the tree is stopped and continued instead
}

// Upset implements [driver.Upsetter].
func (d *Driver) Upset(_ context.Context, unit string, u driver.Upset, write func([]byte) error) error {
	rec, err := keeper.ReadRecord(keeper.RecordPath(d.RunDir, unit))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && (rec.Exit != nil || !rec.Keeper.Alive()):
		return fmt.Errorf("upset %s: %w", unit, driver.ErrNotRunning)
	case err != nil:
		return fmt.Errorf("upset %s: %w", unit, err)
	}
	if err := d.upset(rec, inverse{Unit: unit, Keeper: rec.Keeper, Leader: rec.Leader, Upset: u}, write); err != nil {
		return fmt.Errorf("upset %s: %w", unit, err)
	}
	return nil
}

func (d *Driver) upset(rec keeper.Record, inv inverse, write func([]byte) error) error {
	switch u := inv.Upset; {
	case u.Signal != "":
		return send(rec, u.Signal)
	case u.Disconnect, u.Network != nil:
		return fmt.Errorf("%w: a process has no network of its own; faults on its edges do the same", driver.ErrCannot)
	case u.CPU > 0:
		inv.Bound = d.bound(rec, u.CPU)
	}
	text, err := json.Marshal(inv)
	if err != nil {
		return err
	}
	if err := write(text); err != nil {
		return err
	}
	failpoint.Hit("upset-begun")
	switch u := inv.Upset; {
	case u.Pause:
		d.pause(rec.Keeper)
		err = halt(rec.Keeper)
	case inv.Bound != nil:
		err = inv.Bound.Take(func() []int { return pids(below(rec.Keeper)) })
	case u.CPU > 0:
		d.repeat(string(text), inv.Unit, func(done <-chan struct{}) { d.ration(rec.Keeper, u.CPU, done) })
	case u.Memory > 0:
		d.repeat(string(text), inv.Unit, func(done <-chan struct{}) { confine(rec.Keeper, u.Memory, done) })
	}
	failpoint.Hit("upset-done")
	return err
}

// bound returns the control group that is to bound a tree, or nil where this process may not make one.
func (d *Driver) bound(rec keeper.Record, cores float64) *keeper.Bound {
	if d.groupless {
		return nil
	}
	b, err := keeper.NewBound(d.Stack, rec.Unit, rec.Keeper.PID, rec.Leader.PID, cores)
	if err != nil {
		return nil
	}
	return b
}

// send signals a tree once: KILL goes to all of it, any other signal to its leader.
func send(rec keeper.Record, name string) error {
	sig, err := signalNumber(name)
	if err != nil {
		return err
	}
	if sig != unix.SIGKILL {
		return rec.Leader.Send(sig)
	}
	for _, p := range below(rec.Keeper) {
		if err := p.Identity().Send(sig); err != nil && err != unix.ESRCH {
			return err
		}
	}
	return nil
}

// Calm implements [driver.Upsetter].
func (d *Driver) Calm(_ context.Context, text []byte) error {
	var inv inverse
	if err := json.Unmarshal(text, &inv); err != nil {
		return fmt.Errorf("calm: %w", err)
	}
	d.cease(func(key, _ string) bool { return key == string(text) })
	if inv.Bound != nil {
		if err := inv.Bound.Release(); err != nil {
			return fmt.Errorf("calm %s: %w", inv.Unit, err)
		}
	}
	if inv.Upset.Pause {
		d.unpause(inv.Keeper)
	}
	if err := d.proceed(inv.Keeper, func() error { return d.resume(inv) }); err != nil {
		return fmt.Errorf("calm %s: %w", inv.Unit, err)
	}
	failpoint.Hit("upset-calmed")
	return nil
}

// resume continues the tree of a unit: what is below its keeper and, where that was killed, what carries
// the unit's marker or is of its leader's group.
func (d *Driver) resume(inv inverse) error {
	for _, p := range below(inv.Keeper) {
		_ = p.Identity().Send(unix.SIGCONT) // it has ended
	}
	if inv.Keeper.Alive() {
		return nil
	}
	all, err := d.marked()
	if err != nil {
		return err
	}
	for _, m := range append(all, group(inv.Leader)...) {
		if !m.keeper && (m.unit == inv.Unit || m.unit == "") {
			_ = m.Identity().Send(unix.SIGCONT)
		}
	}
	return nil
}
