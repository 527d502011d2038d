package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"msctl.dev/msctl/internal/driver"
)

// callTimeout bounds one call to the engine that answers by itself.
const callTimeout = 30 * time.Second

// Run starts u in a container, or adopts the running one that has the same configuration; see
// [driver.Driver]. An image that is there is never pulled. Once the container has ended, its output has been
// read to the end and it is removed. An ephemeral unit that is detached ends all the same, when this process
// does or when no other one runs.
func (d *Driver) Run(ctx context.Context, u driver.Unit, h driver.Hooks) (driver.Exit, error) {
	log, err := openLog(u, h)
	if err != nil {
		return driver.Exit{}, fmt.Errorf("start %s: %w", u.Name, err)
	}
	defer log.close()
	l, err := d.engine(ctx)
	if err != nil {
		return stopped(ctx, fmt.Errorf("start %s: %w", u.Name, err))
	}
	if u.Ephemeral {
		if err := d.holdReaper(l); err != nil {
			return driver.Exit{}, fmt.Errorf("start %s: %w", u.Name, err)
		}
		defer d.releaseReaper()
	}
	r := &run{d: d, l: l, u: u, h: h, log: log}
	if err := r.begin(ctx); err != nil {
		if r.made || ctx.Err() != nil {
			r.discard(ctx)
		}
		return stopped(ctx, err)
	}
	defer d.dropID(u.Name, r.id)
	return r.keep(ctx)
}

// stopped is the end of a run that was cancelled before its container was up: no error if it was asked for.
func stopped(ctx context.Context, err error) (driver.Exit, error) {
	if ctx.Err() != nil {
		return driver.Exit{Asked: true, At: time.Now()}, nil
	}
	return driver.Exit{}, err
}

// run is one run of one unit.
type run struct {
	d    *Driver
	l    *link
	u    driver.Unit
	h    driver.Hooks
	log  *log
	id   string
	made bool // not adopted: a failed start is this run's to clean up
}

// begin leaves a running container in r.id and calls the Started hook.
func (r *run) begin(ctx context.Context) error {
	image, id, err := r.d.image(ctx, r.l, r.u.Image, r.log.note)
	if err != nil {
		return fmt.Errorf("start %s: %w", r.u.Name, err)
	}
	spec := hash(r.u, id)
	adopted, err := r.takeOver(ctx, spec)
	if err != nil {
		return err
	}
	if !adopted {
		r.made = true
		if r.id, err = r.create(ctx, image, spec); err != nil {
			return err
		}
		r.log.mark = mark{} // nothing of this one is stored
	}
	r.d.setID(r.u.Name, r.id)
	if r.u.Ephemeral {
		r.d.tellReaper("+" + r.id)
	}
	return r.started(ctx, adopted)
}

// create makes and starts the container. The engine keeps the name of one that is being removed for a
// moment longer than it lists it.
func (r *run) create(ctx context.Context, image, spec string) (string, error) {
	for tries := 0; ; tries++ {
		u := r.u // as spec knows it, and where its output begins
		u.Labels = maps.Clone(u.Labels)
		if u.Labels == nil {
			u.Labels = map[string]string{}
		}
		u.Labels[labelAfter] = strconv.FormatUint(r.log.last(), 10)
		id, err := r.d.create(ctx, r.l, u, image, spec)
		if err == nil || tries == 20 || !strings.Contains(err.Error(), "is already in use by container") {
			return id, err
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return "", err
		}
		if _, err := r.takeOver(ctx, ""); err != nil {
			return "", err
		}
	}
}

func (r *run) started(ctx context.Context, adopted bool) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := r.l.cli.ContainerInspect(call, r.id)
	if err != nil {
		return fmt.Errorf("start %s: %s", r.u.Name, oneLine(err))
	}
	at, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if err != nil {
		at = time.Now()
	}
	if r.h.Started != nil {
		tries, _ := strconv.Atoi(c.Config.Labels[labelTries])
		after, _ := strconv.ParseUint(c.Config.Labels[labelAfter], 10, 64)
		r.h.Started(driver.Started{PID: c.State.Pid, Container: r.id, At: at, Adopted: adopted, Restarts: tries, After: after})
	}
	return nil
}

// takeOver looks for containers of this unit that an earlier supervisor left. The running one with the same
// spec is adopted; all others are ended, after what they printed was read.
func (r *run) takeOver(ctx context.Context, spec string) (bool, error) {
	found, err := r.d.find(ctx, r.l, r.u.Name)
	if err != nil {
		return false, fmt.Errorf("start %s: %w", r.u.Name, err)
	}
	for _, c := range found {
		same := c.Labels[labelSpec] == spec
		if r.id == "" && same && c.State == container.StatePaused {
			same = r.l.cli.ContainerUnpause(ctx, c.ID) == nil
		} else if c.State != container.StateRunning {
			same = false
		}
		if r.id == "" && same {
			r.id = c.ID
			continue
		}
		if err := r.retire(ctx, c); err != nil {
			return false, err
		}
	}
	return r.id != "", nil
}

// retire ends a container of an earlier run.
func (r *run) retire(ctx context.Context, c container.Summary) error {
	if err := end(ctx, r.l.cli, c.ID, c.Labels); err != nil {
		return fmt.Errorf("replace container of %s: %w", r.u.Name, err)
	}
	if c.State != container.StateCreated {
		if err := r.log.drain(ctx, r.l.cli, c.ID); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := remove(ctx, r.l.cli, c.ID); err != nil {
		return fmt.Errorf("replace container of %s: %w", r.u.Name, err)
	}
	return nil
}

// discard removes what a failed or cancelled start left behind, unless it is to be left running. A container
// of an earlier supervisor is asked to end first.
func (r *run) discard(ctx context.Context) {
	cause := context.Cause(ctx)
	if errors.Is(cause, driver.ErrDetach) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	found, err := r.d.find(ctx, r.l, r.u.Name)
	if err != nil {
		return // the engine is away: the next sweep finds it by its labels
	}
	for _, c := range found {
		if c.State == container.StateRunning && !r.made && !errors.Is(cause, driver.ErrKill) {
			_ = end(ctx, r.l.cli, c.ID, c.Labels)
		}
		_ = remove(context.WithoutCancel(ctx), r.l.cli, c.ID)
	}
}
