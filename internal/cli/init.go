package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"msctl.dev/msctl"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/scaffold"
)

// stackTemplate is what a stack is made from.
const stackTemplate = "stack"

// initOptions are the flags of `init`.
type initOptions struct {
	name, module string
	yes, dryRun  bool
}

func newInit(a *App) *cobra.Command {
	o := &initOptions{}
	cmd := &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Make a new stack that comes up at once",
		Long: "init writes a stack into this or a new folder: a gateway, a service with its database, a broker, their\n" +
			"tests, a Makefile, a CI workflow and editor settings. It needs nothing but Go, is written whole or not at\n" +
			"all, and never overwrites a file: a README, Makefile, .gitignore and the like that are there stay, and are\n" +
			"named. At a terminal it asks for what is not said; --yes takes the defaults.",
		Example: "  msctl init shop && cd shop && msctl up\n  msctl init\n  msctl init --module github.com/acme/shop --dry-run",
		Args:    args(cobra.MaximumNArgs(1)),
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "`NAME` of the stack (default: the folder's)")
	f.StringVar(&o.module, "module", "", "`PATH` of its Go module (default: that of go.mod, or example.com/NAME)")
	f.BoolVar(&o.yes, "yes", false, "ask nothing")
	f.BoolVar(&o.dryRun, "dry-run", false, "only show what would be written and changed")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		i := &initial{app: a, o: o, dir: a.Dir}
		if len(words) == 1 {
			i.folder, i.dir = words[0], a.absolute(words[0])
		}
		return i.run(cmd.Context())
	}
	return cmd
}

// initial is one run of `init`.
type initial struct {
	app    *App
	o      *initOptions
	dir    string // absolute
	folder string // as it was said; "" is this one
	made   string // the outermost folder that was made for it
}

func (i *initial) run(ctx context.Context) error {
	if err := i.recover(); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(i.dir, stack.FileName)); !errors.Is(err, fs.ErrNotExist) {
		return failed("use another folder: msctl init FOLDER", "write %s: it is there already", filepath.Join(i.dir, stack.FileName))
	}
	if err := i.ask(ctx); err != nil {
		return err
	}
	outputs, rewrites, err := i.render()
	if err != nil {
		return err
	}
	if err := i.makeFolder(); err != nil {
		return err
	}
	changes, err := scaffold.Plan(i.dir, outputs, rewrites, false)
	if err != nil || i.o.dryRun {
		i.unmakeFolder()
	}
	if err != nil {
		return err
	}
	changes, stay := yours(changes)
	if i.o.dryRun {
		printChanges(i.app.Out, changes)
		i.tellLeft(stay)
		return nil
	}
	if err := scaffold.Write(i.dir, changes); err != nil {
		i.unmakeFolder()
		return failed("use an empty folder: msctl init FOLDER", "%w", err)
	}
	for _, line := range summary(changes) {
		fmt.Fprintln(i.app.Err, line)
	}
	i.tellLeft(stay)
	next := "msctl up -d && curl $(msctl open --print gateway)/v1/items"
	if i.folder != "" {
		next = "cd " + shellWord(i.folder) + " && " + next
	}
	fmt.Fprintf(i.app.Err, "next: %s\n", next)
	return nil
}

// ask checks what is said, and at a terminal asks for what is not.
func (i *initial) ask(ctx context.Context) error {
	name, module := nameOf(i.dir), ""
	if root, err := os.OpenRoot(i.dir); err == nil {
		defer root.Close()
		if module, err = scaffold.ModuleOf(root.FS()); err != nil {
			return err
		}
	}
	q := &questions{in: bufio.NewReader(i.app.In), out: i.app.Err, width: i.app.screenOf(i.app.Err).width}
	in, file := i.app.In.(*os.File)
	asks := !i.o.yes && !i.o.dryRun && file && term.IsTerminal(int(in.Fd())) && i.app.screenOf(i.app.Err).terminal
	if asks && i.o.name == "" && i.folder == "" {
		q.until(ctx, "Name of the stack", "", name, func(s string) error { i.o.name = s; return checkStackName(s) })
	}
	i.o.name = orElse(i.o.name, name)
	if asks && i.o.module == "" && module == "" {
		q.until(ctx, "Path of its Go module", "", "example.com/"+i.o.name, func(s string) error { i.o.module = s; return checkModule(s, i.o.name) })
	}
	if q.err != nil {
		return q.err
	}
	if module != "" && i.o.module != "" && module != i.o.module {
		return usage("leave --module out", "read --module: the folder's module is %s", module)
	}
	i.o.module = orElse(i.o.module, orElse(module, "example.com/"+i.o.name))
	if err := checkStackName(i.o.name); err != nil {
		return err
	}
	return checkModule(i.o.module, i.o.name)
}

func checkStackName(name string) error {
	if !scaffold.ValidName(name) {
		return usage("small letters, digits and -", "read --name: %q is not a name", name)
	}
	return nil
}

func checkModule(path, name string) error {
	if !scaffold.ValidModule(path) {
		return usage("a path such as github.com/acme/"+name, "read --module: %q is not the path of a Go module", path)
	}
	return nil
}

// render makes all files, and go.mod and its like as they become.
func (i *initial) render() ([]scaffold.Output, []scaffold.Rewrite, error) {
	t, err := i.app.template(stackTemplate)
	if err != nil {
		return nil, nil, err
	}
	v := scaffold.Values{Service: i.o.name, Path: "services/" + i.o.name, Stack: i.o.name, Module: i.o.module, Kit: "services/kit"}
	made, more, err := scaffold.NewStack(t, v, i.app.template)
	if err != nil {
		return nil, nil, err
	}
	here := os.DirFS(i.dir)
	bring := !scaffold.HasKit(here, v.Kit)
	var outputs []scaffold.Output
	if bring {
		if outputs, err = scaffold.Kit(msctl.Files, v.Module, v.Kit); err != nil {
			return nil, nil, err
		}
	}
	outputs = append(outputs, scaffold.Output{Path: ".vscode/stack.schema.json", Data: stack.Schema()})
	rewrites, err := scaffold.Modules(msctl.Files, here, v.Module, bring, more)
	last := len(made) - 1 // stack.yaml is written when all else is there
	rewrites = append(rewrites, scaffold.Rewrite{Path: made[last].Path, After: made[last].Data})
	return append(outputs, made[:last]...), rewrites, err
}

// recover finishes what a run that was killed had begun in a folder that is there.
func (i *initial) recover() error {
	if _, err := os.Stat(i.dir); err != nil {
		return nil
	}
	_, err := scaffold.Recover(i.dir)
	return err
}

// makeFolder makes the stack's folder, and notes the first that was not there.
func (i *initial) makeFolder() error {
	for at := i.dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		i.made = at
	}
	if err := os.MkdirAll(i.dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}

// unmakeFolder takes back what makeFolder made. What is not empty stays.
func (i *initial) unmakeFolder() {
	for at := i.dir; i.made != "" && strings.HasPrefix(at, i.made); at = filepath.Dir(at) {
		if os.Remove(at) != nil {
			return
		}
	}
}

// yours parts changes from those files that are there with another content and may stay as they are: nothing
// of the stack's services depends on them.
func yours(changes []scaffold.Change) (do []scaffold.Change, stay []string) {
	for _, c := range changes {
		if c.Action == scaffold.Conflict && !strings.HasPrefix(c.Path, "services/") {
			stay = append(stay, c.Path)
			continue
		}
		do = append(do, c)
	}
	return do, stay
}

func (i *initial) tellLeft(stay []string) {
	if len(stay) == 0 {
		return
	}
	fmt.Fprintf(i.app.Err, "left as they are: %s\n", list(stay))
	if slices.Contains(stay, ".gitignore") {
		fmt.Fprintln(i.app.Err, "hint: .gitignore should have a line .msctl/")
	}
}

// shellWord quotes a word that a shell would take apart.
func shellWord(w string) string {
	for _, r := range w {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+", r) {
			return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return w
}

// validName reports a good name of a stack, service or copy.
func validName(name string) bool {
	ok, err := regexp.MatchString(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, name)
	return err == nil && ok
}

// nameOf makes a good name from a folder's.
func nameOf(dir string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(filepath.Base(dir)))
	if name = strings.Trim(name, "-"); name == "" {
		return "stack"
	}
	return name[:min(len(name), 40)]
}
