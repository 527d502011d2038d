package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// Writer is where a build prints.
type Writer = io.Writer

// maker makes services runnable: it compiles, installs what they need, builds images. All services begin
// at once, beside the start of the backing servers; a unit waits for its own.
type maker struct {
	f       *Fleet
	slots   chan struct{} // one per build at a time
	running sync.WaitGroup
	golang  *goBuilds

	mu   sync.Mutex
	jobs map[string]*making // by service, the newest
}

// making is one attempt to make a service. err is set before done is closed.
type making struct {
	done  chan struct{}
	err   error
	doing *doing
}

// buildError is a build that broke, with the end of what it printed.
type buildError struct {
	what  string
	lines []string
	err   error
}

func (e *buildError) Error() string {
	for _, line := range e.lines { // the first line that names a place says more than "exit status 1"
		if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
			return e.what + ": " + line
		}
	}
	return fmt.Sprintf("%s: %v", e.what, e.err)
}

func (e *buildError) Unwrap() error { return e.err }

func newMaker(f *Fleet) *maker {
	return &maker{f: f, slots: make(chan struct{}, max(1, runtime.NumCPU())), jobs: map[string]*making{}, golang: newGoBuilds(f)}
}

// begin makes every service of the steps, in the background, until ctx ends.
func (m *maker) begin(ctx context.Context, steps []*Step) {
	var services []*stack.Service
	for _, st := range steps {
		if st.def != nil && st.Replica <= 1 && st.Skip == "" {
			services = append(services, st.def)
		}
	}
	m.start(ctx, services)
}

// start begins to make services and returns the attempt of each that has anything to make.
func (m *maker) start(ctx context.Context, services []*stack.Service) map[string]*making {
	begun := map[string]*making{}
	modules := map[string][]*stack.Service{}
	together := map[string]*doing{} // by module
	for _, s := range services {
		if !makes(s) {
			continue
		}
		job := &making{done: make(chan struct{}), doing: &doing{}}
		begun[s.Name] = job
		if s.Language == stack.Go && (s.Build == nil || len(s.Build.Command) == 0 && s.Build.Dockerfile == "") {
			root := moduleRoot(source(s))
			modules[root] = append(modules[root], s)
			if together[root] == nil {
				together[root] = job.doing
			}
			job.doing = together[root]
			continue
		}
		m.running.Go(func() { m.finish(ctx, job, func() error { return m.one(ctx, s, job.doing) }) })
	}
	for root, of := range modules {
		m.running.Go(func() { m.module(ctx, root, of, begun, together[root]) })
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, job := range begun {
		m.jobs[name] = job
	}
	return begun
}

// finish runs one build in its turn and tells those who wait.
func (m *maker) finish(ctx context.Context, job *making, build func() error) {
	defer close(job.done)
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
		job.err = build()
	case <-ctx.Done():
		job.err = context.Cause(ctx)
	}
}

// module makes all Go services of one module, then the images of those that run in containers.
func (m *maker) module(ctx context.Context, root string, services []*stack.Service, begun map[string]*making, at *doing) {
	errs := m.golang.build(ctx, root, services, at)
	for _, s := range services {
		m.running.Go(func() {
			m.finish(ctx, begun[s.Name], func() error {
				if err := errs[s.Name]; err != nil || !container(s) {
					return err
				}
				at.begin("image")
				return m.f.o.Images.BuildStatic(ctx, goProgram(s, m.f.o.CacheDir), image(m.f.o, s))
			})
		})
	}
}

// await blocks until the newest attempt to make a service is over, if there is one.
func (m *maker) await(ctx context.Context, s *stack.Service) {
	m.mu.Lock()
	job := m.jobs[s.Name]
	m.mu.Unlock()
	if job == nil {
		return
	}
	select {
	case <-job.done:
	case <-ctx.Done():
	}
}

// wait blocks until no build runs.
func (m *maker) wait() { m.running.Wait() }

// makes reports whether a service has anything to make.
func makes(s *stack.Service) bool {
	if s.Build != nil && (len(s.Build.Command) > 0 || s.Build.Dockerfile != "") {
		return true
	}
	switch s.Language {
	case stack.Go:
		return len(s.Command) == 0
	case stack.Node, stack.Python, stack.Dockerfile:
		return true
	}
	return false
}

// one makes a service that is not Go's own way.
func (m *maker) one(ctx context.Context, s *stack.Service, at *doing) error {
	if s.Build != nil && len(s.Build.Command) > 0 {
		return command(ctx, at, s.Name, source(s), s.Build.Command)
	}
	if container(s) {
		return m.image(ctx, s, at)
	}
	switch s.Language {
	case stack.Node:
		return nodeModules(ctx, s, m.f.o.CacheDir, at)
	case stack.Python:
		return pythonVenv(ctx, s, m.f.o.CacheDir, at)
	}
	return nil
}

// image builds a service's image from its Dockerfile.
func (m *maker) image(ctx context.Context, s *stack.Service, at *doing) error {
	file := "Dockerfile"
	if s.Build != nil && s.Build.Dockerfile != "" {
		file = s.Build.Dockerfile
	}
	if m.f.o.Images == nil {
		return fmt.Errorf("build image of %s: no container engine answers", s.Name)
	}
	out := at.begin("image")
	if err := m.f.o.Images.Build(ctx, source(s), file, image(m.f.o, s), out); err != nil {
		return &buildError{what: "build image of " + s.Name, lines: out.lines(), err: err}
	}
	return nil
}

// make waits until the unit's service is made; fresh looks again whether it is up to date.
func (u *unit) make(ctx context.Context, st *Step, fresh bool) error {
	if st.def == nil || !makes(st.def) {
		return nil
	}
	job := u.f.made.job(st.def, fresh)
	select {
	case <-job.done:
		return job.err
	default:
		return u.awaitMade(ctx, job)
	}
}

// job returns the newest attempt to make a service, a new one where it is to be made afresh.
func (m *maker) job(s *stack.Service, fresh bool) *making {
	m.mu.Lock()
	job := m.jobs[s.Name]
	m.mu.Unlock()
	if job == nil || fresh && closed(job.done) {
		job = m.start(m.f.base, []*stack.Service{s})[s.Name]
	}
	return job
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// resolve returns what the step's driver runs. A program that was built anew is another unit than the one
// that runs: its stamp is part of it, so that it is not adopted for the old one.
func (f *Fleet) resolve(st *Step) driver.Unit {
	u := st.Unit
	if st.def == nil || st.def.Language != stack.Go {
		return u
	}
	if info, err := os.Stat(goProgram(st.def, f.o.CacheDir)); err == nil {
		u.Labels = map[string]string{"msctl.build": strconv.FormatInt(info.ModTime().UnixNano(), 36) + "-" + strconv.FormatInt(info.Size(), 36)}
	}
	return u
}

// command runs a build command with msctl's own environment, the developer's, and keeps the end of what it
// prints.
func command(ctx context.Context, at *doing, name, dir string, argv []string, env ...string) error {
	out := at.begin(title(argv))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = out, out
	if len(env) > 0 {
		cmd.Env = append(cmd.Environ(), env...)
	}
	politely(cmd)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &buildError{what: "build " + name, lines: out.lines(), err: err}
	}
	return nil
}

// politely makes a cancelled command end as a whole: its group is asked, and soon killed.
func politely(cmd *exec.Cmd) {
	ownGroup(cmd)
	cmd.WaitDelay = 2 * time.Second
}

// tailWriter keeps the last of what is written to it.
type tailWriter struct {
	mu sync.Mutex
	b  []byte
}

// tailBytes bounds what is kept of a build's output.
const tailBytes = 16 << 10

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p...)
	if over := len(w.b) - tailBytes; over > 0 {
		w.b = append(w.b[:0], w.b[over:]...)
	}
	return len(p), nil
}

// lines returns the last lines.
func (w *tailWriter) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := strings.Split(strings.TrimRight(string(w.b), "\n"), "\n")
	return all[max(0, len(all)-2*shownLines):]
}

var errNoModule = errors.New("no go.mod in the folder or above")

// moduleRoot returns the folder of the go.mod that dir belongs to, or "".
func moduleRoot(dir string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if exists(filepath.Join(d, "go.mod")) {
			return d
		}
		if d == filepath.Dir(d) {
			return ""
		}
	}
}
