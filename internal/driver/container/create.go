package container

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/volume"
	mobycontainer "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"

	"msctl.dev/msctl/internal/driver"
)

// logConfig bounds what the engine keeps of one container's output. msctl follows it into its own log; the
// engine's copy bridges the time without a supervisor, and bursts: an engine takes lines in several times
// faster than it hands them out. Docker's "local" format keeps twice as many lines as its "json-file" in
// the same space; Podman knows the second name only.
func logConfig(host string) mobycontainer.LogConfig {
	if strings.Contains(host, "podman") {
		return mobycontainer.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "64m"}}
	}
	return mobycontainer.LogConfig{Type: "local", Config: map[string]string{"max-size": "64m", "max-file": "2", "compress": "false"}}
}

// create makes the container of u and starts it. Its labels are there from the first moment; what a failure
// leaves behind is found by them.
func (d *Driver) create(ctx context.Context, l *link, u driver.Unit, image, spec string) (string, error) {
	if err := d.volumes(ctx, l, u); err != nil {
		return "", err
	}
	req, err := d.request(u, image, spec, logConfig(l.host))
	if err != nil {
		return "", err
	}
	tc, err := l.provider()
	if err != nil {
		return "", fmt.Errorf("use container engine %s: %s", l.host, oneLine(err))
	}
	c, err := tc.CreateContainer(ctx, req)
	if err != nil {
		return "", errors.Join(startError(u, err), terminate(ctx, c))
	}
	if err := c.Start(ctx); err != nil {
		return "", errors.Join(startError(u, err), terminate(ctx, c))
	}
	return c.GetContainerID(), nil
}

// terminate removes a container that did not start, whatever became of ctx.
func terminate(ctx context.Context, c testcontainers.Container) error {
	if c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := c.Terminate(ctx, testcontainers.StopTimeout(0)); err != nil {
		return fmt.Errorf("remove container: %s", oneLine(err))
	}
	return nil
}

// volumes makes the named volumes of u, which keep their stack's label for the sweep. One that exists stays.
func (d *Driver) volumes(ctx context.Context, l *link, u driver.Unit) error {
	for _, m := range u.Mounts {
		if filepath.IsAbs(m.Source) {
			continue
		}
		_, err := l.cli.VolumeCreate(ctx, volume.CreateOptions{
			Name: volumeName(d.Stack, m.Source), Labels: map[string]string{labelStack: d.Stack, labelUnit: u.Name}})
		if err != nil {
			return fmt.Errorf("create volume %s: %s", m.Source, oneLine(err))
		}
	}
	return nil
}

// request describes the container of u. The modifiers run after the library's own defaults, and the last
// hook after those: left alone it publishes every port that the image exposes, on all addresses.
func (d *Driver) request(u driver.Unit, image, spec string, logs mobycontainer.LogConfig) (testcontainers.ContainerRequest, error) {
	ports, exposed, err := bindings(u)
	if err != nil {
		return testcontainers.ContainerRequest{}, err
	}
	var conf *mobycontainer.Config
	var host *mobycontainer.HostConfig
	publish := func(context.Context, testcontainers.ContainerRequest) error {
		conf.ExposedPorts, host.PortBindings = exposed, ports
		return nil
	}
	return testcontainers.ContainerRequest{
		Image:              image,
		Name:               containerName(d.Stack, u.Name),
		Cmd:                u.Argv,
		Labels:             d.labels(u, spec),
		ConfigModifier:     func(c *mobycontainer.Config) { conf = c; configure(c, u) },
		HostConfigModifier: func(h *mobycontainer.HostConfig) { host = h; h.LogConfig = logs; d.configureHost(h, u) },
		LifecycleHooks:     []testcontainers.ContainerLifecycleHooks{{PreCreates: []testcontainers.ContainerRequestHook{publish}}},
	}, nil
}

func configure(c *mobycontainer.Config, u driver.Unit) {
	c.Env = u.Env
	c.User = u.User
	c.WorkingDir = u.Dir
	c.StopSignal = "SIG" + signalOf(u)
	grace := int(math.Ceil(graceOf(u).Seconds()))
	c.StopTimeout = &grace // used by the engine's own shutdown
}

func (d *Driver) configureHost(h *mobycontainer.HostConfig, u driver.Unit) {
	init := true // reaps zombies and passes signals on to what would ignore them as pid 1
	h.Init = &init
	h.NanoCPUs = int64(u.CPU * 1e9)
	h.Memory, h.MemorySwap = u.Memory, u.Memory
	if u.HostNetwork {
		h.NetworkMode = "host"
	}
	for _, dir := range u.Tmpfs {
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[dir] = ""
	}
	for _, m := range u.Mounts {
		h.Mounts = append(h.Mounts, d.mount(m))
	}
}

func (d *Driver) mount(m driver.Mount) mount.Mount {
	if filepath.IsAbs(m.Source) {
		return mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
	}
	return mount.Mount{Type: mount.TypeVolume, Source: volumeName(d.Stack, m.Source), Target: m.Target, ReadOnly: m.ReadOnly}
}

// bindings puts each port of u on the loopback address, and nothing else anywhere.
func bindings(u driver.Unit) (network.PortMap, network.PortSet, error) {
	ports, exposed := network.PortMap{}, network.PortSet{}
	if u.HostNetwork {
		return ports, exposed, nil
	}
	for _, p := range u.Ports {
		if p.Inside < 1 || p.Inside > math.MaxUint16 || p.Host < 1 || p.Host > math.MaxUint16 {
			return nil, nil, fmt.Errorf("publish port %s of %s: %d to %d is not a pair of ports", p.Name, u.Name, p.Host, p.Inside)
		}
		in, _ := network.PortFrom(uint16(p.Inside), network.TCP)
		exposed[in] = struct{}{}
		ports[in] = append(ports[in], network.PortBinding{
			HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(p.Host)})
	}
	return ports, exposed, nil
}

// startError is the engine's reason on one line, in words where it is a common one.
func startError(u driver.Unit, err error) error {
	why := oneLine(err)
	if at := strings.LastIndex(why, "Error response from daemon: "); at >= 0 {
		why = why[at+len("Error response from daemon: "):]
	}
	if strings.Contains(why, "port is already allocated") || strings.Contains(why, "address already in use") {
		if addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(why); addr != "" {
			why = "port " + addr + " is taken by another program"
		}
	}
	return fmt.Errorf("start %s: %s", u.Name, why)
}
