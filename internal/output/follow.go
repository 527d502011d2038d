package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Follow hands out the lines in dir that q chooses, in batches: first those that are kept, then new ones
// as they come, over every restart of the unit and turn of its segments. It waits for dir to appear, tries
// again where the machine is short of something, and returns fn's error, or ctx's when that is cancelled.
// The lines are fn's to keep.
//
// Whoever follows many logs shares one [Hub] among them: a system bounds the number of watchers.
func Follow(ctx context.Context, dir string, q Query, fn func([]Line) error) error {
	return new(Hub).Follow(ctx, dir, q, fn)
}

// Hub lets any number of Follows share one watcher of the system. The zero value is ready; it holds
// nothing while nobody follows. It is safe for concurrent use.
type Hub struct {
	mu      sync.Mutex
	watcher *fsnotify.Watcher
	ended   chan struct{}                         // closed when the watcher's goroutine has ended
	wake    map[string]map[chan struct{}]struct{} // by folder
}

// pollEvery is how often a folder is looked at that cannot be watched, and how long at most a message of
// the system that went missing can delay a line.
const (
	pollEvery = 100 * time.Millisecond
	checkEach = 5 * time.Second
)

// Follow is [Follow] through the hub's watcher.
func (h *Hub) Follow(ctx context.Context, dir string, q Query, fn func([]Line) error) error {
	c := cursor{dir: filepath.Clean(dir), q: q, next: q.FromSeq}
	defer c.close()
	for ctx.Err() == nil {
		wake, leave, every := h.subscribe(ancestor(c.dir))
		err := c.attend(ctx, wake, every, fn)
		leave()
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// attend drains at each wake. It returns nil when the folder to watch may be another one.
func (c *cursor) attend(ctx context.Context, wake <-chan struct{}, every time.Duration, fn func([]Line) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	watched := ancestor(c.dir)
	for {
		var again <-chan time.Time
		if err := c.drain(ctx, fn); passing(err) {
			again = time.After(pollEvery)
		} else if err != nil {
			return err
		}
		if ancestor(c.dir) != watched {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		case <-tick.C:
		case <-again:
		}
	}
}

// passing reports an error in reading that may be gone at the next try: of the disk, or for want of
// descriptors or memory.
func passing(err error) bool {
	var u *unread
	if !errors.As(err, &u) {
		return false
	}
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN} {
		if errors.Is(u.err, errno) {
			return true
		}
	}
	return false
}

// ancestor returns dir, or the nearest folder above it that exists.
func ancestor(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

// subscribe returns a channel that gets a value after each change in dir, what ends that, and how often to
// look without being told.
func (h *Hub) subscribe(dir string) (wake chan struct{}, leave func(), every time.Duration) {
	wake = make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.watch(dir); err != nil {
		return wake, func() {}, pollEvery
	}
	if h.wake[dir] == nil {
		h.wake[dir] = map[chan struct{}]struct{}{}
	}
	h.wake[dir][wake] = struct{}{}
	return wake, func() { h.unsubscribe(dir, wake) }, checkEach
}

// watch adds dir to the watcher, made at the first need. The lock is held.
func (h *Hub) watch(dir string) error {
	if h.watcher == nil {
		w, err := fsnotify.NewWatcher()
		if err != nil {
			return fmt.Errorf("watch logs: %w", err)
		}
		h.watcher, h.ended, h.wake = w, make(chan struct{}), map[string]map[chan struct{}]struct{}{}
		go h.listen(w, h.ended)
	}
	return h.watcher.Add(dir)
}

func (h *Hub) unsubscribe(dir string, wake chan struct{}) {
	h.mu.Lock()
	delete(h.wake[dir], wake)
	if len(h.wake[dir]) == 0 {
		delete(h.wake, dir)
		h.watcher.Remove(dir) // gone already when the folder is
	}
	if len(h.wake) > 0 {
		h.mu.Unlock()
		return
	}
	w, ended := h.watcher, h.ended
	h.watcher = nil
	h.mu.Unlock()
	w.Close()
	<-ended
}

// listen wakes the followers of each folder that changed, until w is closed.
func (h *Hub) listen(w *fsnotify.Watcher, ended chan struct{}) {
	defer close(ended)
	events, errs := w.Events, w.Errors
	for events != nil || errs != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			h.rouse(filepath.Dir(e.Name), e.Name)
		case _, ok := <-errs: // messages were lost: everybody looks
			if !ok {
				errs = nil
				continue
			}
			h.rouse()
		}
	}
}

// rouse wakes the followers of the folders, of all where none is named.
func (h *Hub) rouse(dirs ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(dirs) == 0 {
		for _, set := range h.wake {
			notify(set)
		}
	}
	for _, dir := range dirs {
		notify(h.wake[dir])
	}
}

func notify(set map[chan struct{}]struct{}) {
	for wake := range set {
		select {
		case wake <- struct{}{}:
		default: // it is awake
		}
	}
}
