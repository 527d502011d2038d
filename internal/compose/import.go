package compose

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"msctl.dev/msctl/internal/stack"
)

// ImportOptions says what is read and where it will stand.
type ImportOptions struct {
	File   string                      // absolute path of the compose file
	Shown  string                      // what the user calls it; "" is File
	Dir    string                      // absolute folder of the stack.yaml to be; "" is the file's own
	Lookup func(string) (string, bool) // the shell's variables; nil has none
}

// Imported is what a compose file comes to.
type Imported struct {
	Text    []byte            // of stack.yaml
	Left    []Left            // what could not be carried over, in the order of the file
	Secrets map[string]string // from .env, for .msctl/secrets.env: the text refers to them
}

// Left is one thing that a stack has no word for, or that is done differently.
type Left struct {
	File string
	Line int
	Text string // "service api: cap_add has no counterpart"
}

// String returns "compose.yaml:12: …".
func (l Left) String() string { return fmt.Sprintf("%s:%d: %s", l.File, l.Line, l.Text) }

// Import turns a compose file into a stack.yaml.
func Import(ctx context.Context, o ImportOptions) (*Imported, error) {
	if o.Lookup == nil {
		o.Lookup = func(string) (string, bool) { return "", false }
	}
	src, err := read(ctx, o.File, cmp.Or(o.Shown, o.File), o.Lookup)
	if err != nil {
		return nil, err
	}
	im := &importer{source: src, target: cmp.Or(o.Dir, src.dir), shell: o.Lookup, byHost: map[string]*unit{},
		secrets: map[string]string{}, taken: map[int]string{}, needs: map[string][]string{}}
	im.gather()
	im.dependencies()
	for _, u := range im.units {
		im.targets(u)
	}
	for _, u := range im.units {
		im.listen(u)
	}
	for _, u := range im.units {
		im.variables(u)
	}
	im.leftovers()
	text := im.write()
	slices.SortStableFunc(im.left, func(a, b Left) int { return cmp.Compare(a.Line, b.Line) })
	return &Imported{Text: text, Left: slices.Compact(im.left), Secrets: im.secrets}, nil
}

// importer turns services into units, step by step.
type importer struct {
	*source
	target  string // folder of stack.yaml
	shell   func(string) (string, bool)
	units   []*unit
	byHost  map[string]*unit // by every name that others reach it by
	hosts   string           // these names as a regular expression
	left    []Left
	secrets map[string]string
	taken   map[int]string      // fixed ports of this machine
	needs   map[string][]string // who waits for whom, by name
}

// unit is one service of the compose file, on its way to a service or resource.
type unit struct {
	from   string // its name there
	name   string
	svc    types.ServiceConfig
	kind   *kind // a resource of this type
	box    bool  // a resource of type container
	native stack.Language
	path   string // folder of its code, from the stack's
	dir    string // working folder where it is not path
	build  string
	argv   []string
	shell  string // a command that a shell must read
	job    bool

	ports []port
	env   []variable
	calls []call
	uses  []string
	after []string
}

type call struct{ to, protocol string }

func (u *unit) resource() bool { return u.kind != nil || u.box }

func (im *importer) leave(u *unit, key, format string, args ...any) {
	path := []string{"services"}
	who := ""
	if u != nil {
		path, who = append(path, u.from), "service "+u.from+": "
	}
	if key != "" {
		path = append(path, strings.Split(key, "\x00")...)
	}
	im.left = append(im.left, Left{im.shown, im.line(path...), who + fmt.Sprintf(format, args...)})
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// goodName makes a name that a stack takes.
func goodName(name string) string {
	name = strings.Trim(notName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	name = strings.Trim(name[:min(len(name), 63)], "-")
	if name == "" || name == stack.Self {
		return name + "service"
	}
	return name
}

// gather decides what each service becomes.
func (im *importer) gather() {
	all := im.project.AllServices()
	used := map[string]bool{}
	for _, from := range im.services() {
		u := &unit{from: from, name: goodName(from), svc: all[from]}
		for used[u.name] {
			u.name += "-2"
		}
		used[u.name] = true
		if u.name != from {
			im.leave(u, "", "is called %s: a name has small letters, digits and dashes", u.name)
		}
		im.units = append(im.units, u)
		for _, host := range []string{from, u.svc.ContainerName, u.svc.Hostname} {
			if host != "" && im.byHost[host] == nil {
				im.byHost[host] = u
			}
		}
		for _, n := range u.svc.Networks {
			if n != nil {
				for _, alias := range n.Aliases {
					im.byHost[alias] = u
				}
			}
		}
		im.sort(u)
	}
	var hosts []string
	for h := range im.byHost {
		hosts = append(hosts, regexp.QuoteMeta(h))
	}
	slices.SortFunc(hosts, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	im.hosts = "(?:" + strings.Join(hosts, "|") + ")"
}

// sort finds out what runs: a backing server that is known, code of a known language, or an image.
func (im *importer) sort(u *unit) {
	switch {
	case u.svc.Build != nil:
		im.code(u)
	case kindOf(u.svc.Image) != nil:
		u.kind = kindOf(u.svc.Image)
	case len(u.svc.DependsOn) == 0 && len(u.svc.Profiles) == 0 && hasVolume(u.svc) && len(u.svc.Entrypoint) == 0:
		u.box = true // only a resource keeps the folders of an image
	}
}

func hasVolume(s types.ServiceConfig) bool {
	return slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeVolume })
}

// relative returns a path as stack.yaml says it.
func (im *importer) relative(path string) string {
	rel, err := filepath.Rel(im.target, path)
	if err != nil {
		return filepath.ToSlash(path)
	}
	return filepath.ToSlash(rel)
}

// dependencies turns depends_on and links into what a unit waits for, and finds the jobs.
func (im *importer) dependencies() {
	for _, u := range im.units {
		for name, d := range u.svc.DependsOn {
			if to := im.byHost[name]; to != nil && d.Condition == types.ServiceConditionCompletedSuccessfully && !to.resource() {
				to.job = true
			}
		}
	}
	for _, u := range im.units {
		for _, name := range im.ordered(u, "depends_on", keysOf(u.svc.DependsOn)) {
			d, to := u.svc.DependsOn[name], im.byHost[name]
			switch {
			case to == nil || to == u:
			case u.resource():
				im.leave(u, "depends_on\x00"+name, "a resource waits for nothing, not for %s either", name)
			case to.resource():
				u.use(to)
			default:
				u.after = append(u.after, to.name)
			}
			if to != nil && !u.resource() {
				im.needs[u.name] = append(im.needs[u.name], to.name)
			}
			if d.Restart {
				im.leave(u, "depends_on\x00"+name, "a restart of %s does not restart it", name)
			}
		}
	}
}

func (u *unit) use(to *unit) {
	if !slices.Contains(u.uses, to.name) {
		u.uses = append(u.uses, to.name)
	}
}

func keysOf[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// ordered puts keys in the order in which the file has them.
func (im *importer) ordered(u *unit, section string, keys []string) []string {
	slices.SortStableFunc(keys, func(a, b string) int {
		at := func(k string) int { return im.line("services", u.from, section, k) }
		return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a, b))
	})
	return keys
}

// reaches reports that from waits for to, directly or not.
func (im *importer) reaches(from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(im.needs[from], func(n string) bool { return im.reaches(n, to, seen) })
}
