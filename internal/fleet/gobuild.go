package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/failpoint"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// goBuilds compiles Go services: one `go build` per module for all of its services at once, and only when
// a file that goes into them has changed.
type goBuilds struct {
	f *Fleet

	mu      sync.Mutex
	modules map[string]*goModule
}

// goModule is one module. Its lock is held while it is built: the go command serves one at a time anyway.
type goModule struct {
	mu    sync.Mutex
	root  string
	graph *goGraph // nil until it is known
}

func newGoBuilds(f *Fleet) *goBuilds { return &goBuilds{f: f, modules: map[string]*goModule{}} }

func (g *goBuilds) module(root string) *goModule {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.modules[root] == nil {
		g.modules[root] = &goModule{root: root, graph: loadGraph(g.graphFile(root))}
	}
	return g.modules[root]
}

// build makes services of one module and returns what broke, by service. What goes into them is asked for
// beside a first build. Beside a later one that would take time from it: it is asked for afterwards, with
// the module still locked, while they start.
func (g *goBuilds) build(ctx context.Context, root string, services []*stack.Service, at *doing) map[string]error {
	if root == "" {
		return each(services, func(s *stack.Service) error { return fmt.Errorf("build %s: %w", s.Name, errNoModule) })
	}
	m := g.module(root)
	m.mu.Lock()
	services = m.stale(services, g.f.o.CacheDir)
	if len(services) == 0 {
		m.mu.Unlock()
		return nil
	}
	begin := time.Now()
	list := sync.OnceValue(func() *goGraph {
		return listGraph(ctx, m.root, services, m.graph, begin, g.f.goEnv(sameFlags(services)))
	})
	if m.graph == nil {
		g.f.made.running.Go(func() { list() })
	}
	errs := g.compile(ctx, m, services, at)
	learn := func() {
		defer m.mu.Unlock()
		g.learn(m, list(), errs)
	}
	if m.graph == nil {
		learn()
	} else {
		g.f.made.running.Go(learn)
	}
	return errs
}

// learn keeps a new graph; nil is none.
func (g *goBuilds) learn(m *goModule, graph *goGraph, errs map[string]error) {
	if graph == nil {
		return
	}
	graph.forget(errs)
	m.graph = graph
	if err := graph.save(g.graphFile(m.root)); err != nil {
		g.f.log.Warn("package graph not kept", "err", err)
	}
}

func each(services []*stack.Service, fn func(*stack.Service) error) map[string]error {
	out := map[string]error{}
	for _, s := range services {
		out[s.Name] = fn(s)
	}
	return out
}

// stale returns the services that have to be built.
func (m *goModule) stale(services []*stack.Service, cache string) []*stack.Service {
	fresh := m.graph.freshness()
	var out []*stack.Service
	for _, s := range services {
		if !fresh(s) || !exists(goProgram(s, cache)) {
			out = append(out, s)
		}
	}
	return out
}

// compile runs the go command and puts the programs into their places.
func (g *goBuilds) compile(ctx context.Context, m *goModule, services []*stack.Service, at *doing) map[string]error {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = s.Name
	}
	g.f.note(state.KindBuild, "building "+list(names))
	begin := time.Now()
	errs := map[string]error{}
	for i, batch := range batches(services) {
		stage := filepath.Join(g.f.o.CacheDir, "go", fmt.Sprintf("%s-%d", shortHash(m.root), i))
		for name, err := range g.goBuild(ctx, at, m, batch, stage) {
			errs[name] = err
		}
	}
	if len(errs) == 0 {
		g.f.note(state.KindBuild, fmt.Sprintf("built %s in %s", list(names), time.Since(begin).Round(10*time.Millisecond)))
	}
	return errs
}

// batches splits services so that all of a batch are built alike and no two have programs of one name.
func batches(services []*stack.Service) [][]*stack.Service {
	var out [][]*stack.Service
	var used []map[string]bool
next:
	for _, s := range services {
		base := programBase(s)
		for i := range out {
			if !used[i][base] && container(out[i][0]) == container(s) && goFlags(out[i][0]) == goFlags(s) {
				out[i], used[i][base] = append(out[i], s), true
				continue next
			}
		}
		out = append(out, []*stack.Service{s})
		used = append(used, map[string]bool{base: true})
	}
	return out
}

// programBase returns the name of the program that the go command makes: the last element of the import
// path, which is the folder's but for a major version. A service at the module's root is built alone.
func programBase(s *stack.Service) string { return filepath.Base(source(s)) }

// goBuild runs the go command once and links what it made to where it is run from.
func (g *goBuilds) goBuild(ctx context.Context, at *doing, m *goModule, services []*stack.Service, stage string) map[string]error {
	if err := os.MkdirAll(stage, 0o700); err != nil {
		return each(services, func(s *stack.Service) error { return fmt.Errorf("build %s: %w", s.Name, err) })
	}
	argv := []string{"go", "build", "-o", stage + string(filepath.Separator)}
	for _, s := range services {
		argv = append(argv, packagePath(m.root, s))
	}
	env := g.f.goEnv(goFlags(services[0]))
	if container(services[0]) {
		env = append(env, "CGO_ENABLED=0", "GOOS=linux")
	}
	err := command(ctx, at, services[0].Name, m.root, argv, env...)
	blame := m.graph.blame(services, err)
	errs := map[string]error{}
	for _, s := range services {
		if err := blame(s); err != nil {
			errs[s.Name] = err
			continue
		}
		if err := g.install(m, s, stage); err != nil {
			errs[s.Name] = fmt.Errorf("build %s: %w", s.Name, err)
		}
	}
	return errs
}

// packagePath names a service's package to the go command.
func packagePath(root string, s *stack.Service) string {
	rel, err := filepath.Rel(root, source(s))
	if err != nil || rel == "." {
		return "."
	}
	return "./" + filepath.ToSlash(rel)
}

var majorVersion = regexp.MustCompile(`^v\d+$`)

// install links a built program to its place, under the service's own name. One that is the same file
// already is left alone, so that the unit that runs it can be adopted.
func (g *goBuilds) install(m *goModule, s *stack.Service, stage string) error {
	made := filepath.Join(stage, programBase(s))
	if info, err := os.Stat(made); (err != nil || info.IsDir()) && (packagePath(m.root, s) == "." || majorVersion.MatchString(programBase(s))) {
		made = filepath.Join(stage, moduleBase(m.root))
	}
	place := goProgram(s, g.f.o.CacheDir)
	a, err := os.Stat(made)
	if err != nil {
		return err
	}
	if b, err := os.Stat(place); err == nil && os.SameFile(a, b) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(made, 0o700); err != nil { // the go command asks the umask
		return err
	}
	tmp := place + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Link(made, tmp); err != nil {
		return err
	}
	failpoint.Hit("program-linked")
	if err := os.Rename(tmp, place); err != nil {
		return err
	}
	failpoint.Hit("program-renamed")
	return nil
}

// moduleBase returns the last element of the module's path that is no version.
func moduleBase(root string) string {
	b, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return filepath.Base(root)
	}
	for line := range bytes.Lines(b) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "module "); ok {
			parts := strings.Split(strings.Trim(strings.TrimSpace(path), `"`), "/")
			if n := len(parts); n > 1 && majorVersion.MatchString(parts[n-1]) {
				parts = parts[:n-1]
			}
			return parts[len(parts)-1]
		}
	}
	return filepath.Base(root)
}

func (g *goBuilds) graphFile(root string) string {
	return filepath.Join(g.f.o.CacheDir, "go", "graph-"+shortHash(root)+".json")
}
