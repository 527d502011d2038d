package cli

import (
	"net/url"

	"msctl.dev/msctl/internal/state"
)

// named returns the units that a name stands for; a resource brings the server that it lives on.
func named(snap state.Snapshot, name string) []state.Unit {
	units := pick(snap.Units, []string{name})
	for _, u := range units {
		if server, ok := serverOf(snap, u); ok {
			units = append(units, server)
		}
	}
	return units
}

// serverOf returns the server that answers at a resource's address.
func serverOf(snap state.Snapshot, u state.Unit) (state.Unit, bool) {
	at, err := url.Parse(u.URL)
	if u.Sort != state.Resource || err != nil || at.Host == "" {
		return state.Unit{}, false
	}
	for _, s := range snap.Units {
		if s.Sort != state.Server {
			continue
		}
		for _, p := range s.Ports {
			if p.Addr == at.Host {
				return s, true
			}
		}
	}
	return state.Unit{}, false
}

// contained returns the first of units that runs in a container.
func contained(units []state.Unit) (state.Unit, bool) {
	for _, u := range units {
		if u.Container != "" {
			return u, true
		}
	}
	return state.Unit{}, false
}
