package stack

import (
	"fmt"
	"slices"
)

// Profile returns the profile of that name, or false.
func (s *Stack) Profile(name string) (Profile, bool) {
	i := slices.IndexFunc(s.Profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return s.Profiles[i], true
}

// Select returns a stack with the named services and resources, those of the profile, and all that
// these need; with noDeps without what they need. Nothing named and no profile is everything. s is not
// changed, but shares its services and resources with the result.
func (s *Stack) Select(services []string, profile string, noDeps bool) (*Stack, error) {
	wanted := slices.Clone(services)
	if profile != "" {
		p, ok := s.Profile(profile)
		if !ok {
			return nil, s.unknownChoice("profile", profile, s.profileNames())
		}
		wanted = append(wanted, p.Services...)
	}
	x := s.index()
	for _, name := range wanted {
		if !x.has(name) {
			return nil, s.unknownChoice("service", name, s.names())
		}
	}
	if len(services) == 0 && profile == "" {
		wanted = s.names()
	}
	return s.only(s.closure(wanted, noDeps)), nil
}

// unknownChoice is an error about a name that was typed, so it has no place in a file.
func (s *Stack) unknownChoice(what, name string, known []string) error {
	err := &Error{Pos: Pos{File: FileName}, Msg: fmt.Sprintf("there is no %s %q", what, name), Hint: suggest(name, known)}
	if len(s.Files) > 0 {
		err.Pos.File = relative(s.Dir, s.Files[0])
	}
	return err
}

func (s *Stack) profileNames() []string {
	var out []string
	for _, p := range s.Profiles {
		out = append(out, p.Name)
	}
	return out
}

// closure returns the names and, unless noDeps, all that they need.
func (s *Stack) closure(names []string, noDeps bool) map[string]bool {
	in := map[string]bool{}
	needs := s.needs()
	for queue := names; len(queue) > 0; queue = queue[1:] {
		if name := queue[0]; !in[name] {
			in[name] = true
			if !noDeps {
				queue = append(slices.Clip(queue), needs[name]...)
			}
		}
	}
	return in
}

func (s *Stack) only(in map[string]bool) *Stack {
	out := *s
	out.Services = slices.DeleteFunc(slices.Clone(s.Services), func(v *Service) bool { return !in[v.Name] })
	out.Resources = slices.DeleteFunc(slices.Clone(s.Resources), func(r *Resource) bool { return !in[r.Name] })
	out.Edges = slices.DeleteFunc(slices.Clone(s.Edges), func(e Edge) bool { return !in[e.From] || !in[e.To] })
	return &out
}
