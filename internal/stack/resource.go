package stack

import "slices"

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
