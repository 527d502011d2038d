package container

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/driver"
)

// labelPorts lists the host ports of a unit. The engine knows only those that it publishes itself, not those
// that a container on the host's network opens.
const labelPorts = "msctl.ports"

// OwnsPort reports whether a running container of this stack has the port of this machine: it will be
// adopted, or ended, by the Run of its unit.
func (d *Driver) OwnsPort(ctx context.Context, port int) bool {
	l, err := d.engine(ctx)
	if err != nil {
		return false
	}
	found, err := list(ctx, l.cli, d.Stack)
	if err != nil {
		return false
	}
	for _, c := range found {
		if c.State == "running" && slices.Contains(strings.Split(c.Labels[labelPorts], ","), strconv.Itoa(port)) {
			return true
		}
	}
	return false
}

// hostPorts is the value of the label.
func hostPorts(u driver.Unit) string {
	ports := make([]string, len(u.Ports))
	for i, p := range u.Ports {
		ports[i] = strconv.Itoa(p.Host)
	}
	return strings.Join(ports, ",")
}
