package fleet

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// canary is a stack in which a calls b, and c takes a share of its calls.
func canary(dir string, b, c int) *stack.Stack {
	st := listening(dir, 0, 0, 0)
	st.Services[0].Calls = []stack.Call{{To: "b", Protocol: "http"}}
	st.Edges = []stack.Edge{{From: "a", To: "b", Protocol: "http"}}
	if b+c > 0 {
		st.Services[1].Weights = []stack.Share{{Service: "b", Weight: b}, {Service: "c", Weight: c}}
	}
	return st
}

// shares returns "b 90, c 10" of the edge from a to b.
func shares(t *testing.T, f *Fleet) string {
	t.Helper()
	var all []string
	for _, target := range edgeNamed(t, f, "a:b").Targets {
		all = append(all, fmt.Sprint(target.Unit, " ", target.Weight))
	}
	return strings.Join(all, ", ")
}

// TestCanary is H11 for weights: they change with the stack, without a restart of anyone and with the same
// connections, and what is not ready gets nothing.
func TestCanary(t *testing.T) {
	dir := t.TempDir()
	fake := &drivertest.Fake{}
	o := options(t, canary(dir, 90, 10), fake)
	next := canary(dir, 50, 50)
	o.Load = func() (*stack.Stack, error) { return next, nil }
	r := run(t, o, fake)
	if err := r.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := shares(t, r.Fleet), "b 90, c 10"; got != want {
		t.Errorf("a calls %s, want %s", got, want)
	}
	at := edgeNamed(t, r.Fleet, "a:b").Addr
	for _, step := range []struct {
		b, c int
		want string
	}{{50, 50, "b 50, c 50"}, {0, 100, "c 100"}, {0, 0, "b 1"}} {
		next = canary(dir, step.b, step.c)
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := shares(t, r.Fleet); got != step.want {
			t.Errorf("weights %d and %d: a calls %s, want %s", step.b, step.c, got, step.want)
		}
	}
	if got := edgeNamed(t, r.Fleet, "a:b").Addr; got != at {
		t.Errorf("the edge moved from %s to %s", at, got)
	}
	next = canary(dir, 90, 10)
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), []string{"c"}); err != nil {
		t.Fatal(err)
	}
	if got, want := shares(t, r.Fleet), "b 90"; got != want {
		t.Errorf("with c down a calls %s, want %s", got, want)
	}
	for _, name := range []string{"a", "b", "c"} {
		if n := fake.Starts(name); n != 1 {
			t.Errorf("%s was started %d times", name, n)
		}
	}
	r.end(nil)
	if _, err := net.Dial("tcp", at); err == nil {
		t.Error("the edge is open after the end")
	}
}

// TestMeshOffEdges checks that what goes past msctl is listed with the reason, and nothing is opened.
func TestMeshOffEdges(t *testing.T) {
	st := canary(t.TempDir(), 0, 0)
	st.NoMesh = true
	fake := &drivertest.Fake{}
	r := run(t, options(t, st, fake), fake)
	if err := r.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	want := []state.Edge{{From: "a", To: "b", Listen: "http", Protocol: "http", Direct: "mesh: off in the stack", Addr: r.get("b").Ports[0].Addr}}
	if diff := cmp.Diff(want, r.Edges()); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	r.end(nil)
}

// TestScaleHardCoded checks that a program with a port of its own cannot be scaled.
func TestScaleHardCoded(t *testing.T) {
	st := listening(t.TempDir(), 0)
	st.Services[0].Listen[0].Inside = freePort(t)
	fake := &drivertest.Fake{}
	r := run(t, options(t, st, fake), fake)
	if err := r.Scale(t.Context(), "a", 2); err == nil || !strings.Contains(err.Error(), "cannot all open port") {
		t.Errorf("got %v", err)
	}
	r.end(nil)
}

// TestEdgePortLost checks a change whose new edge cannot be opened because somebody was quicker: it is an
// error, and those whom the change has stopped run again all the same.
func TestEdgePortLost(t *testing.T) {
	dir := t.TempDir()
	before, after := listening(dir, 0, 0), canary(dir, 0, 0)
	after.Services = after.Services[:2]
	fake := &drivertest.Fake{}
	o := options(t, before, fake)
	o.Load = func() (*stack.Stack, error) { return after, nil }
	r := run(t, o, fake)
	if err := r.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r.mesh.listen = func(network, at string) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Err: syscall.EADDRINUSE}
	}
	if err := r.Reload(t.Context()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
	r.untilReady("a")
	r.untilReady("a") // once before the change, and once after it
	r.end(nil)
}

// starving is a listener that is out of file descriptors.
type starving struct{ net.Listener }

func (s starving) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
}

// TestEdgeStarved is H3: whoever follows the fleet hears that an edge has no descriptors for its callers.
func TestEdgeStarved(t *testing.T) {
	dir := t.TempDir()
	fake := &drivertest.Fake{}
	o := options(t, listening(dir, 0, 0, 0), fake)
	o.Load = func() (*stack.Stack, error) { return canary(dir, 0, 0), nil }
	r := run(t, o, fake)
	if err := r.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r.mesh.listen = func(network, at string) (net.Listener, error) {
		ln, err := net.Listen(network, at)
		return starving{ln}, err
	}
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.untilNotice("edge a:b lets connections wait: accept")
	r.end(nil)
}
