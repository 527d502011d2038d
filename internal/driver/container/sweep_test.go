package container

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"msctl.dev/msctl/internal/driver"
)

// TestSweepOwnOnly is G4: a sweep takes the containers, networks and, where asked, volumes of its own stack,
// and leaves those of another checkout of the same name.
func TestSweepOwnOnly(t *testing.T) {
	mine, other := newDriver(t), newDriver(t)
	for _, d := range []*Driver{mine, other} {
		u := shell(t, "svc", "sleep 1000")
		u.Mounts = []driver.Mount{{Source: "data", Target: "/data"}}
		r := start(t, d, u)
		r.up(t)
		_, err := d.link.Load().cli.NetworkCreate(t.Context(), "msctl-"+d.Stack, network.CreateOptions{Labels: map[string]string{labelStack: d.Stack}})
		if err != nil {
			t.Fatal(err)
		}
		r.cancel(driver.ErrDetach)
		r.end(t)
	}
	sweep := &Driver{Stack: mine.Stack} // it needs no state
	if n, err := sweep.Sweep(t.Context(), false); n != 2 || err != nil {
		t.Errorf("swept %d, %v, want container and network", n, err)
	}
	if left := leftovers(t, mine); left != 1 {
		t.Errorf("%d left, want the volume", left)
	}
	if n, err := sweep.Sweep(t.Context(), true); n != 1 || err != nil {
		t.Errorf("swept %d, %v, want the volume", n, err)
	}
	if left := leftovers(t, other); left != 3 {
		t.Errorf("the other stack has %d left of 3", left)
	}
}

// TestPrune ends what an earlier supervisor left of units that the stack no longer has, and nothing else:
// neither what stays nor another stack's unit of the same name.
func TestPrune(t *testing.T) {
	d, other := newDriver(t), newDriver(t)
	ids := map[string]string{}
	for _, name := range []string{"kept", "removed", "renamed"} {
		r := start(t, d, shell(t, name, "sleep 1000"))
		ids[name] = r.up(t).Container
		r.cancel(driver.ErrDetach)
		r.end(t)
	}
	theirs := start(t, other, shell(t, "removed", "sleep 1000"))
	theirs.up(t)
	next := &Driver{Stack: d.Stack}
	if n, err := next.Prune(t.Context(), []string{"kept", "new"}); n != 2 || err != nil {
		t.Errorf("pruned %d, %v, want the two that are no more", n, err)
	}
	if n, err := next.Prune(t.Context(), []string{"kept"}); n != 0 || err != nil {
		t.Errorf("pruned %d, %v a second time", n, err)
	}
	left, err := list(t.Context(), next.link.Load().cli, d.Stack)
	if err != nil || len(left) != 1 || left[0].ID != ids["kept"] || left[0].State != container.StateRunning {
		t.Errorf("left %v, %v, want the kept one to run", left, err)
	}
	if left := leftovers(t, other); left != 1 {
		t.Errorf("the other stack has %d left of 1", left)
	}
}

// freePort returns a port that nothing listens on now.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// TestLoopbackOnly is G7 and C6: what a unit publishes is on 127.0.0.1, what its image exposes besides is
// not published, and nothing is privileged or sees the engine's socket.
func TestLoopbackOnly(t *testing.T) {
	d := newDriver(t)
	with := driver.Unit{Name: "with", Image: "redis:7", Ports: []driver.Port{{Name: "redis", Host: freePort(t), Inside: 6379}}}
	without := driver.Unit{Name: "without", Image: "redis:7"}
	for _, u := range []driver.Unit{with, without} {
		id := start(t, d, u).up(t).Container
		c, err := d.link.Load().cli.ContainerInspect(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for in, bound := range c.NetworkSettings.Ports {
			for _, b := range bound {
				n++
				if b.HostIP != "127.0.0.1" {
					t.Errorf("%s: %s is published on %q", u.Name, in, b.HostIP)
				}
			}
		}
		if n != len(u.Ports) {
			t.Errorf("%s: %d ports published: %v", u.Name, n, c.NetworkSettings.Ports)
		}
		if c.HostConfig.Privileged || len(c.Mounts) > 0 && slices.ContainsFunc(c.HostConfig.Binds, func(string) bool { return true }) {
			t.Errorf("%s: privileged %v, binds %v", u.Name, c.HostConfig.Privileged, c.HostConfig.Binds)
		}
		if c.HostConfig.Init == nil || !*c.HostConfig.Init {
			t.Errorf("%s has no init", u.Name)
		}
	}
	addr := fmt.Sprintf("127.0.0.1:%d", with.Ports[0].Host)
	eventually(t, "redis on "+addr, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// TestPortTaken says so in one line and leaves nothing behind.
func TestPortTaken(t *testing.T) {
	d := newDriver(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	u := shell(t, "svc", "sleep 1000")
	u.Ports = []driver.Port{{Name: "http", Host: ln.Addr().(*net.TCPAddr).Port, Inside: 80}}
	_, err = d.Run(t.Context(), u, driver.Hooks{})
	want := fmt.Sprintf("start svc: port %s is taken by another program", ln.Addr())
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if left := leftovers(t, d); left != 0 {
		t.Errorf("%d left", left)
	}
}

// TestHostNetwork shows that a container service reaches what listens on 127.0.0.1 of the host only.
func TestHostNetwork(t *testing.T) {
	d := newDriver(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 1)
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} })}
	defer srv.Close()
	go func() { _ = srv.Serve(ln) }()
	port := ln.Addr().(*net.TCPAddr).Port
	u := shell(t, "svc", "exit 0")
	u.Argv = []string{"bash", "-c", fmt.Sprintf(`exec 3<>/dev/tcp/127.0.0.1/%d; printf 'GET / HTTP/1.0\r\n\r\n' >&3; head -1 <&3`, port)}
	u.HostNetwork = true
	r := start(t, d, u)
	if e := r.end(t); !e.OK() {
		t.Errorf("exit %+v: %q", e, lines(t, u))
	}
	if len(asked) != 1 {
		t.Error("not asked")
	}
}

// TestCancelledStart leaves nothing, at whatever moment it is cancelled.
func TestCancelledStart(t *testing.T) {
	d := newDriver(t)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		var calls atomic.Int64 // requests come on several connections at once
		c := newCutter(t, func(string) func() {
			if calls.Add(1) == 12 {
				cancel()
			}
			return nil
		})
		own := &Driver{Stack: d.Stack, Host: c.host(), ImagePrefix: d.ImagePrefix}
		e, err := own.Run(ctx, shell(t, "svc", "sleep 1000"), driver.Hooks{})
		if !e.Asked || err != nil {
			t.Errorf("got %+v, %v", e, err)
		}
		if left := leftovers(t, d); left != 0 {
			t.Errorf("%d left", left)
		}
		cancel()
	}
}
