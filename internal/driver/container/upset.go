package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/failpoint"
)

var (
	_ driver.Upsetter  = (*Driver)(nil)
	_ driver.Inheritor = (*Driver)(nil)
)

// inverse is what undoes an upset of one container, which its id names for ever.
type inverse struct {
	Unit      string
	Container string
	Upset     driver.Upset
	Limits    *limits  `json:",omitempty"` // as they were
	Networks  []joined `json:",omitempty"` // that it was on
}

// alike reports whether two put back the same of a container.
func (inv inverse) alike(other inverse) bool {
	a, b := inv.Upset, other.Upset
	return a.CPU > 0 && b.CPU > 0 || a.Memory > 0 && b.Memory > 0 || a.Disconnect && b.Disconnect
}

// limits are those of a container, in the engine's own numbers.
type limits struct{ NanoCPUs, CPUPeriod, CPUQuota, Memory, MemorySwap int64 }

// joined is a network that a container is on.
type joined struct {
	Network string // its id
	Aliases []string
}

// Upset implements [driver.Upsetter].
func (d *Driver) Upset(ctx context.Context, unit string, u driver.Upset, write func([]byte) error) error {
	l, err := d.engine(ctx)
	if err != nil {
		return fmt.Errorf("upset %s: %w", unit, err)
	}
	id, err := d.id(ctx, l, unit)
	if err != nil {
		return fmt.Errorf("upset %s: %w", unit, driver.ErrNotRunning)
	}
	if u.Signal != "" {
		if err := kill(ctx, l.cli, id, u.Signal); err != nil {
			return fmt.Errorf("upset %s: %s", unit, oneLine(err))
		}
		return nil
	}
	inv := inverse{Unit: unit, Container: id, Upset: u}
	if err := l.prepare(ctx, &inv); err != nil {
		return fmt.Errorf("upset %s: %w", unit, err)
	}
	text, err := json.Marshal(inv)
	if err != nil {
		return fmt.Errorf("upset %s: %w", unit, err)
	}
	if err := write(text); err != nil {
		return fmt.Errorf("upset %s: %w", unit, err)
	}
	failpoint.Hit("container-upset-begun")
	if err := l.upset(ctx, inv); err != nil {
		return fmt.Errorf("upset %s: %s", unit, oneLine(err))
	}
	failpoint.Hit("container-upset-done")
	return nil
}

// Inherit implements [driver.Inheritor]: what is left of the same container says what its limits and
// networks were before any of it. All that is left says the same, as each has inherited.
func (d *Driver) Inherit(fresh []byte, left [][]byte) ([]byte, error) {
	var inv inverse
	if err := json.Unmarshal(fresh, &inv); err != nil {
		return nil, fmt.Errorf("inherit: %w", err)
	}
	for _, text := range left {
		var was inverse
		if err := json.Unmarshal(text, &was); err != nil {
			return nil, fmt.Errorf("inherit: %w", err)
		}
		if was.Container == inv.Container && was.alike(inv) {
			inv.Limits, inv.Networks = was.Limits, was.Networks
			break
		}
	}
	return json.Marshal(inv)
}

// prepare finds out how the container is now, and whether it can be upset.
func (l *link) prepare(ctx context.Context, inv *inverse) error {
	c, err := l.cli.ContainerInspect(ctx, inv.Container)
	if err != nil {
		return errors.New(oneLine(err))
	}
	switch u := inv.Upset; {
	case u.CPU > 0 || u.Memory > 0:
		h := c.HostConfig
		inv.Limits = &limits{h.NanoCPUs, h.CPUPeriod, h.CPUQuota, h.Memory, h.MemorySwap}
	case u.Disconnect:
		if c.HostConfig.NetworkMode.IsHost() {
			return fmt.Errorf("%w: the container has this machine's own network; faults on its edges do the same", driver.ErrCannot)
		}
		for _, n := range c.NetworkSettings.Networks {
			inv.Networks = append(inv.Networks, joined{n.NetworkID, n.Aliases})
		}
	case u.Network != nil:
		if c.HostConfig.NetworkMode.IsHost() {
			return fmt.Errorf("%w: the container has this machine's own network", driver.ErrCannot)
		}
		if err := Netem(ctx); err != nil {
			return fmt.Errorf("%w: %w", driver.ErrCannot, err)
		}
		ns, err := openNetwork("/proc", c.ID, c.State.Pid)
		if err != nil {
			return err
		}
		ns.Close()
	}
	return nil
}

func (l *link) upset(ctx context.Context, inv inverse) error {
	switch u := inv.Upset; {
	case u.Pause:
		err := l.cli.ContainerPause(ctx, inv.Container)
		if err != nil && strings.Contains(err.Error(), "already paused") {
			return nil
		}
		return err
	case u.CPU > 0 && inv.Limits.NanoCPUs > 0:
		return l.limit(ctx, inv.Container, container.Resources{NanoCPUs: int64(u.CPU * 1e9)})
	case u.CPU > 0:
		return l.limit(ctx, inv.Container, container.Resources{CPUPeriod: cpuPeriod, CPUQuota: int64(u.CPU * cpuPeriod)})
	case u.Memory > 0:
		return l.limit(ctx, inv.Container, container.Resources{Memory: u.Memory, MemorySwap: u.Memory})
	case u.Network != nil:
		return l.bad(ctx, inv.Container, u.Network)
	}
	for _, n := range inv.Networks {
		if err := l.cli.NetworkDisconnect(ctx, n.Network, inv.Container, true); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// cpuPeriod is that of the kernel's scheduler, in microseconds, where none is said.
const cpuPeriod = 100_000

// noLimit is more memory than any machine has: the engine takes 0 for "as it was".
const noLimit = 1 << 50

// limit gives a container other limits; those that are 0 stay.
func (l *link) limit(ctx context.Context, id string, to container.Resources) error {
	_, err := l.cli.ContainerUpdate(ctx, id, container.UpdateConfig{Resources: to})
	return err
}

// unlimit gives a container the limits that it had.
func (l *link) unlimit(ctx context.Context, inv inverse) error {
	was := *inv.Limits
	switch {
	case inv.Upset.Memory > 0 && was.Memory > 0:
		return l.limit(ctx, inv.Container, container.Resources{Memory: was.Memory, MemorySwap: was.MemorySwap})
	case inv.Upset.Memory > 0:
		return l.limit(ctx, inv.Container, container.Resources{Memory: noLimit, MemorySwap: noLimit})
	case was.NanoCPUs > 0:
		return l.limit(ctx, inv.Container, container.Resources{NanoCPUs: was.NanoCPUs})
	case was.CPUQuota > 0:
		return l.limit(ctx, inv.Container, container.Resources{CPUPeriod: was.CPUPeriod, CPUQuota: was.CPUQuota})
	}
	return l.limit(ctx, inv.Container, container.Resources{CPUQuota: -1})
}

// Calm implements [driver.Upsetter].
func (d *Driver) Calm(ctx context.Context, text []byte) error {
	var inv inverse
	if err := json.Unmarshal(text, &inv); err != nil {
		return fmt.Errorf("calm: %w", err)
	}
	l, err := d.engine(ctx)
	if err != nil {
		return fmt.Errorf("calm %s: %w", inv.Unit, err)
	}
	c, err := l.cli.ContainerInspect(ctx, inv.Container)
	if errdefs.IsNotFound(err) || err == nil && !c.State.Running {
		return nil
	}
	if err == nil && c.Config.Labels[labelStack] != d.Stack {
		return fmt.Errorf("calm %s: the container is not of this stack", inv.Unit)
	}
	if err == nil {
		err = l.calm(ctx, inv, c)
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("calm %s: %s", inv.Unit, oneLine(err))
	}
	failpoint.Hit("container-upset-calmed")
	return nil
}

func (l *link) calm(ctx context.Context, inv inverse, c container.InspectResponse) error {
	switch u := inv.Upset; {
	case u.Pause:
		if !c.State.Paused {
			return nil
		}
		return l.cli.ContainerUnpause(ctx, inv.Container)
	case inv.Limits != nil:
		return l.unlimit(ctx, inv)
	case u.Network != nil:
		return l.bad(ctx, inv.Container, nil)
	}
	for _, n := range inv.Networks {
		if on(c, n.Network) {
			continue
		}
		if err := l.cli.NetworkConnect(ctx, n.Network, inv.Container, &network.EndpointSettings{Aliases: n.Aliases}); err != nil {
			return err
		}
	}
	return nil
}

// on reports whether a container is on a network.
func on(c container.InspectResponse, id string) bool {
	for _, n := range c.NetworkSettings.Networks {
		if n.NetworkID == id {
			return true
		}
	}
	return false
}
