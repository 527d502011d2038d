package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"msctl.dev/msctl"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/scaffold"
)

// newService is one run of `new service`.
type newService struct {
	app      *App
	o        *serviceOptions
	stack    *stack.Stack
	template *scaffold.Template
	chosen   string // how the template was said: its name, a folder or an address
	values   scaffold.Values
	route    *newRoute // nil is none
	added    []string  // what was added unasked, for the user to know
}

// defaultTemplate is what a new service is made from where nothing is said.
const defaultTemplate = "go-http"

func (n *newService) run(ctx context.Context) error {
	if err := n.read(); err != nil {
		return err
	}
	if err := n.ask(ctx); err != nil {
		return err
	}
	if err := n.resolve(ctx); err != nil {
		return err
	}
	changes, err := n.plan()
	if err != nil {
		return err
	}
	if n.o.dryRun {
		printChanges(n.app.Out, changes)
		return nil
	}
	if err := n.write(changes); err != nil {
		return err
	}
	return n.bring(ctx)
}

// read finishes what a killed run left, and loads the stack.
func (n *newService) read() error {
	dir, err := n.app.stackDir()
	if err != nil {
		return err
	}
	skipped, err := scaffold.Recover(dir)
	if err != nil {
		return err
	}
	if len(skipped) > 0 {
		fmt.Fprintf(n.app.Err, "left alone what was changed since an earlier run was killed: %s\n", list(skipped))
	}
	n.stack, err = n.app.load("")
	return err
}

// resolve turns the flags and answers into values.
func (n *newService) resolve(ctx context.Context) error {
	name := n.values.Service
	if name == "" {
		return usage("msctl new service NAME", "read name: none is said")
	}
	if err := n.freeName(name); err != nil {
		return err
	}
	var err error
	if n.template == nil {
		if err = n.choose(ctx, orElse(n.o.template, defaultTemplate)); err != nil {
			return err
		}
	}
	v := &n.values
	for _, s := range n.stack.Services {
		for _, key := range s.Publishes {
			v.Others = append(v.Others, scaffold.Published{From: s.Name, Key: key})
		}
	}
	v.Stack, v.Kit, v.Params = n.stack.Name, "services/kit", n.o.params
	if v.Path = path.Clean(filepath.ToSlash(n.o.path)); n.o.path == "" {
		v.Path = "services/" + name
	}
	if err := scaffold.CheckPath(v.Path); err != nil {
		return usage("a folder below the stack's, such as services/"+name, "%v", err)
	}
	if err := n.freePath(v.Path); err != nil {
		return err
	}
	if v.Calls, err = n.calls(); err != nil {
		return err
	}
	if err := n.events(); err != nil {
		return err
	}
	if err := n.resolveRoute(); err != nil {
		return err
	}
	if v.Uses, err = n.uses(); err != nil {
		return err
	}
	return n.resolveModule()
}

// choose makes a template the new service's.
func (n *newService) choose(ctx context.Context, name string) error {
	t, err := n.app.anyTemplate(ctx, name)
	if err != nil {
		return err
	}
	if len(t.Includes) > 0 {
		return usage("`msctl init` writes a stack", "read --template: %s is the template of a stack", t.Name)
	}
	n.template, n.chosen = t, name
	return nil
}

// freeName refuses a name that is none, or is taken.
func (n *newService) freeName(name string) error {
	if !scaffold.ValidName(name) {
		return usage("small letters, digits and - between them, 63 at most", "read name: %q is not a name", name)
	}
	if s := n.stack.Service(name); s != nil {
		return failed("choose another name", "add service %s: there is one at %s", name, s.Pos)
	}
	if r := n.stack.Resource(name); r != nil {
		return failed("choose another name", "add service %s: a resource is called that at %s", name, r.Pos)
	}
	return nil
}

// freePath refuses a folder that is another's, holds one that is, or lies within one: two programs in one
// folder of Go would build neither.
func (n *newService) freePath(folder string) error {
	refuse := func(whose string) error {
		return usage("--path services/NAME names another folder", "write %s: %s", folder, whose)
	}
	if touches(folder, n.values.Kit) {
		return refuse(n.values.Kit + " is the kit that the stack's Go services share")
	}
	for _, s := range n.stack.Services {
		other, err := filepath.Rel(n.stack.Dir, filepath.Join(n.stack.Dir, s.Path))
		if s.Path != "" && err == nil && other != "." && touches(folder, filepath.ToSlash(other)) {
			return refuse(fmt.Sprintf("service %s is at %s", s.Name, s.Path))
		}
	}
	return nil
}

// touches reports whether two folders, clean and with slashes, are one or one is within the other.
func touches(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

// resolveModule finds the Go module of the stack, or names the one to be made.
func (n *newService) resolveModule() error {
	module, err := scaffold.ModuleOf(os.DirFS(n.stack.Dir))
	if err != nil {
		return err
	}
	switch {
	case module != "" && n.o.module != "" && module != n.o.module:
		return usage("leave --module out", "read --module: the stack's module is %s", module)
	case module == "":
		module = orElse(n.o.module, "example.com/"+n.stack.Name)
	}
	if !scaffold.ValidModule(module) {
		return usage("a path such as github.com/acme/"+n.stack.Name, "read --module: %q is not the path of a Go module", module)
	}
	n.values.Module = module
	return nil
}

// plan renders everything and compares it with what is there. It changes nothing.
func (n *newService) plan() ([]scaffold.Change, error) {
	out, err := scaffold.Render(n.template, n.values)
	if err != nil {
		hint := "docs/templates.md says what a template may do"
		if errors.Is(err, scaffold.ErrParameters) {
			hint = "`msctl template show " + shellWord(n.chosen) + "` lists its parameters"
		}
		return nil, usage(hint, "%v", err)
	}
	here := os.DirFS(n.stack.Dir)
	var rewrites []scaffold.Rewrite
	if n.template.Kit {
		bring := !scaffold.HasKit(here, n.values.Kit)
		if bring {
			kit, err := scaffold.Kit(msctl.Files, n.values.Module, n.values.Kit)
			if err != nil {
				return nil, err
			}
			out = append(kit, out...)
		}
		more, err := scaffold.ModulesFor(n.template, n.values)
		if err != nil {
			return nil, err
		}
		if rewrites, err = scaffold.Modules(msctl.Files, here, n.values.Module, bring, more); err != nil {
			return nil, err
		}
	}
	file := n.stack.Files[0]
	before, err := os.ReadFile(file)
	if err != nil {
		return nil, noFile(file, err)
	}
	after, err := scaffold.Register(before, n.template, n.values)
	if err != nil {
		return nil, err
	}
	after, routes, err := n.rewire(after)
	if err != nil {
		return nil, err
	}
	rewrites = append(rewrites, routes...)
	name, err := filepath.Rel(n.stack.Dir, file)
	if err != nil {
		return nil, err
	}
	rewrites = append(rewrites, scaffold.Rewrite{Path: filepath.ToSlash(name), Before: before, After: after}) // last: all else is there
	return scaffold.Plan(n.stack.Dir, out, rewrites, n.o.overwrite)
}

func (n *newService) write(changes []scaffold.Change) error {
	err := scaffold.Write(n.stack.Dir, changes)
	var inTheWay *scaffold.ConflictError
	if errors.As(err, &inTheWay) {
		return n.conflict(inTheWay.Changes)
	}
	if err != nil {
		return err
	}
	for _, line := range summary(changes) {
		fmt.Fprintln(n.app.Err, line)
	}
	for _, line := range n.added {
		fmt.Fprintln(n.app.Err, line)
	}
	return nil
}

// conflict tells which files are in the way. One or two are shown with their difference, of more it is said how to
// see it.
func (n *newService) conflict(bad []scaffold.Change) error {
	var names []string
	for _, c := range bad {
		names = append(names, c.Path)
		if len(bad) <= 2 {
			fmt.Fprint(n.app.Err, firstLines(cleanLines(c.Diff()), 30))
		}
	}
	hint := "--overwrite replaces what is there, --path names another folder"
	if len(bad) > 2 {
		hint = "--dry-run shows the differences, " + hint
	}
	what := "1 file is"
	if len(bad) > 1 {
		what = fmt.Sprintf("%d files are", len(bad))
	}
	return failed(hint, "write service %s: %s there already, with another content; nothing was written\n%s", n.values.Service, what, strings.Join(names, "\n"))
}

// firstLines returns the first most lines of text, and says how many more there are.
func firstLines(text string, most int) string {
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= most+1 {
		return text
	}
	return strings.Join(lines[:most], "") + fmt.Sprintf("… %d lines more\n", len(lines)-most-1)
}

// bring reloads the fleet, if it is up, and waits until the new service is ready.
func (n *newService) bring(ctx context.Context) error {
	name := n.values.Service
	p, err := n.app.place()
	if err != nil {
		return err
	}
	c, err := p.connect(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		fmt.Fprintln(n.app.Err, "next: msctl up")
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	snap, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	w := waitFor{doing: "bringing up " + name, first: ": building", of: []string{name}, after: snap.Seq, notices: []string{name}}
	err = n.app.during(ctx, c, w, func(ctx context.Context) error {
		if err := c.Reload(ctx); err != nil {
			return err
		}
		return (&waiting{app: n.app, place: p, names: []string{name}, goal: goals["ready"]}).follow(ctx, c)
	})
	if err != nil {
		return failed("`msctl logs "+name+"`; what was written stays", "bring up %s: %w", name, err)
	}
	fmt.Fprintf(n.app.Err, "%s is up: msctl open %s\n", name, name)
	if n.route != nil {
		fmt.Fprintf(n.app.Err, "through the gateway: curl $(msctl open --print %s)%s\n", n.route.gateway.service, n.route.route.Prefix)
	}
	return nil
}

func orElse(value, other string) string {
	if value != "" {
		return value
	}
	return other
}
