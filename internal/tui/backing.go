package tui

import (
	"net/url"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
)

// A server and the resources on it are units of their own; what they share is the address.

// hostOf is the host and port of a unit's address, or "".
func hostOf(u state.Unit) string {
	at, err := url.Parse(u.URL)
	if err != nil {
		return ""
	}
	return at.Host
}

// serves reports a server that has a resource on it.
func serves(server, resource state.Unit) bool {
	host := hostOf(resource)
	if server.Sort != state.Server || resource.Sort != state.Resource || host == "" {
		return false
	}
	return host == hostOf(server) || slices.ContainsFunc(server.Ports, func(p state.Port) bool { return p.Addr == host })
}

// logsOf shows what a unit prints; for a resource that is its server.
func (m *model) logsOf(u state.Unit) tea.Cmd {
	if u.Sort != state.Resource {
		return m.push(newLogs(u.Name))
	}
	for _, s := range m.snap.Units {
		if serves(s, u) {
			return m.push(newLogs(s.Name))
		}
	}
	m.complain(u.Name + " is no process: nothing prints")
	return nil
}

// tracesOf shows the requests that a service took or made, or all that was asked of a resource or of those
// on a server.
func (m *model) tracesOf(u state.Unit) tea.Cmd {
	names := []string{u.Service}
	switch u.Sort {
	case state.Service, state.Job:
		return m.push(newTraces("service="+u.Service, false))
	case state.Server:
		for _, r := range m.snap.Units {
			if serves(u, r) {
				names = append(names, r.Service)
			}
		}
	}
	list := newTraces("edge~:"+strings.Join(names, "$ OR edge~:")+"$", true)
	list.named = u.Name
	return m.push(list)
}
