package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"msctl.dev/msctl/internal/state"
)

func TestMain(m *testing.M) {
	if done := dialAsOther(); done {
		return
	}
	goleak.VerifyTestMain(m)
}

// fake is a fleet that remembers what was asked and refuses the unit "nobody".
type fake struct {
	*state.Store
	mu     sync.Mutex
	asked  []string
	faults []state.Fault
	down   chan struct{}
}

func newFake() *fake {
	return &fake{
		Store: state.NewStore(state.Snapshot{Stack: "shop", Units: []state.Unit{{Name: "web", Phase: state.Starting}}}),
		down:  make(chan struct{}),
	}
}

func (f *fake) ask(what string, names ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(names, "nobody") {
		return errors.New(what + ": unknown service \"nobody\"")
	}
	f.asked = append(append(f.asked, what), names...)
	return nil
}

func (f *fake) Start(_ context.Context, names []string) error   { return f.ask("start", names...) }
func (f *fake) Stop(_ context.Context, names []string) error    { return f.ask("stop", names...) }
func (f *fake) Restart(_ context.Context, names []string) error { return f.ask("restart", names...) }
func (f *fake) Reload(context.Context) error                    { return f.ask("reload") }
func (f *fake) Scale(_ context.Context, service string, _ int) error {
	return f.ask("scale", service)
}
func (f *fake) Environment(_ context.Context, unit string) (state.Environment, error) {
	return state.Environment{Dir: "/srv", Env: []string{"A=1"}}, f.ask("environment", unit)
}
func (f *fake) Down(bool) { close(f.down) }

func (f *fake) Edges() []state.Edge {
	return []state.Edge{{From: "web", To: "api", Protocol: "http", Mesh: true, Requests: 7, P95: time.Second}}
}

func (f *fake) Faults(context.Context) ([]state.Fault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults, nil
}

func (f *fake) AddFaults(_ context.Context, faults []state.Fault) ([]state.Fault, error) {
	for i := range faults {
		if err := f.ask("fault", faults[i].Target); err != nil {
			return nil, err
		}
		faults[i].ID = "given"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
	return faults, nil
}

func (f *fake) RemoveFaults(_ context.Context, ids []string) (int, error) {
	if ids[0] != "given" {
		return 0, fmt.Errorf("lift %s: %w", ids[0], state.ErrUnknownFault)
	}
	return 1, f.ask("remove", ids[0])
}

func (f *fake) ClearFaults(_ context.Context, target string) (int, error) {
	return len(f.faults), f.ask("clear", target)
}

func (f *fake) KeepLease(_ context.Context, name string) error { return f.ask("keep", name) }

// ended is what a supervisor gives the server: it blocks until the fleet is down.
func (f *fake) ended(ctx context.Context) (Ended, error) {
	select {
	case <-f.down:
		return Ended{}, nil
	case <-ctx.Done():
		return Ended{}, ctx.Err()
	}
}

// serve runs a server for f until the test ends and returns its socket.
func serve(t *testing.T, f *fake) string {
	t.Helper()
	path := SocketPath(shortDir(t), "0123456789abcdef")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	s := &Server{Fleet: f, Info: Info{Version: "test", PID: os.Getpid()}, Ended: f.ended}
	go func() { served <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return path
}

// shortDir is a folder whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestClientAsksFleet(t *testing.T) {
	f := newFake()
	c := dial(t, serve(t, f))
	ctx := t.Context()
	snap, err := c.Snapshot(ctx)
	if err != nil || snap.Stack != "shop" || len(snap.Units) != 1 {
		t.Errorf("snapshot: got %+v, %v", snap, err)
	}
	env, err := c.Environment(ctx, "web")
	if want := (state.Environment{Dir: "/srv", Env: []string{"A=1"}}); err != nil || !cmp.Equal(env, want) {
		t.Errorf("environment: got %+v, %v, want %+v", env, err, want)
	}
	for _, err := range []error{
		c.Start(ctx, []string{"a"}), c.Stop(ctx, []string{"b", "c"}), c.Restart(ctx, nil),
		c.Scale(ctx, "web", 3), c.Reload(ctx),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{"environment", "web", "start", "a", "stop", "b", "c", "restart", "scale", "web", "reload"}
	if diff := cmp.Diff(f.asked, want); diff != "" {
		t.Errorf("asked (-got +want):\n%s", diff)
	}
	var refusal *Refusal
	if err := c.Start(ctx, []string{"nobody"}); !errors.As(err, &refusal) || refusal.Status != 409 {
		t.Errorf("start of an unknown service: got %v, want a refusal", err)
	}
	if _, err := c.Down(ctx, true); err != nil {
		t.Errorf("down: %v", err)
	}
}

func TestFollowDeliversEventsInOrder(t *testing.T) {
	f := newFake()
	c := dial(t, serve(t, f))
	for range 3 {
		f.Publish(state.Event{Kind: state.KindNotice})
	}
	var got []uint64
	enough := errors.New("enough")
	err := c.Follow(t.Context(), 1, func(ev state.Event) error {
		got = append(got, ev.Seq)
		if ev.Seq == 3 {
			f.Publish(state.Event{Kind: state.KindNotice})
		}
		if ev.Seq == 4 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !slices.Equal(got, []uint64{2, 3, 4}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestDownWaitsForTheEnd(t *testing.T) {
	f := newFake()
	path := SocketPath(shortDir(t), "a")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	s := &Server{Fleet: f, Ended: func(ctx context.Context) (Ended, error) {
		<-f.down
		cancel() // as the supervisor does: the server ends while the answer is under way
		return Ended{Left: 2}, nil
	}}
	go func() { served <- s.Serve(ctx, ln) }()
	c := dial(t, path)
	ended, err := c.Down(t.Context(), false)
	if err != nil || ended.Left != 2 {
		t.Errorf("got %+v, %v, want 2 left", ended, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestStoppedServer is promise B11: a supervisor that does not run is named within the deadline.
func TestStoppedServer(t *testing.T) {
	path := filepath.Join(shortDir(t), "s.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // it accepts by the kernel's backlog and never answers
	begun := time.Now()
	_, err = Dial(t.Context(), path)
	if !errors.Is(err, ErrNotAnswering) || time.Since(begun) > 2*Answer {
		t.Errorf("got %v after %v, want %v", err, time.Since(begun), ErrNotAnswering)
	}
	if got := Owner(t.Context(), path); got != os.Getpid() {
		t.Errorf("owner: got %d, want %d", got, os.Getpid())
	}
}
