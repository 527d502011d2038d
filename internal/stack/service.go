package stack

import (
	"os"
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
	}
	for _, e := range es {
		l.calls(e.Value)
		l.uses(e.Value)
		l.after(e.Value)
		l.probe(&e.Value.Service)
	}
}

// source finds out what a service is made of.
func (l *loader) source(d *serviceDraft) {
	s := &d.Service
	ok := true
	if s.Path != "" {
		s.Source, ok = l.folder(l.keyPos(s, "path"), "path", s.Path)
	}
	workDir := l.st.Dir
	if s.Source != "" {
		workDir = s.Source
	}
	if s.Dir != "" {
		workDir, _ = l.folder(l.keyPos(s, "dir"), "dir", s.Dir)
	}
	s.Dir = workDir
	if ok {
		s.Language = l.language(s)
		l.run(s, d.run)
	}
}

func (l *loader) language(s *Service) Language {
	switch {
	case s.Image != "" && s.Build != nil:
		l.fail(s.Build.Pos, "take one of them away", "service %q has an image and a build", s.Name)
		return Image
	case s.Image != "":
		return Image
	case s.Build != nil && s.Build.Dockerfile != "":
		return Dockerfile
	case len(s.Command) > 0:
		return Command
	case s.Path == "" && l.brokenUnit("services", s.Name):
		return ""
	case s.Path == "":
		l.fail(s.Pos, "add path, command or image", "service %q does not say what runs", s.Name)
		return ""
	}
	lang, hint := l.detect(s.Source)
	if lang == "" {
		l.fail(l.keyPos(s, "path"), hint, "service %q: no known language in %s", s.Name, s.Path)
	}
	return lang
}

// detect remembers what each folder holds, since many services may share one.
func (l *loader) detect(dir string) (Language, string) {
	if lang, known := l.languages[dir]; known {
		return lang, ""
	}
	lang, hint := detect(dir)
	if lang != "" {
		l.languages[dir] = lang
	}
	return lang, hint
}

// run settles where a service runs and which Dockerfile its image is made from.
func (l *loader) run(s *Service, said string) {
	engine := s.Language == Image || s.Language == Dockerfile
	s.Run = said
	if said == "" {
		s.Run = map[bool]string{true: "container", false: "process"}[engine]
	}
	if said == "process" && engine {
		l.fail(l.keyPos(s, "run"), "leave run away, or say command", "service %q is an image and cannot run as a process", s.Name)
	}
	if s.Run == "container" {
		l.image(s)
	} else {
		l.outsidePorts(s)
	}
}

// image finds what the image of a service is made from.
func (l *loader) image(s *Service) {
	if s.Language == Image {
		return
	}
	if s.Build == nil {
		s.Build = &Build{Pos: s.Pos}
	}
	file := s.Build.Dockerfile
	if file == "" && s.Source != "" && exists(filepath.Join(s.Source, "Dockerfile")) {
		file = "Dockerfile"
	}
	s.Build.Dockerfile = file
	switch {
	case file == "" && s.Language != Go:
		l.fail(l.keyPos(s, "run"), "add a Dockerfile, or say image", "service %q has nothing to make an image from", s.Name)
	case file != "" && s.Source == "":
		l.fail(s.Build.Pos, "add path, the folder of the Dockerfile", "service %q has no path", s.Name)
	case file != "" && !exists(filepath.Join(s.Source, file)):
		l.fail(s.Build.Pos, "", "service %q: there is no %s in %s", s.Name, shorten(file), s.Path)
	}
}

// outsidePorts refuses a port inside a container where there is none.
func (l *loader) outsidePorts(s *Service) {
	for _, p := range s.Listen {
		if p.Inside != 0 {
			l.fail(p.Pos, "write one port", "service %q does not run in a container, so its port %q has no inside", s.Name, p.Name)
		}
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
			s.Uses = l.once(s.Uses, u, "service %q uses %q twice", s.Name)
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

// probe checks the health of a service against its ports.
func (l *loader) probe(s *Service) {
	if s.Health == nil {
		return
	}
	l.oneProbe(s.Health)
	l.probePorts(s.Health, s.Listen, "service "+shorten(s.Name))
}

// oneProbe checks that one way is chosen and fills the times in.
func (l *loader) oneProbe(p *Probe) {
	chosen := 0
	for _, set := range []bool{p.HTTP != "", p.TCP != "", p.GRPC != "", p.Log != "", len(p.Exec) > 0} {
		if set {
			chosen++
		}
	}
	if chosen != 1 && !l.broken[p.Pos] {
		l.fail(p.Pos, "", "health needs exactly one of http, tcp, grpc, log, exec")
	}
	p.Timeout = or(p.Timeout, defaultTimeout)
	p.Deadline = or(p.Deadline, defaultDeadline)
	p.Interval = or(p.Interval, defaultInterval)
	p.Failures = or(p.Failures, defaultFailures)
}

func (l *loader) probePorts(p *Probe, ls []Listen, owner string) {
	want := or(p.Port, p.TCP)
	switch {
	case l.broken[p.Pos]:
		return
	case p.Port != "" && p.HTTP == "" && p.GRPC == "":
		l.fail(p.Pos, "", "health has a port, which only http and grpc use")
		return
	case want == "" && p.HTTP != "":
		want = or(mainOf(ls, "http"), "http")
	case want == "" && p.GRPC != "":
		want = or(mainOf(ls, "grpc"), "grpc")
	case want == "":
		return
	}
	if !hasListen(ls, want) {
		l.unknown(p.Pos, want, listenNames(ls), "health: %s does not listen on %q", owner, want)
		return
	}
	if p.TCP == "" {
		p.Port = want
	}
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

// resources checks each backing server.
func (l *loader) resources(es []entry[*Resource]) {
	l.index.resources = map[string]*Resource{}
	for _, e := range es {
		r := e.Value
		r.Name, r.Pos = e.Name, e.Pos
		l.st.Resources = append(l.st.Resources, r)
		l.index.resources[r.Name] = r
		l.kind(r)
	}
}

func (l *loader) kind(r *Resource) {
	if r.Type == "" {
		if !l.brokenUnit("resources", r.Name) {
			l.fail(r.Pos, "add type", "resource %q has no type", r.Name)
		}
		return
	}
	if kinds := l.opts.Kinds; len(kinds) > 0 && !slices.Contains(kinds, r.Type) {
		l.unknown(l.resourcePos(r, "type"), r.Type, kinds, "resource %q has unknown type %s", r.Name, shorten(r.Type))
		return
	}
	if r.Health != nil {
		l.oneProbe(r.Health)
		l.probePorts(r.Health, r.Listen, "resource "+shorten(r.Name))
	}
	if r.Type == ContainerKind {
		if r.Image == "" {
			l.fail(r.Pos, "add image", "resource %q of type container has no image", r.Name)
		}
		if r.Embedded != "" || r.Runtime != "" && r.Runtime != "container" {
			l.fail(r.Pos, "take embedded and runtime away", "resource %q of type container can only be a container", r.Name)
		}
		return
	}
	for _, k := range []string{"command", "listen", "env", "volumes", "health"} {
		if at := l.find("resources", r.Name, k); at != nil && !at.empty() {
			l.fail(at.pos, "its type knows better, or choose type container", "resource %q: key %q is for type container", r.Name, k)
		}
	}
}

// find returns the value of a key of a service or resource, or nil.
func (l *loader) find(section, name, key string) *node {
	if n := l.written[section+"."+name]; n != nil {
		return n.at(key)
	}
	return nil
}

// brokenUnit reports that a service or resource has a mistake inside.
func (l *loader) brokenUnit(section, name string) bool {
	n := l.written[section+"."+name]
	return n != nil && l.broken[n.pos]
}

// keyPos returns where a key of a service has its value, or else the service.
func (l *loader) keyPos(s *Service, key string) Pos {
	if n := l.find("services", s.Name, key); n != nil {
		return n.pos
	}
	return s.Pos
}

func (l *loader) resourcePos(r *Resource, key string) Pos {
	if n := l.find("resources", r.Name, key); n != nil {
		return n.pos
	}
	return r.Pos
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
