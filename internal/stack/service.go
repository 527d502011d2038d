package stack

import (
	"path/filepath"
	"slices"
	"time"
)

// ContainerKind is the resource type for any image.
const ContainerKind = "container"

// index finds by name what is being loaded.
type index struct {
	services  map[string]*Service
	resources map[string]*Resource
}

// What a key that is not there means.
const (
	defaultGrace    = 10 * time.Second
	defaultDelay    = 500 * time.Millisecond
	defaultTimeout  = time.Second
	defaultDeadline = time.Minute
	defaultInterval = 5 * time.Second
	defaultFailures = 3
	defaultSignal   = "TERM"
	defaultAction   = "restart"
)

// defaultPolicy is on-failure for what should run on, and never for a job: what failed is to be seen.
func defaultPolicy(job bool) string {
	if job {
		return "never"
	}
	return "on-failure"
}

// services fills defaults in and resolves names, in two passes: all services, then their calls.
func (l *loader) services(es []entry[*serviceDraft]) {
	l.index.services = map[string]*Service{}
	for _, e := range es {
		e.Value.Service.Name, e.Value.Service.Pos = e.Name, e.Pos
		l.index.services[e.Name] = &e.Value.Service
		l.st.Services = append(l.st.Services, &e.Value.Service)
	}
	if n := len(es) + len(l.st.Resources); n > maxUnits {
		l.fail(es[0].Pos, "", "the stack has %d services and resources, more than %d", n, maxUnits)
		return
	}
	for _, e := range es {
		l.source(e.Value)
		l.defaults(e.Value)
		l.envFiles(e.Value)
		l.events(e.Value)
	}
	l.unheard(es)
	for _, e := range es {
		l.calls(e.Value)
		l.uses(e.Value)
		l.after(e.Value)
		l.weights(&e.Value.Service)
		l.probe(&e.Value.Service)
	}
}

func (l *loader) defaults(d *serviceDraft) {
	s := &d.Service
	if len(s.Listen) > maxListens {
		l.fail(l.keyPos(s, "listen"), "", "service %q listens on more than %d ports", s.Name, maxListens)
		s.Listen = s.Listen[:maxListens]
	}
	s.Replicas = max(s.Replicas, 1)
	if s.Job && s.Replicas > 1 {
		l.fail(l.keyPos(s, "replicas"), "take one of them away", "service %q is a job and has replicas", s.Name)
	}
	if s.Restart.Policy == "" {
		s.Restart.Policy = defaultPolicy(s.Job)
	}
	s.Restart.Delay = or(s.Restart.Delay, defaultDelay)
	s.Stop.Signal = or(s.Stop.Signal, defaultSignal)
	s.Stop.Grace = or(s.Stop.Grace, defaultGrace)
	s.Watch.Action = or(s.Watch.Action, defaultAction)
	for _, p := range s.Watch.Ignore {
		if _, err := filepath.Match(p, ""); err != nil {
			l.fail(l.keyPos(s, "watch"), "", "%s is not a glob pattern", shorten(p))
		}
	}
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// calls resolves each call to a listen name of the callee.
func (l *loader) calls(d *serviceDraft) {
	s := &d.Service
	for _, c := range d.calls {
		to := l.index.services[c.To]
		switch {
		case l.index.resources[c.To] != nil:
			l.fail(c.Pos, "put it under uses", "service %q calls %q, which is a resource", s.Name, c.To)
			continue
		case to == nil:
			l.unknown(c.Pos, c.To, l.serviceNames(), "service %q calls unknown %s", s.Name, shorten(c.To))
			continue
		case c.Protocol == "" && to.main() == "":
			l.fail(c.Pos, mainHint(to), "service %q calls %q, which has no port http", s.Name, c.To)
			continue
		case c.Protocol != "" && !hasListen(to.Listen, c.Protocol):
			l.unknown(c.Pos, c.Protocol, listenNames(to.Listen), "service %q calls %q on %s, where it does not listen", s.Name, c.To, shorten(c.Protocol))
			continue
		}
		c.Protocol = or(c.Protocol, to.main())
		if slices.ContainsFunc(s.Calls, func(o Call) bool { return o.To == c.To && o.Protocol == c.Protocol }) {
			l.fail(c.Pos, "", "service %q calls %q twice", s.Name, c.To)
			continue
		}
		s.Calls = append(s.Calls, c)
	}
}

func (l *loader) uses(d *serviceDraft) {
	s := &d.Service
	for _, u := range d.uses {
		switch {
		case l.index.services[u.Name] != nil && l.index.resources[u.Name] == nil:
			l.fail(u.Pos, "put it under calls", "service %q uses %q, which is a service", s.Name, u.Name)
		case l.index.resources[u.Name] == nil:
			l.unknown(u.Pos, u.Name, l.resourceNames(), "service %q uses unknown %s", s.Name, shorten(u.Name))
		default:
			s.Uses = l.once(s.Uses, u.spot, "service %q uses %q twice", s.Name)
			if u.direct {
				s.Direct = append(s.Direct, u.Name)
			}
		}
	}
}

func (l *loader) after(d *serviceDraft) {
	s := &d.Service
	for _, a := range d.after {
		if l.index.services[a.Name] == nil && l.index.resources[a.Name] == nil {
			l.unknown(a.Pos, a.Name, l.known(), "service %q starts after unknown %s", s.Name, shorten(a.Name))
			continue
		}
		s.After = l.once(s.After, a, "service %q starts after %q twice", s.Name)
	}
}

// once appends a name, or reports that it is there already.
func (l *loader) once(names []string, n spot, format, owner string) []string {
	if slices.Contains(names, n.Name) {
		l.fail(n.Pos, "", format, owner, n.Name)
		return names
	}
	return append(names, n.Name)
}

// profiles checks that their services exist.
func (l *loader) profiles(es []entry[[]spot]) {
	for _, e := range es {
		p := Profile{Name: e.Name, Pos: e.Pos}
		for _, s := range e.Value {
			if l.index.services[s.Name] == nil {
				l.unknown(s.Pos, s.Name, l.serviceNames(), "profile %q names unknown service %s", e.Name, shorten(s.Name))
				continue
			}
			p.Services = l.once(p.Services, s, "profile %q names %q twice", e.Name)
		}
		l.st.Profiles = append(l.st.Profiles, p)
	}
}
