package stack

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// AddService adds a service behind the last one.
func (d *Document) AddService(name string, body ServiceText) error {
	return d.addUnit("services", name, string(body))
}

// AddResource adds a resource behind the last one: "{type: postgres, embedded: sqlite}", or lines of block
// YAML like those of a [ServiceText].
func (d *Document) AddResource(name, line string) error {
	return d.addUnit("resources", name, line)
}

// addUnit adds an entry to services or resources.
func (d *Document) addUnit(section, name, body string) error {
	if !nameRule.MatchString(name) {
		return d.mistake(nameHint, "%s is not a good name", shorten(name))
	}
	for _, in := range []string{"services", "resources"} {
		if k, _ := child(d.section(in), name); k != nil {
			return d.mistake("choose another name", "%q is there already, at %s", name, Pos{d.file, k.Line, k.Column})
		}
	}
	body = strings.Trim(strings.ReplaceAll(body, "\r\n", "\n"), "\n")
	meant, err := readUnit(section, name, body)
	if err != nil {
		return err
	}
	want := func(root *node) {
		units := root.at(section)
		if units == nil || units.empty() {
			units = root.set(section, mapNode())
		}
		units.set(name, meant)
	}
	for _, b := range []unitBody{ // a text over lines may bear neither another indent nor a blank line behind it
		{body, meant, true, true}, {body, meant, false, true}, {body, meant, true, false}, {body, meant, false, false},
	} {
		if err = d.do(d.unitChanges(section, name, b), want); err == nil {
			return nil
		}
	}
	return err
}

// readUnit reads what is to stand below a unit's name. The places in its error are those of the body.
func readUnit(section, name, body string) (*node, error) {
	c := &collector{}
	meant := parse(name, []byte(body), c)
	switch {
	case meant == nil:
	case section == "services":
		serviceValue().read(c, meant)
	default:
		resourceValue().read(c, meant)
	}
	return meant, c.result([]string{name})
}

// unitBody is what stands below a new unit's name.
type unitBody struct {
	text   string
	meant  *node
	widths bool // indent it as the file does, not by two
	spaced bool // put a blank line before it where the others have one
}

func (b unitBody) inline() bool { return strings.HasPrefix(b.text, "{") }

// unitChanges finds where a new unit goes and how it is written there.
func (d *Document) unitChanges(section, name string, body unitBody) []change {
	k, v := child(d.root, section)
	switch {
	case k == nil:
		return d.newSection(section, name, body)
	case v.Kind == yaml.MappingNode && flow(v) && len(v.Content) > 0:
		return d.appendFlow(v, Quote(name)+": "+flowText(body.meant))
	case null(v) || v.Kind == yaml.MappingNode && len(v.Content) == 0:
		return d.firstUnit(k, v, name, body)
	case v.Kind != yaml.MappingNode:
		return nil
	}
	base := v.Content[0].Column - 1
	lines := d.unitLines(v, name, body, base)
	last := d.belongs(d.lineOf(d.end(v)), base)
	fallback := section == "services" && len(lines) > 1
	if body.spaced && d.spaced(v, fallback) {
		lines = append([]string{""}, lines...)
	}
	return []change{d.insertLines(last, lines)}
}

// belongs returns the last of the comment lines directly below line n that are indented by base at least.
func (d *Document) belongs(n, base int) int {
	for n+1 < len(d.lines) {
		next := d.line(n + 1)
		if !strings.HasPrefix(strings.TrimSpace(next), "#") || leading(next) < base {
			break
		}
		n++
	}
	return n
}

// unitLines writes a unit: its name, then its body, on one line where the others are.
func (d *Document) unitLines(m *yaml.Node, name string, body unitBody, base int) []string {
	indent := strings.Repeat(" ", base)
	if short := flowText(body.meant); !body.inline() && d.oneLiners(m) && !strings.Contains(body.text, "#") && len(short) < 100 {
		return []string{indent + Quote(name) + ":" + d.pad(m, Quote(name)) + short}
	}
	if body.inline() {
		lines := strings.Split(body.text, "\n")
		lines[0] = indent + Quote(name) + ":" + d.pad(m, Quote(name)) + lines[0]
		return lines
	}
	below := d.inner(m, base)
	out := []string{indent + Quote(name) + ":"}
	for line := range strings.SplitSeq(body.text, "\n") {
		text := strings.TrimLeft(line, " ")
		in := leading(line)
		if body.widths {
			in = in/2*(below-base) + in%2
		}
		if text != "" {
			text = strings.Repeat(" ", below+in) + text
		}
		out = append(out, text)
	}
	return out
}

// firstUnit fills a section that has nothing in it.
func (d *Document) firstUnit(k, v *yaml.Node, name string, body unitBody) []change {
	base := k.Column - 1 + d.step()
	lines := d.unitLines(nil, name, body, base)
	colon := d.skipSpace(d.end(k))
	last := max(d.lineOf(colon), d.lineOf(d.end(v)))
	out := []change{d.insertLines(last, lines)}
	if from, to := d.start(v), d.end(v); to > from { // {} or ~
		for from > 0 && d.text[from-1] == ' ' {
			from--
		}
		out = append(out, change{from, to, ""})
	}
	return out
}

// newSection adds the section itself: resources before the services, services at the end.
func (d *Document) newSection(section, name string, body unitBody) []change {
	if flow(d.root) {
		return d.appendFlow(d.root, section+": {"+Quote(name)+": "+flowText(body.meant)+"}")
	}
	base := d.root.Content[0].Column - 1
	lines := append([]string{strings.Repeat(" ", base) + section + ":"}, d.unitLines(nil, name, body, base+d.step())...)
	if next, _ := child(d.root, "services"); section == "resources" && next != nil && next != d.root.Content[0] {
		at := d.lines[d.remarks(next.Line-1, 0)]
		if d.spaced(d.root, false) {
			lines = append(lines, "")
		}
		return []change{{at, at, strings.Join(append(lines, ""), d.eol())}}
	}
	last := d.belongs(d.lineOf(d.end(d.root)), base+1)
	if d.spaced(d.root, false) {
		lines = append([]string{""}, lines...)
	}
	return []change{d.insertLines(last, lines)}
}

// AddToProfile adds a service to a profile.
func (d *Document) AddToProfile(profile, service string) error {
	_, v := child(d.section("profiles"), profile)
	if v == nil {
		return d.mistake("", "there is no profile %q", profile)
	}
	if v.Kind != yaml.SequenceNode {
		return d.cannot(v, "profile "+profile+" is not a list")
	}
	if listed(v, service) != nil {
		return d.mistake("", "profile %q names %q already", profile, service)
	}
	return d.do(d.appendItem(v, d.like(lastOf(v), service)), func(root *node) {
		list := root.at("profiles").at(profile)
		list.values = append(list.values, strNode(service))
	})
}

// listed returns the item of a list of names, or nil.
func listed(y *yaml.Node, name string) *yaml.Node {
	i := slices.IndexFunc(y.Content, func(c *yaml.Node) bool { return c.Kind == yaml.ScalarNode && c.Value == name })
	if i < 0 {
		return nil
	}
	return y.Content[i]
}

// lastOf returns the last item of a list, the last key of a mapping, or nil.
func lastOf(y *yaml.Node) *yaml.Node {
	switch n := len(y.Content); {
	case n == 0:
		return nil
	case y.Kind == yaml.MappingNode:
		return y.Content[n-2]
	default:
		return y.Content[n-1]
	}
}

// service returns what the file says of a service that can be edited there.
func (d *Document) service(name string) (*yaml.Node, error) {
	k, v := child(d.section("services"), name)
	switch {
	case k == nil:
		return nil, d.mistake("", "there is no service %q in %s", name, d.file)
	case v.Kind == yaml.AliasNode:
		return nil, d.cannot(v, "service "+name+" is an alias")
	case v.Kind != yaml.MappingNode:
		return nil, d.cannot(v, "service "+name+" is not a mapping")
	}
	return v, nil
}

// AddUse lets a service use a resource.
func (d *Document) AddUse(service, resource string) error {
	from, err := d.service(service)
	if err != nil {
		return err
	}
	if resource == "" || !nameRule.MatchString(resource) {
		return d.mistake(nameHint, "%s is not a good name", shorten(resource))
	}
	uses, err := d.meaning(service, "uses")
	if err != nil {
		return err
	}
	if uses != nil && uses.has(resource) {
		return d.mistake("", "service %q uses %q already", service, resource)
	}
	return d.extend(from, linking{service: service, key: "uses", name: resource,
		behind: []string{"path", "command", "image", "build", "dir", "run", "requires", "optional", "listen", "calls", "weights"}})
}
