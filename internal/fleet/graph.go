package fleet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/stack"
)

// goGraph is what goes into the Go services of one module: their local packages, the files of these, and
// what each file was when the service was built last. A nil graph knows nothing.
type goGraph struct {
	Tool     string               `json:"tool"`     // the go command and what of the environment it minds
	Services map[string]goService `json:"services"` // by name
	Packages map[string]goPackage `json:"packages"` // local ones, by import path
	Files    map[string]fileStamp `json:"files"`    // absolute
	Folders  map[string][]string  `json:"folders"`  // names of the source files in each package's folder
}

// goService is one program.
type goService struct {
	Source   string   `json:"source"`   // folder
	Flags    string   `json:"flags"`    // of the go command
	Packages []string `json:"packages"` // local packages that go into it, its own included
}

// goPackage is one local package.
type goPackage struct {
	Dir   string   `json:"dir"`
	Files []string `json:"files"` // absolute, those embedded included
}

// fileStamp tells one version of a file from the next.
type fileStamp struct {
	Size int64 `json:"size"`
	Time int64 `json:"time"` // of modification, ns; 0: changed while it was built
}

func stampOf(path string) (fileStamp, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}, false
	}
	return fileStamp{Size: info.Size(), Time: info.ModTime().UnixNano()}, true
}

// loadGraph reads a kept graph, or returns nil.
func loadGraph(file string) *goGraph {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	g := &goGraph{}
	if json.Unmarshal(b, g) != nil {
		return nil
	}
	return g
}

func (g *goGraph) save(file string) error {
	b, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return replaceFile(file, b)
}

// freshness returns a function that reports whether nothing that goes into a service has changed since it
// was built. Each file is looked at once.
func (g *goGraph) freshness() func(*stack.Service) bool {
	if g == nil || g.Tool != goTool() {
		return func(*stack.Service) bool { return false }
	}
	same := map[string]bool{}
	unchanged := func(pkg string) bool {
		ok, known := same[pkg]
		if !known {
			ok = g.unchanged(pkg)
			same[pkg] = ok
		}
		return ok
	}
	return func(of *stack.Service) bool {
		s, known := g.Services[of.Name]
		return known && s.Source == source(of) && s.Flags == goFlags(of) && unchanged("") && !slices.ContainsFunc(s.Packages, func(p string) bool { return !unchanged(p) })
	}
}

// unchanged reports whether a package's files are those of the last build; "" is the module's own files.
func (g *goGraph) unchanged(pkg string) bool {
	p, known := g.Packages[pkg]
	if !known || p.Dir != "" && !slices.Equal(sourceFiles(p.Dir), g.Folders[p.Dir]) {
		return false
	}
	return !slices.ContainsFunc(p.Files, func(f string) bool {
		now, ok := stampOf(f)
		return !ok || now != g.Files[f]
	})
}

// forget makes what broke be built again next time.
func (g *goGraph) forget(errs map[string]error) {
	for name := range errs {
		if s, known := g.Services[name]; known {
			s.Source = ""
			g.Services[name] = s
		}
	}
}

// users returns the services that the file goes into.
func (g *goGraph) users(file string) []string {
	if g == nil {
		return nil
	}
	hit := map[string]bool{}
	for path, p := range g.Packages {
		if slices.Contains(p.Files, file) || p.Dir == filepath.Dir(file) && isSource(filepath.Base(file)) {
			hit[path] = true
		}
	}
	var out []string
	for name, s := range g.Services {
		if hit[""] || slices.ContainsFunc(s.Packages, func(p string) bool { return hit[p] }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// sourceFiles returns the names of the files in a folder that the go command may compile.
func sourceFiles(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if isSource(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out
}

// isSource reports whether the go command may compile a file of that name.
func isSource(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || strings.HasSuffix(name, "_test.go") {
		return false
	}
	return slices.Contains([]string{".go", ".s", ".c", ".h", ".cc", ".cpp", ".hpp", ".syso"}, filepath.Ext(name))
}

// listed is what is read of `go list`.
type listed struct {
	ImportPath, Dir                                       string
	Standard                                              bool
	GoFiles, CgoFiles, CFiles, HFiles, SFiles, EmbedFiles []string
	Deps                                                  []string
	Module                                                *struct {
		Main    bool
		Replace *struct{ Version string }
	}
}

// local reports a package that somebody may edit: of the main module, a workspace, or a replacing folder.
func (p listed) local() bool {
	if p.Standard || p.Dir == "" {
		return false
	}
	return p.Module == nil || p.Module.Main || p.Module.Replace != nil && p.Module.Replace.Version == ""
}

// listGraph asks the go command what goes into services and adds it to what is known of the others. It
// returns nil where the answer cannot be used, such as for code that does not parse.
func listGraph(ctx context.Context, root string, services []*stack.Service, old *goGraph, begin time.Time, env []string) *goGraph {
	argv := []string{"list", "-e", "-deps", "-json=ImportPath,Dir,Standard,GoFiles,CgoFiles,CFiles,HFiles,SFiles,EmbedFiles,Deps,Module"}
	for _, s := range services {
		argv = append(argv, packagePath(root, s))
	}
	cmd := exec.CommandContext(ctx, "go", argv...)
	cmd.Dir, cmd.Env = root, append(cmd.Environ(), env...)
	politely(cmd)
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	g := newGraph(root, old)
	programs := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil
		}
		if p.local() {
			g.add(p)
			programs[p.Dir] = p
		}
	}
	for _, s := range services {
		p, there := programs[source(s)]
		if !there {
			p = programs[realPath(source(s))]
		}
		g.service(s, p)
	}
	g.stamp(begin)
	return g
}

// newGraph starts from what is known of services that are not asked about now.
func newGraph(root string, old *goGraph) *goGraph {
	g := &goGraph{
		Tool: goTool(), Services: map[string]goService{}, Packages: map[string]goPackage{}, Files: map[string]fileStamp{}, Folders: map[string][]string{},
	}
	if old != nil && old.Tool == g.Tool {
		for name, s := range old.Services {
			g.Services[name] = s
		}
		for path, p := range old.Packages {
			g.Packages[path] = p
		}
		for path, s := range old.Files {
			g.Files[path] = s
		}
		for dir, names := range old.Folders {
			g.Folders[dir] = names
		}
	}
	var own goPackage
	for _, name := range []string{"go.mod", "go.sum", "go.work", "go.work.sum", "vendor/modules.txt"} {
		if file := filepath.Join(root, name); exists(file) {
			own.Files = append(own.Files, file)
		}
	}
	g.Packages[""] = own
	return g
}

// add notes a local package.
func (g *goGraph) add(l listed) {
	p := goPackage{Dir: l.Dir}
	for _, names := range [][]string{l.GoFiles, l.CgoFiles, l.CFiles, l.HFiles, l.SFiles, l.EmbedFiles} {
		for _, name := range names {
			p.Files = append(p.Files, filepath.Join(l.Dir, name))
		}
	}
	g.Packages[l.ImportPath] = p
}

// service notes which local packages go into a service.
func (g *goGraph) service(s *stack.Service, program listed) {
	if program.ImportPath == "" {
		return
	}
	of := goService{Source: source(s), Flags: goFlags(s), Packages: []string{program.ImportPath}}
	for _, dep := range program.Deps {
		if _, local := g.Packages[dep]; local {
			of.Packages = append(of.Packages, dep)
		}
	}
	g.Services[s.Name] = of
}

// stamp notes what each file is. One that changed after the build began may not be in the program.
func (g *goGraph) stamp(begin time.Time) {
	for _, p := range g.Packages {
		for _, f := range p.Files {
			now, _ := stampOf(f)
			if now.Time >= begin.UnixNano() {
				now.Time = 0
			}
			g.Files[f] = now
		}
		if p.Dir != "" {
			g.Folders[p.Dir] = sourceFiles(p.Dir)
		}
	}
}

// broken finds the package that a line of the go command's output accuses.
var broken = regexp.MustCompile(`(?m)^# (\S+)`)

// blame returns a function that says which services a broken build leaves without a new program: those
// that a package goes into that did not compile, or all where that is not known.
func (g *goGraph) blame(services []*stack.Service, err error) func(*stack.Service) error {
	var be *buildError
	if !errors.As(err, &be) || g == nil {
		return func(*stack.Service) error { return err }
	}
	accused := map[string]bool{}
	for _, m := range broken.FindAllStringSubmatch(strings.Join(be.lines, "\n"), -1) {
		accused[m[1]] = true
	}
	hit := func(s *stack.Service) bool {
		return slices.ContainsFunc(g.Services[s.Name].Packages, func(p string) bool { return accused[p] })
	}
	someone := slices.ContainsFunc(services, hit)
	return func(s *stack.Service) error {
		if someone && !hit(s) && len(g.Services[s.Name].Packages) > 0 {
			return nil
		}
		return &buildError{what: "build " + s.Name, lines: be.lines, err: be.err}
	}
}

// goTool names the go command and what it minds of the machine; with another one all is built anew.
func goTool() string {
	path, err := exec.LookPath("go")
	if err != nil {
		return ""
	}
	stamp, _ := stampOf(realPath(path))
	b, err := json.Marshal(stamp)
	if err != nil {
		return ""
	}
	return path + " " + string(b) + " " + runtime.GOOS + "/" + runtime.GOARCH
}

func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// shortHash names a folder or file after a text.
func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
