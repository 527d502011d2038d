// Package process runs units as processes of this machine, each under a keeper that outlives the
// supervisor. No process of a stack is ever forgotten: the keeper owns the tree, its record lets the next
// supervisor adopt it, and the marker in every process's environment lets [Driver.Sweep] end all of it
// without any state.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
)

// Driver runs units as processes. It is safe for concurrent use and must not be copied after its first.
type Driver struct {
	RunDir string   // for records and locks; made when it is missing
	Stack  string   // the value of the stack's marker
	Keeper []string // argv of the keeper; the unit's name is added

	once    sync.Once
	mu      sync.Mutex                 // guards what follows
	strays  map[string]bool            // units of which a dead keeper of an earlier time left something
	keepers map[string]keeper.Identity // of what runs, for Sample
	loops   map[string]loop            // upsets that are kept up, by their inverse

	pausing sync.Mutex               // guards paused; held while stopped processes are continued
	paused  map[keeper.Identity]bool // trees that a pause wants stopped

	groupless bool // tests: no control group bounds CPU
}

// Run implements [driver.Driver].
func (d *Driver) Run(ctx context.Context, u driver.Unit, h driver.Hooks) (driver.Exit, error) {
	spec, err := d.spec(u)
	if err != nil {
		return driver.Exit{}, fmt.Errorf("start %s: %w", u.Name, err)
	}
	if err := os.MkdirAll(d.RunDir, 0o700); err != nil {
		return driver.Exit{}, fmt.Errorf("start %s: %w", u.Name, err)
	}
	r, err := d.begin(ctx, spec, h)
	if err != nil {
		return driver.Exit{}, fmt.Errorf("start %s: %w", u.Name, err)
	}
	defer r.close()
	d.mu.Lock()
	if d.keepers == nil {
		d.keepers = map[string]keeper.Identity{}
	}
	d.keepers[u.Name] = r.rec.Keeper
	d.mu.Unlock()
	defer d.forget(u.Name, r.rec.Keeper)
	if h.Started != nil {
		h.Started(driver.Started{PID: r.rec.Leader.PID, At: r.rec.Started, Adopted: r.adopted, Restarts: r.rec.Restarts, After: r.rec.After})
	}
	return r.follow(ctx, h)
}

func (d *Driver) forget(name string, id keeper.Identity) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keepers[name] == id {
		delete(d.keepers, name)
	}
	d.unpause(id)
}

// begin adopts the unit when it runs with the same specification, or starts it. Two supervisors that do
// this at once end up with one run between them. Where the machine is short of something it tries again.
func (d *Driver) begin(ctx context.Context, spec keeper.Spec, h driver.Hooks) (*run, error) {
	deadline := time.Now().Add(spec.Grace + 10*time.Second)
	more := 3
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 160*time.Millisecond) {
		r, err := d.adopt(ctx, spec)
		if r == nil && err == nil {
			r, err = d.start(ctx, spec, h)
		}
		if short(err) && more > 0 {
			more--
			if err := pause(ctx, wait); err != nil {
				return nil, err
			}
			continue
		}
		if !errors.Is(err, errBusy) || time.Now().After(deadline) {
			return r, err
		}
		if wait >= 20*time.Millisecond { // that is not the moment between a start and its record
			if err := d.rouse(spec.Unit); err != nil {
				return nil, err
			}
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// errBusy says that another keeper holds the unit: it is starting or ending.
var errBusy = errors.New("another keeper holds it")

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// spec turns u into what a keeper is told.
func (d *Driver) spec(u driver.Unit) (keeper.Spec, error) {
	s := keeper.Spec{
		Protocol: keeper.Protocol, Unit: u.Name, RunDir: d.RunDir, LogDir: u.LogDir, Stack: d.Stack,
		Argv: u.Argv, Dir: u.Dir, Env: keeper.WithMarkers(u.Env, d.Stack, u.Name),
		Grace: u.Grace, Memory: u.Memory, CPU: u.CPU, Ephemeral: u.Ephemeral, Restarts: u.Restarts,
	}
	if s.Grace <= 0 {
		s.Grace = 10 * time.Second
	}
	if len(u.Argv) == 0 {
		return s, errors.New("it has no command")
	}
	if s.LogDir == "" {
		s.LogDir = filepath.Join(d.RunDir, u.Name+".log")
	}
	var err error
	if s.Signal, err = signalNumber(u.Signal); err != nil {
		return s, err
	}
	if s.User, err = lookup(u.User); err != nil {
		return s, err
	}
	s.Hash, err = hash(u)
	return s, err
}

// hash is equal for units of which one may be adopted as the other.
func hash(u driver.Unit) (string, error) {
	u.Restarts = 0
	b, err := json.Marshal(u)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
}

// signalNumber returns the signal of that name, "TERM" or "SIGTERM", TERM for "".
func signalNumber(name string) (unix.Signal, error) {
	if name == "" {
		return unix.SIGTERM, nil
	}
	for _, full := range []string{name, "SIG" + name} {
		if n := unix.SignalNum(full); n != 0 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("unknown signal %q", name)
}
