package compose

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/stack"
)

// mappings returns a mapping and those that it merges.
func mappings(y *yaml.Node) []*yaml.Node {
	for y != nil && y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if y == nil {
		return nil
	}
	if y.Kind == yaml.SequenceNode {
		var out []*yaml.Node
		for _, c := range y.Content {
			out = append(out, mappings(c)...)
		}
		return out
	}
	if y.Kind != yaml.MappingNode {
		return nil
	}
	out := []*yaml.Node{y}
	for i := 0; i+1 < len(y.Content); i += 2 {
		if y.Content[i].Value == "<<" {
			out = append(out, mappings(y.Content[i+1])...)
		}
	}
	return out
}

// page writes lines of YAML.
type page struct{ b strings.Builder }

func (p *page) line(depth int, format string, args ...any) {
	fmt.Fprintf(&p.b, strings.Repeat("  ", depth)+format+"\n", args...)
}

// write makes the text of stack.yaml.
func (im *importer) write() []byte {
	p := &page{}
	p.line(0, "# Made from %s by `msctl import compose`.", filepath.Base(im.shown))
	p.line(0, "version: 1")
	p.line(0, "name: %s", goodName(projectName(im.source)))
	im.writeAll(p, "resources", true, im.writeResource)
	im.writeAll(p, "services", false, im.writeService)
	im.writeProfiles(p)
	return []byte(p.b.String())
}

func (im *importer) writeAll(p *page, section string, resources bool, write func(*page, *unit)) {
	begun := false
	for _, u := range im.units {
		if u.resource() != resources {
			continue
		}
		if !begun {
			p.line(0, "")
			p.line(0, "%s:", section)
		} else if !resources {
			p.line(0, "")
		}
		begun = true
		write(p, u)
	}
}

func (im *importer) writeResource(p *page, u *unit) {
	if u.kind != nil {
		image := ""
		if u.kind.keeps(u.svc.Image) {
			image = ", image: " + stack.Quote(u.svc.Image)
		}
		p.line(1, "%s: {type: %s%s}", stack.Quote(u.name), u.kind.name, image)
		return
	}
	p.line(1, "%s:", stack.Quote(u.name))
	p.line(2, "type: container")
	p.line(2, "image: %s", stack.Quote(u.svc.Image))
	if len(u.svc.Command) > 0 {
		p.line(2, "command: %s", list(u.svc.Command))
	}
	im.writePorts(p, u)
	im.writeEnv(p, u)
	var kept []string
	for _, v := range u.svc.Volumes {
		if v.Type == "volume" {
			kept = append(kept, v.Target)
		}
	}
	p.line(2, "volumes: %s", list(kept))
	im.writeKey(p, "health", im.health(u))
}

func (im *importer) writeKey(p *page, key, text string) {
	if text != "" {
		p.line(2, "%s: %s", key, text)
	}
}

func (im *importer) writeService(p *page, u *unit) {
	p.line(1, "%s:", stack.Quote(u.name))
	if u.path != "" {
		p.line(2, "path: %s", stack.Quote(u.path))
	} else {
		p.line(2, "image: %s", stack.Quote(u.svc.Image))
		u.argv = im.arguments(u)
	}
	if u.dir != "" {
		p.line(2, "dir: %s", stack.Quote(u.dir))
	}
	switch {
	case u.build != "" && u.native == "":
		p.line(2, "build: {dockerfile: %s}", stack.Quote(u.build))
	case u.build != "":
		p.line(2, "build: %s", stack.Quote(u.build))
	}
	im.writeCommand(p, u)
	im.writePorts(p, u)
	im.writeLinks(p, u)
	im.writeEnvFiles(p, u)
	im.writeEnv(p, u)
	im.writeKey(p, "health", im.health(u))
	im.writeLife(p, u)
}

func (im *importer) writeCommand(p *page, u *unit) {
	text := u.shell
	if len(u.argv) == 3 && u.argv[1] == "-c" && strings.HasSuffix(u.argv[0], "sh") {
		text = u.argv[2]
	}
	switch joined := strings.Join(u.argv, " ") + text; {
	case strings.Contains(joined, "${"):
		im.leave(u, "command", "references stand in variables only: %s", joined)
	case text != "" && u.native != "":
		p.line(2, "command: %s", stack.Quote(text))
	case len(u.argv) > 0:
		p.line(2, "command: %s", list(u.argv))
	}
}

func (im *importer) writePorts(p *page, u *unit) {
	var parts []string
	for _, l := range u.ports {
		parts = append(parts, l.name+": "+l.text(u))
	}
	if len(parts) > 0 {
		p.line(2, "listen: {%s}", strings.Join(parts, ", "))
	}
}

// writeLinks writes calls, uses and after; what is called or used need not be waited for again.
func (im *importer) writeLinks(p *page, u *unit) {
	byTo := map[string][]string{}
	var order []string
	for _, c := range u.calls {
		if byTo[c.to] == nil {
			order = append(order, c.to)
		}
		byTo[c.to] = append(byTo[c.to], c.protocol)
	}
	if plain := !slices.ContainsFunc(order, func(to string) bool { return len(byTo[to]) > 1 || !im.mainPort(to, byTo[to][0]) }); plain && len(order) > 0 {
		p.line(2, "calls: %s", list(order))
	} else if len(order) > 0 {
		var parts []string
		for _, to := range order {
			text := byTo[to][0]
			if len(byTo[to]) > 1 {
				text = list(byTo[to])
			}
			parts = append(parts, stack.Quote(to)+": "+text)
		}
		p.line(2, "calls: {%s}", strings.Join(parts, ", "))
	}
	if len(u.uses) > 0 {
		p.line(2, "uses: %s", list(u.uses))
	}
	after := slices.DeleteFunc(slices.Clone(u.after), func(n string) bool { return byTo[n] != nil })
	if len(after) > 0 {
		p.line(2, "after: %s", list(after))
	}
}

// mainPort reports the port that is meant where none is said.
func (im *importer) mainPort(name, listen string) bool {
	for _, u := range im.units {
		if u.name == name {
			return listen == "http" || len(u.ports) == 1
		}
	}
	return false
}

func (im *importer) writeEnvFiles(p *page, u *unit) {
	var files []string
	for _, f := range u.svc.EnvFiles {
		path := f.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(im.dir, path)
		}
		if _, err := readText(path); err != nil {
			im.leave(u, "env_file", "%s cannot be read", im.relative(path))
			continue
		}
		files = append(files, im.relative(path))
	}
	if len(files) > 0 {
		p.line(2, "env_file: %s", list(files))
	}
}

// plainWithReference is a value that needs no quotes in spite of its braces.
var plainWithReference = regexp.MustCompile(`^[A-Za-z$][A-Za-z0-9_./:@=$?&+-]*\$\{[A-Za-z0-9_./:@=$?&+{}-]*[A-Za-z0-9_/}]$|^\$\{[a-z0-9.:A-Z_-]+\}$`)

func (im *importer) writeEnv(p *page, u *unit) {
	if len(u.env) == 0 {
		return
	}
	p.line(2, "env:")
	for _, v := range u.env {
		text := stack.Quote(v.value)
		if plainWithReference.MatchString(v.value) {
			text = v.value
		}
		p.line(3, "%s: %s", stack.Quote(v.name), text)
	}
}
