package fleet

import (
	"slices"

	"msctl.dev/msctl/internal/state"
)

// withServers returns units and each server all of whose resources are among them: who stops the only
// resource of a server means the server. One that others use too goes on.
func (f *Fleet) withServers(units []*unit) []*unit {
	users := f.users(f.all())
	out := slices.Clone(units)
	for _, u := range units {
		st := u.plan()
		if st.Sort != state.Resource || st.server == nil {
			continue
		}
		server := f.unit(st.server.Name)
		if server == nil || slices.Contains(out, server) {
			continue
		}
		others := func(user *unit) bool { return !slices.Contains(units, user) }
		if !slices.ContainsFunc(users[st.server.Name], others) {
			out = append(out, server)
		}
	}
	return out
}
