package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// fronts reports whether msctl holds the own ports of a service.
func (r *rig) fronts(service string) bool {
	return slices.ContainsFunc(r.Edges(), func(e state.Edge) bool { return e.From == "" && e.To == service })
}

// targets names the units that the edge from a to b leads to.
func (r *rig) targets(t *testing.T) string {
	t.Helper()
	var all []string
	for _, target := range edgeNamed(t, r.Fleet, "a:b").Targets {
		all = append(all, target.Unit)
	}
	return strings.Join(all, " ")
}

// TestScaledGoesOn checks that the only replica of a service which is called over edges goes on at its own address when
// others come beside it and go, and that msctl takes the address over when that replica is run anew.
func TestScaledGoesOn(t *testing.T) {
	fake := &drivertest.Fake{}
	o := options(t, canary(t.TempDir(), 0, 0), fake)
	r := run(t, o, fake)
	if err := r.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	url := r.get("b").URL
	for _, step := range []struct {
		n       int
		targets string
	}{{2, "b b-2"}, {1, "b"}, {3, "b b-2 b-3"}} {
		if err := r.Scale(t.Context(), "b", step.n); err != nil {
			t.Fatal(err)
		}
		if got := r.targets(t); got != step.targets || r.fronts("b") {
			t.Errorf("scaled to %d: a calls %s, msctl in front of b is %t", step.n, got, r.fronts("b"))
		}
		if got := r.get("b").URL; got != url || fake.Starts("b") != 1 || fake.Starts("a") != 1 {
			t.Errorf("scaled to %d: b is at %s, was at %s, starts of b %d and of a %d", step.n, got, url, fake.Starts("b"), fake.Starts("a"))
		}
	}
	if got, want := r.get("b-2").URL, "http://"+r.get("b-2").Ports[0].Addr; got != want || got == url {
		t.Errorf("b-2 is shown at %s, want its own %s", got, want)
	}
	first := r.unit("b")
	first.mu.Lock()
	first.order.run = false // as while it is being stopped
	first.mu.Unlock()
	if !r.present(nil).holds["b"] {
		t.Error("the port of b is taken for free while b ends")
	}
	second := fake.Starts("b-2")
	if err := r.Restart(t.Context(), []string{"b"}); err != nil {
		t.Fatal(err)
	}
	if !r.fronts("b") || r.get("b").URL != url || r.get("b-2").URL != url || "http://"+r.get("b").Ports[0].Addr == url {
		t.Errorf("restarted: b is shown at %s and runs at %s, want %s in front of it", r.get("b").URL, r.get("b").Ports[0].Addr, url)
	}
	if fake.Starts("b") != 2 || fake.Starts("b-2") != second+1 {
		t.Errorf("restarted: b was started %d times, b-2 %d times, want 2 and %d", fake.Starts("b"), fake.Starts("b-2"), second+1)
	}
	if err := r.Scale(t.Context(), "b", 1); err != nil {
		t.Fatal(err)
	}
	if !r.fronts("b") || fake.Starts("b") != 2 {
		t.Errorf("scaled to 1: msctl in front of b is %t, b was started %d times", r.fronts("b"), fake.Starts("b"))
	}
	r.end(nil)
	if got := "http://" + addr(ports(t, o)["b/http"]); got != url {
		t.Errorf("the next time b is at %s, was at %s", got, url)
	}
}

// TestScaledStopped checks that a first replica that has the service's own address gives it up when the service is
// stopped and started.
func TestScaledStopped(t *testing.T) {
	fake := &drivertest.Fake{}
	r := run(t, options(t, canary(t.TempDir(), 0, 0), fake), fake)
	if err := r.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	url := r.get("b").URL
	if err := r.Scale(t.Context(), "b", 2); err != nil {
		t.Fatal(err)
	}
	if got, want := notices(t, r.Fleet), []string{apart("b")}; !slices.Equal(got, want) {
		t.Errorf("got notices %q, want %q", got, want)
	}
	if err := r.Stop(t.Context(), []string{"b"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), []string{"b"}); err != nil {
		t.Fatal(err)
	}
	if !r.fronts("b") || r.get("b").URL != url || "http://"+r.get("b").Ports[0].Addr == url || r.targets(t) != "b b-2" {
		t.Errorf("b is shown at %s and runs at %s, want %s in front of it; a calls %s", r.get("b").URL, r.get("b").Ports[0].Addr, url, r.targets(t))
	}
	if fake.Starts("a") != 1 || fake.Starts("b") != 2 || fake.Starts("b-2") != 2 {
		t.Errorf("a was started %d times, b %d and b-2 %d, want 1, 2 and 2", fake.Starts("a"), fake.Starts("b"), fake.Starts("b-2"))
	}
	r.end(nil)
}

// TestScaledGoesPast checks that msctl takes a service's address over at once where that is how its replicas are
// reached: someone goes past the edges.
func TestScaledGoesPast(t *testing.T) {
	fake := &drivertest.Fake{}
	st := canary(t.TempDir(), 0, 0)
	st.Services[2].Calls = []stack.Call{{To: "b", Protocol: "http", Direct: true}}
	st.Edges = append(st.Edges, stack.Edge{From: "c", To: "b", Protocol: "http"})
	r := run(t, options(t, st, fake), fake)
	if err := r.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Scale(t.Context(), "b", 2); err != nil {
		t.Fatal(err)
	}
	if !r.fronts("b") || fake.Starts("b") != 2 {
		t.Errorf("msctl in front of b is %t, b was started %d times", r.fronts("b"), fake.Starts("b"))
	}
	r.end(nil)
}

// TestReplicasWritten is [TestScaledGoesOn] for a number in stack.yaml: b goes on when that alone changes, and gives its
// address up when it is run anew for another change. It is where it was in any case.
func TestReplicasWritten(t *testing.T) {
	dir := t.TempDir()
	fake := &drivertest.Fake{}
	o := options(t, canary(dir, 0, 0), fake)
	next := canary(dir, 0, 0)
	o.Load = func() (*stack.Stack, error) { return next, nil }
	r := run(t, o, fake)
	if err := r.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	url := r.get("b").URL
	for _, step := range []struct {
		command string
		starts  int
		fronts  bool
	}{{"true", 1, false}, {"false", 2, true}, {"false", 2, true}} {
		next = canary(dir, 0, 0)
		next.Services[1].Replicas, next.Services[1].Command = 2, []string{step.command}
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := fake.Starts("b"); got != step.starts || r.fronts("b") != step.fronts || r.get("b").URL != url || r.targets(t) != "b b-2" {
			t.Errorf("command %s: b was started %d times, is at %s, msctl in front of it is %t, a calls %s", step.command, got, r.get("b").URL, r.fronts("b"), r.targets(t))
		}
	}
	r.end(nil)
}

// TestScaleUnderLoad is H11 for a service that has one replica: it is scaled up and down and restarted while it is
// called over an edge and, but for the restart, at its own address. No request fails and the first replica goes on.
func TestScaleUnderLoad(t *testing.T) {
	p := newMeshProject(t)
	p.write("stack.yaml", strings.NewReplacer("PUBLIC", fmt.Sprint(freePort(t)), "    replicas: 2\n    weights: {a: 3, next: 1}\n", "").Replace(meshStack))
	var err error
	if p.o.Stack, err = p.o.Load(); err != nil {
		t.Fatal(err)
	}
	r := p.up()
	before := r.get("a")
	limit, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	inside, stopInside := context.WithCancel(t.Context())
	outside, stopOutside := context.WithCancel(t.Context())
	var asked atomic.Int64
	waitInside, waitOutside := calls(inside, r.get("b").URL, &asked), calls(outside, before.URL, &asked)
	for _, n := range []int{2, 1, 2} {
		if err := r.Scale(limit, "a", n); err != nil {
			t.Error(err)
		}
		if now := r.get("a"); now.PID != before.PID || now.URL != before.URL {
			t.Errorf("scaled to %d: a is %d at %s, was %d at %s", n, now.PID, now.URL, before.PID, before.URL)
		}
	}
	stopOutside()
	wrong := waitOutside()
	if err := r.Restart(limit, []string{"a"}); err != nil {
		t.Error(err)
	}
	stopInside()
	wrong = append(wrong, waitInside()...)
	if len(wrong) > 0 {
		t.Errorf("%d of %d requests failed, the first with %q", len(wrong), asked.Load(), wrong[0])
	}
	said := answers(before.URL, 2)
	if len(said) != 2 || r.get("a").URL != before.URL || r.get("a").PID == before.PID {
		t.Errorf("restarted: %v answer at %s, a is %d at %s", said, before.URL, r.get("a").PID, r.get("a").URL)
	}
	r.end(nil)
}
