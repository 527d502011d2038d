package fleet

import (
	"context"
	"sync"
	"time"
)

// listeners watches which ports of this machine are listened on, once for all units that are waited for:
// asking the kernel for its table is cheaper than many attempts to connect, and sees a new listener within
// some milliseconds however long it took to come. Where the table cannot be had, each waits for itself.
type listeners struct {
	mu      sync.Mutex
	waits   map[*portWait]bool
	first   map[int]time.Time // when a port was waited for first, until it is listened on
	wake    chan struct{}     // holds one when the first wait has come
	missing bool              // the table cannot be had
}

// portWait is one unit's wait for its port.
type portWait struct {
	port int
	up   chan struct{} // closed when it is listened on
}

// The pace of looking at the table while anyone waits: slower when the wait is long.
const (
	lookEvery = 3 * time.Millisecond
	lookSlow  = 50 * time.Millisecond
)

// recheck is how long the table is believed that nobody listens, before the port is tried all the same.
const recheck = time.Second

func (l *listeners) waiter(port int, seen bool) waiter {
	if !seen { // behind the engine's own forwarding
		port = 0
	}
	return waiter{l: l, port: port}
}

// await returns true when the port came to be listened on, or after a while anyway; false when ctx ended.
// heard says that it may have been listened on before: then d passes at least.
func (l *listeners) await(ctx context.Context, port int, d time.Duration, heard bool) bool {
	w := &portWait{port: port, up: make(chan struct{})}
	if !l.join(w) {
		return sleep(ctx, d)
	}
	defer l.leave(w)
	begin := time.Now()
	t := time.NewTimer(recheck)
	defer t.Stop()
	select {
	case <-w.up:
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
	if passed := time.Since(begin); heard && passed < 2*lookEvery {
		return sleep(ctx, d-passed)
	}
	return true
}

func (l *listeners) join(w *portWait) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.missing || l.wake == nil {
		return false
	}
	l.waits[w] = true
	if _, known := l.first[w.port]; !known {
		l.first[w.port] = time.Now()
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return true
}

func (l *listeners) leave(w *portWait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waits, w)
}

// run looks at the table while anyone waits, until ctx ends.
func (l *listeners) run(ctx context.Context) {
	table, err := openTable()
	if err != nil {
		return
	}
	defer table.close()
	wake := make(chan struct{}, 1)
	l.mu.Lock()
	l.waits, l.first, l.wake = map[*portWait]bool{}, map[int]time.Time{}, wake
	l.mu.Unlock()
	defer l.giveUp()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		for wait := l.pace(); wait > 0; wait = l.pace() {
			if err := l.look(table); err != nil || !sleep(ctx, wait) {
				return
			}
		}
	}
}

// pace returns the time until the next look, after the wait that began last; 0 when nobody waits.
func (l *listeners) pace() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waits) == 0 {
		return 0
	}
	age := time.Hour
	for w := range l.waits {
		age = min(age, time.Since(l.first[w.port]))
	}
	return min(max(age/500, lookEvery), lookSlow)
}

// look tells those who wait for a port that is listened on.
func (l *listeners) look(table *portTable) error {
	l.mu.Lock()
	up := make(map[int]bool, len(l.waits))
	for w := range l.waits {
		up[w.port] = false
	}
	l.mu.Unlock()
	err := table.read(func(port int) {
		if _, awaited := up[port]; awaited {
			up[port] = true
		}
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.waits {
		if up[w.port] {
			close(w.up)
			delete(l.waits, w)
			delete(l.first, w.port)
		}
	}
	return nil
}

// giveUp makes everyone wait for himself.
func (l *listeners) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missing = true
	for w := range l.waits {
		close(w.up)
		delete(l.waits, w)
	}
}
