package stack

import (
	"path/filepath"
	"regexp"
)

// LoadOptions says where the stack is.
type LoadOptions struct {
	Files  []string            // in the order in which they are merged; empty: found upward from Dir
	Dir    string              // "" is the working folder
	Getenv func(string) string // nil: no environment
	Kinds  []string            // resource types that exist; empty accepts any
	Texts  map[string][]byte   // what is read in place of a file, by its absolute path
}

// Load reads, merges and checks a stack. Its error is [Errors], every mistake at once in file order, or
// says why a file cannot be read.
func Load(opts LoadOptions) (*Stack, error) {
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	files, err := locate(opts)
	if err != nil {
		return nil, err
	}
	c := &collector{}
	root, err := readAll(files, opts.Texts, c)
	if err != nil {
		return nil, err
	}
	names := shown(files)
	if err := c.result(names); err != nil {
		return nil, err
	}
	l := &loader{collector: c, opts: opts, files: files, languages: map[string]Language{}}
	st := l.load(root)
	if err := c.result(names); err != nil {
		return nil, err
	}
	inFileOrder(c.warnings, names)
	st.Warnings = c.warnings
	return st, nil
}

// readAll parses each file and merges them in order.
func readAll(files []file, texts map[string][]byte, c *collector) (*node, error) {
	var root *node
	for _, f := range files {
		text, instead := texts[f.path]
		if !instead {
			var err error
			if text, err = readFile(f.path, maxBytes+1); err != nil {
				return nil, err
			}
		}
		n := parse(f.shown, text, c)
		if n == nil {
			continue
		}
		root = merge(root, n)
	}
	return root, nil
}

// extension keys of the top level hold anchors for the rest of the file.
var extension = regexp.MustCompile(`^x-`)

// loader turns the merged nodes into a checked stack.
type loader struct {
	*collector
	opts      LoadOptions
	files     []file
	written   map[string]*node // "services.orders": where keys are looked for again
	st        *Stack
	index     index
	languages map[string]Language // what folders hold
}

func (l *loader) load(root *node) *Stack {
	l.st = &Stack{Dir: filepath.Dir(l.files[0].path)}
	for _, f := range l.files {
		l.st.Files = append(l.st.Files, f.path)
	}
	if !isMapping(root) {
		wrong(l.collector, root, "a mapping that begins with `version: 1`")
		return l.st
	}
	l.remember(root, "services", "resources")
	d, _ := objectFrom(func(Pos) draft { return draft{mesh: true} }, stackTable()).read(l.collector, root.plain())
	if !l.version(root, d) {
		return l.st
	}
	if l.st.Name = d.name; d.name == "" {
		l.st.Name = nameFrom(l.st.Dir)
	}
	l.st.NoMesh, l.st.Telemetry = !d.mesh, d.telemetry
	l.resources(d.resources)
	l.services(d.services)
	l.profiles(d.profiles)
	l.check()
	return l.st
}

// remember keeps where each service and resource is written.
func (l *loader) remember(root *node, sections ...string) {
	l.written = map[string]*node{}
	for _, s := range sections {
		if section := root.at(s); section != nil {
			for i, k := range section.keys {
				l.written[s+"."+k.text] = section.values[i]
			}
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

// plain leaves the extension keys away.
func (n *node) plain() *node {
	out := &node{kind: n.kind, pos: n.pos}
	for i, k := range n.keys {
		if !extension.MatchString(k.text) {
			out.keys, out.values = append(out.keys, k), append(out.values, n.values[i])
		}
	}
	return out
}

func (l *loader) version(root *node, d draft) bool {
	switch at := root.at("version"); {
	case at == nil:
		l.fail(root.pos, "add `version: 1` as the first line", "key \"version\" is missing")
	case d.version > 1:
		l.fail(at.pos, "use a newer msctl, or write 1", "version %d is newer than this msctl knows", d.version)
		return false
	}
	return true
}

// at returns the value of a key, or nil.
func (n *node) at(key string) *node {
	for i, k := range n.keys {
		if k.text == key {
			return n.values[i]
		}
	}
	return nil
}
