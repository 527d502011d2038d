package fleet

import (
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
)

// listening makes a stack of services that each listen on one port; 0 is an automatic one.
func listening(dir string, ports ...int) *stack.Stack {
	st := stackOf(dir)
	for i, port := range ports {
		name := string(rune('a' + i))
		st.Services = append(st.Services, &stack.Service{
			Name: name, Dir: dir, Language: stack.Command, Command: []string{"true"}, Replicas: 1,
			Listen: []stack.Listen{{Name: "http", Port: port, Pos: stack.Pos{File: "stack.yaml", Line: 7 + i, Col: 20}}},
		})
	}
	return st
}

func ports(t *testing.T, o Options) Ports {
	t.Helper()
	p, err := NewPlan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p.Ports
}

// TestTakenPort is C1 and C3: a fixed port that somebody listens on, on whatever address, is an error that
// names who, what and where, before anything is started.
func TestTakenPort(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::1]:0"} {
		t.Run(at, func(t *testing.T) {
			ln, err := net.Listen("tcp", at)
			if err != nil {
				t.Skipf("needs %s: %v", at, err)
			}
			defer ln.Close()
			port := ln.Addr().(*net.TCPAddr).Port
			fake := &drivertest.Fake{}
			o := options(t, listening(t.TempDir(), 0, port), fake)
			_, err = New(o)
			var taken *PortTaken
			if !errors.As(err, &taken) {
				t.Fatalf("got %v, want a taken port", err)
			}
			if taken.Holder.PID != os.Getpid() || taken.Service != "b" || taken.Port != port {
				t.Errorf("got %+v", taken)
			}
			for _, part := range []string{"stack.yaml:8:20", "port " + strconv.Itoa(port) + " of b", "process " + strconv.Itoa(os.Getpid()), "fleet.test"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
			o.Isolated = true
			if got := ports(t, o)["b/http"]; got == port || got == 0 {
				t.Errorf("an isolated copy got port %d", got)
			}
		})
	}
}

// TestStablePorts checks that automatic ports stay over restarts and edits, and come back when ports.json
// is lost.
func TestStablePorts(t *testing.T) {
	o := options(t, listening(t.TempDir(), 0, 0, 0), &drivertest.Fake{})
	first := ports(t, o)
	if second := ports(t, o); first["a/http"] != second["a/http"] || first["c/http"] != second["c/http"] {
		t.Errorf("got %v, then %v", first, second)
	}
	all := o.Stack
	o.Stack = listening(t.TempDir(), 0)
	ports(t, o) // the others are not run this time
	o.Stack = all
	if third := ports(t, o); third["c/http"] != first["c/http"] {
		t.Errorf("c had %d and has %d", first["c/http"], third["c/http"])
	}
	if err := os.WriteFile(filepath.Join(o.StateDir, "ports.json"), []byte(`{"a/http": "rubb`), 0o600); err != nil {
		t.Fatal(err)
	}
	if fourth := ports(t, o); fourth["b/http"] != first["b/http"] {
		t.Errorf("b had %d and has %d", first["b/http"], fourth["b/http"])
	}
}

// TestPortsOfGoneEdges checks that the port of an edge is kept while the stack has the edge, whether it is run or not,
// and not for ever.
func TestPortsOfGoneEdges(t *testing.T) {
	o := options(t, listening(t.TempDir(), 0, 0, 0), &drivertest.Fake{})
	o.Stack.Edges = []stack.Edge{{From: "a", To: "b"}, {From: "a", To: "c"}}
	first := ports(t, o)
	kept := func() map[string]string { return PastEdges(o.StateDir) }
	if got := kept(); len(got) != 2 {
		t.Fatalf("kept %v, want two edges", got)
	}
	o.Services = []string{"b"}
	ports(t, o) // neither edge is run this time
	if got := kept(); len(got) != 2 {
		t.Errorf("kept %v, want those of what is not run", got)
	}
	o.Services, o.Stack.Edges = nil, o.Stack.Edges[1:]
	if again := ports(t, o); again["edge/a:c/http"] != first["edge/a:c/http"] {
		t.Errorf("the edge that stays had port %d and has %d", first["edge/a:c/http"], again["edge/a:c/http"])
	}
	if got, want := kept(), map[string]string{addr(first["edge/a:c/http"]): "a:c"}; !maps.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
}

// TestPastEdges finds in the state folder where msctl stood in earlier runs: between services, and not in
// front of a file.
func TestPastEdges(t *testing.T) {
	dir := t.TempDir()
	if err := writePorts(filepath.Join(dir, portsFile), Ports{"edge/a:b/http": 20001, "edge/a:b/grpc": 20002, "b/http": 20003, "#otlp/http": 20004}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"127.0.0.1:20001": "a:b", "127.0.0.1:20002": "a:b"}
	if got := PastEdges(dir); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := PastEdges(t.TempDir()); len(got) != 0 {
		t.Errorf("a stack that never ran had edges: %v", got)
	}
}

// TestAutoPortTaken checks that an automatic port that somebody has taken meanwhile is given up.
func TestAutoPortTaken(t *testing.T) {
	o := options(t, listening(t.TempDir(), 0), &drivertest.Fake{})
	before := ports(t, o)["a/http"]
	ln, err := net.Listen("tcp", addr(before))
	if err != nil {
		t.Skipf("port %d was taken meanwhile: %v", before, err)
	}
	defer ln.Close()
	if now := ports(t, o)["a/http"]; now == before {
		t.Errorf("got port %d, which is taken", now)
	}
}

// TestParallelStacks is C5: stacks that choose at the same moment, or lie still, share no automatic port.
func TestParallelStacks(t *testing.T) {
	shared := t.TempDir()
	var mu sync.Mutex
	seen := map[int]int{}
	var stacks sync.WaitGroup
	for range 12 {
		o := options(t, listening(t.TempDir(), 0, 0, 0, 0, 0), &drivertest.Fake{})
		o.PortsDir = shared
		stacks.Go(func() {
			p, err := NewPlan(context.Background(), o)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, port := range p.Ports {
				seen[port]++
			}
		})
	}
	stacks.Wait()
	if got, want := len(seen), 12*5; got != want {
		t.Errorf("%d different ports, want %d", got, want)
	}
}

// TestSwap is E6: two services that swap their fixed ports in one edit both come up on the other's.
func TestSwap(t *testing.T) {
	one, two := freePort(t), freePort(t)
	dir := t.TempDir()
	fake := &drivertest.Fake{}
	o := options(t, listening(dir, one, two, 0), fake)
	o.Load = func() (*stack.Stack, error) { return listening(dir, two, one, 0), nil }
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		if err := r.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int{"a": two, "b": one} {
			if u, _ := fake.Unit(name); len(u.Ports) != 1 || u.Ports[0].Host != want {
				t.Errorf("%s runs on %v, want %d", name, u.Ports, want)
			}
		}
		if got := fake.Starts("c"); got != 1 {
			t.Errorf("c was started %d times for an edit of others", got)
		}
		r.end(nil)
	})
}
