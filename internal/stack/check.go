package stack

import (
	"slices"
	"strconv"
	"strings"
)

// check looks at what only the whole file can tell: names, ports, references and cycles.
func (l *loader) check() {
	l.doubles()
	l.replicas()
	l.ports()
	l.commands()
	for _, s := range l.st.Services {
		l.variables(s.Name, s, s.Env)
	}
	for _, r := range l.st.Resources {
		l.variables(r.Name, nil, r.Env)
	}
	if len(l.errs) > 0 {
		return // cycles are found among names that exist
	}
	l.st.Edges = l.st.edges()
	for _, cycle := range l.st.cycles() {
		l.cycle(cycle)
	}
}

// doubles finds names that a service and a resource share: references and `msctl` commands name both.
func (l *loader) doubles() {
	resources := map[string]*Resource{}
	for _, r := range l.st.Resources {
		resources[r.Name] = r
		if r.Name == Self {
			l.fail(r.Pos, "", "the name %q is taken: ${self.…} is the service itself", Self)
		}
	}
	for _, s := range l.st.Services {
		if r := resources[s.Name]; r != nil {
			l.fail(s.Pos, "give one of them another name", "service %q has the name of a resource at %s", s.Name, r.Pos)
		}
		if s.Name == Self {
			l.fail(s.Pos, "", "the name %q is taken: ${self.…} is the service itself", Self)
		}
	}
}

// replicas finds services with the name of another one's replica: the second of orders is orders-2.
func (l *loader) replicas() {
	for _, s := range l.st.Services {
		for i := 2; i <= s.Replicas; i++ {
			if o := l.index.services[s.Name+"-"+strconv.Itoa(i)]; o != nil {
				l.fail(o.Pos, "give it another name", "service %q has the name of a replica of %q", o.Name, s.Name)
			}
		}
	}
}

// ports finds fixed ports that two listeners want.
func (l *loader) ports() {
	taken := map[int]string{}
	take := func(port int, pos Pos, who string) {
		if port == 0 {
			return
		}
		if by := taken[port]; by != "" {
			l.fail(pos, "write auto for a free one", "port %d of %s is taken by %s", port, who, by)
		}
		taken[port] = who
	}
	for _, s := range l.st.Services {
		for _, p := range s.Listen {
			take(p.Port, p.Pos, s.Name+"."+p.Name)
			if s.Ingress(p) && p.Inside != p.Port {
				take(max(p.Inside, 0), p.Pos, s.Name+"."+p.Name)
			}
		}
	}
	take(l.st.Telemetry.HTTP, l.st.Telemetry.Pos, "telemetry.otlp-http")
	take(l.st.Telemetry.GRPC, l.st.Telemetry.Pos, "telemetry.otlp-grpc")
}

// The names of services, of resources and of both, for suggestions; never more than are looked at.
func (l *loader) serviceNames() []string {
	return few(l.st.Services, func(s *Service) string { return s.Name })
}
func (l *loader) resourceNames() []string {
	return few(l.st.Resources, func(r *Resource) string { return r.Name })
}
func (l *loader) known() []string { return append(l.serviceNames(), l.resourceNames()...) }

func few[T any](all []T, name func(T) string) []string {
	var out []string
	for _, v := range all[:min(len(all), maxCandidates)] {
		out = append(out, name(v))
	}
	return out
}

// unknown reports a name that is none, with the nearest one.
func (l *loader) unknown(pos Pos, name string, known []string, format string, args ...any) {
	if l.full() {
		l.more++
		return
	}
	hint := suggest(name, known)
	if hint == "" && len(known) > 0 && len(known) <= 20 {
		hint = "known: " + strings.Join(known, ", ")
	}
	l.fail(pos, hint, format, args...)
}

// variables checks each reference of a service's or (self nil) a resource's environment.
func (l *loader) variables(owner string, self *Service, vars []Var) {
	for _, v := range vars {
		refs, err := v.Refs()
		if err != nil {
			l.add(err.(*Error))
		}
		for _, r := range refs {
			if r.Scheme == "" {
				l.reference(owner, self, v, r)
			}
		}
	}
}

func (l *loader) reference(owner string, self *Service, v Var, r Ref) {
	name := r.Name
	if name == Self {
		name = owner
	}
	if res := l.index.resources[name]; res != nil {
		l.resourceRef(res, v, r)
		return
	}
	target := l.index.services[name]
	switch {
	case target == nil:
		l.unknown(v.Pos, r.Name, append([]string{Self}, l.known()...), "variable %s refers to unknown %s", v.Name, r)
	case self == nil:
		l.fail(v.Pos, "a resource may refer to other resources", "variable %s of a resource refers to the service %s", v.Name, r)
	default:
		l.serviceRef(target, v, r)
	}
}

var (
	serviceParts  = []string{"url", "addr", "host", "port"}
	resourceParts = []string{"url", "addr", "host", "port", "user", "password", "database"}
)

func (l *loader) resourceRef(res *Resource, v Var, r Ref) {
	last := r.Parts[len(r.Parts)-1]
	parts := resourceParts
	if len(r.Parts) == 2 {
		parts = serviceParts
		if res.Type == ContainerKind && !hasListen(res.Listen, r.Parts[0]) {
			l.unknown(v.Pos, r.Parts[0], listenNames(res.Listen), "variable %s: resource %q does not listen on %q", v.Name, res.Name, r.Parts[0])
		}
	}
	if !slices.Contains(parts, last) {
		l.unknown(v.Pos, last, parts, "variable %s: a resource has no %q in %s", v.Name, last, r)
	}
}

func (l *loader) serviceRef(s *Service, v Var, r Ref) {
	last := r.Parts[len(r.Parts)-1]
	if len(r.Parts) == 2 && !hasListen(s.Listen, r.Parts[0]) {
		l.unknown(v.Pos, r.Parts[0], listenNames(s.Listen), "variable %s: service %q does not listen on %q", v.Name, s.Name, r.Parts[0])
		return
	}
	if !slices.Contains(serviceParts, last) {
		l.unknown(v.Pos, last, append(slices.Clone(serviceParts), listenNames(s.Listen)...), "variable %s: a service has no %q in %s", v.Name, last, r)
		return
	}
	if len(r.Parts) == 1 && s.main() == "" && last != "host" {
		l.fail(v.Pos, mainHint(s), "variable %s: %s does not say which port of %q", v.Name, r, s.Name)
	}
}

// main returns the listen name that is meant when none is said: http, or the only one; or "".
func (s *Service) main() string { return mainOf(s.Listen, "http") }

func mainOf(ls []Listen, first string) string {
	if hasListen(ls, first) {
		return first
	}
	if len(ls) == 1 {
		return ls[0].Name
	}
	return ""
}

func mainHint(s *Service) string {
	if len(s.Listen) == 0 {
		return "give " + s.Name + " a port: listen: {http: auto}"
	}
	return "say which: " + strings.Join(listenNames(s.Listen), ", ")
}

func hasListen(ls []Listen, name string) bool {
	return slices.ContainsFunc(ls, func(l Listen) bool { return l.Name == name })
}

func listenNames(ls []Listen) []string {
	var out []string
	for _, l := range ls {
		out = append(out, l.Name)
	}
	return out
}
