package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// Editors write in several steps: what changes is taken together until it has been quiet for a moment.
const (
	quiet   = 20 * time.Millisecond
	hurried = 500 * time.Millisecond // a folder that is never quiet does not hold up for longer
)

// watch rebuilds and restarts what is edited, until ctx ends.
func (f *Fleet) watch(ctx context.Context) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.note(state.KindNotice, fmt.Sprintf("watch: %v", err))
		return
	}
	defer w.Close()
	changes := make(chan []string)
	go func() {
		defer close(changes)
		gather(ctx, w, changes)
	}()
	f.watchStack(w) // at once; what goes into services is known when they are built
	for _, s := range f.running() {
		if s.Language == stack.Go {
			f.made.await(ctx, s)
		}
	}
	f.watchFolders(w)
	close(f.watching)
	defer f.rolling.endAll()
	for paths := range changes {
		f.edited(ctx, paths)
		f.watchStack(w)
		f.watchFolders(w)
	}
}

// watchStack watches the folders of the stack's own files.
func (f *Fleet) watchStack(w *fsnotify.Watcher) {
	for _, file := range f.options().Stack.Files {
		f.watchFolder(w, filepath.Dir(file))
	}
}

// watchFolder watches one folder. One that is watched already stays so.
func (f *Fleet) watchFolder(w *fsnotify.Watcher, dir string) bool {
	if err := w.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.note(state.KindNotice, fmt.Sprintf("watch %s: %v", dir, err))
		return false
	}
	return true
}

// gather collects changed paths and hands them over when the tree is quiet and the last ones are dealt with.
func gather(ctx context.Context, w *fsnotify.Watcher, out chan<- []string) {
	var paths []string
	var ready chan<- []string // out when paths are to be handed over
	var since time.Time
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if e.Op == fsnotify.Chmod {
				continue
			}
			if len(paths) == 0 {
				since = time.Now()
			}
			if !slices.Contains(paths, e.Name) {
				paths = append(paths, e.Name)
			}
			if ready == nil {
				timer.Reset(min(quiet, max(0, hurried-time.Since(since))))
			}
		case <-w.Errors: // an overflow: what was lost is seen at the next change
		case <-timer.C:
			ready = out
		case ready <- paths:
			paths, ready = nil, nil
		}
	}
}

// watchFolders watches every folder whose files go into a service.
func (f *Fleet) watchFolders(w *fsnotify.Watcher) {
	folders := map[string]bool{}
	for _, s := range f.running() {
		f.made.golang.folders(s, folders)
		for _, root := range watchRoots(s) {
			below(root, s, folders)
		}
	}
	for dir := range folders {
		if !f.watchFolder(w, dir) {
			return // the others would say the same: too many watches
		}
	}
}

// watchRoots returns the folders and files whose changes restart a service by themselves. A Go service's
// package graph says more than its folder.
func watchRoots(s *stack.Service) []string {
	if s.Watch.Action == "none" {
		return nil
	}
	var roots []string
	for _, p := range s.Watch.Paths {
		if !filepath.IsAbs(p) {
			p = filepath.Join(s.Dir, p)
		}
		roots = append(roots, p)
	}
	if len(roots) == 0 && s.Source != "" && s.Language != stack.Go {
		roots = []string{s.Source}
	}
	return roots
}

// never holds the names of folders that no service is made from.
var never = []string{"node_modules", "__pycache__", "venv", "dist", "build", "target", "vendor"}

// maxFolders bounds how many folders of one service are watched.
const maxFolders = 2000

// below adds a folder and those in it, or the folder of a file.
func below(root string, s *stack.Service, folders map[string]bool) {
	n := 0
	// what cannot be read is not watched
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if !e.IsDir() {
			if path == root {
				folders[filepath.Dir(path)] = true
			}
			return nil
		}
		if n++; n > maxFolders || path != root && unwatched(path, s) {
			return filepath.SkipDir
		}
		folders[path] = true
		return nil
	})
}

// unwatched reports a file or folder that does not matter to a service.
func unwatched(path string, s *stack.Service) bool {
	name := filepath.Base(path)
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || slices.Contains(never, name) || strings.HasSuffix(name, ".pyc") {
		return true
	}
	rel, err := filepath.Rel(s.Dir, path)
	if err != nil {
		rel = path
	}
	return slices.ContainsFunc(s.Watch.Ignore, func(pattern string) bool {
		byName, _ := filepath.Match(pattern, name)
		byPath, _ := filepath.Match(pattern, rel)
		inside, _ := filepath.Match(pattern, strings.SplitN(filepath.ToSlash(rel), "/", 2)[0])
		return byName || byPath || inside
	})
}

// running returns the services that are in the fleet.
func (f *Fleet) running() []*stack.Service {
	var out []*stack.Service
	for _, st := range f.current().Steps {
		if st.def != nil && st.Replica <= 1 && st.Skip == "" {
			out = append(out, st.def)
		}
	}
	return out
}

// edited deals with changed files: the stack's own first, then those of services.
func (f *Fleet) edited(ctx context.Context, paths []string) {
	if f.stackEdited(paths) {
		var part *partly
		switch err := f.Reload(ctx); {
		case err == nil:
			f.note(state.KindNotice, "stack changed: read again")
		case errors.As(err, &part):
			f.note(state.KindNotice, oneLine(err))
		case ctx.Err() == nil:
			f.note(state.KindNotice, fmt.Sprintf("stack not read again, nothing changed: %s", oneLine(err)))
		}
	}
	var again []edit
	for _, s := range f.running() {
		if path := f.touches(s, paths); path != "" {
			again = append(again, edit{s, path})
		}
	}
	if len(again) > 0 {
		f.remake(ctx, again)
	}
}

// oneLine is what an event says of an error: its first mistake with the hint to it, and how many more there are.
func oneLine(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	text, more := lines[0], 0
	for i, line := range lines[1:] {
		hint, isHint := strings.CutPrefix(strings.TrimSpace(line), "hint: ")
		switch {
		case !isHint:
			more++
		case i == 0:
			text += " (hint: " + hint + ")"
		}
	}
	if more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

func (f *Fleet) stackEdited(paths []string) bool {
	st := f.options().Stack
	return slices.ContainsFunc(paths, func(p string) bool {
		return slices.Contains(st.Files, p) || filepath.Dir(p) == st.Dir && filepath.Base(p) == "stack.override.yaml"
	})
}

// touches returns the first of the paths that matters to a service, or "".
func (f *Fleet) touches(s *stack.Service, paths []string) string {
	if s.Watch.Action == "none" {
		return ""
	}
	for _, p := range paths {
		for _, root := range watchRoots(s) {
			if (p == root || strings.HasPrefix(p, root+string(filepath.Separator))) && !unwatched(p, s) {
				return p
			}
		}
		if s.Language == stack.Go && len(s.Watch.Paths) == 0 && f.made.golang.uses(s, p) {
			return p
		}
	}
	return ""
}

// graph returns what goes into the services of a Go service's module; while it is built, once that is over.
func (g *goBuilds) graph(s *stack.Service) *goGraph {
	m := g.module(moduleRoot(source(s)))
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.graph
}

// folders adds the folders of what goes into a Go service.
func (g *goBuilds) folders(s *stack.Service, folders map[string]bool) {
	if s.Language != stack.Go {
		return
	}
	folders[source(s)] = true
	graph := g.graph(s)
	if graph == nil {
		return
	}
	for _, pkg := range append([]string{""}, graph.Services[s.Name].Packages...) {
		for _, file := range graph.Packages[pkg].Files {
			folders[filepath.Dir(file)] = true
		}
	}
}

// uses reports whether a file goes into a Go service.
func (g *goBuilds) uses(s *stack.Service, file string) bool {
	graph := g.graph(s)
	if graph == nil { // it never built
		return filepath.Ext(file) == ".go"
	}
	return slices.Contains(graph.users(file), s.Name) || filepath.Dir(file) == source(s) && isSource(filepath.Base(file))
}
