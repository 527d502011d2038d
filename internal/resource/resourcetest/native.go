// Package resourcetest starts real servers for the tests of other packages.
package resourcetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/resource/embedded"
	"msctl.dev/msctl/internal/stack"
)

// Embedded lets a test binary stand in for msctl: `TESTBINARY embedded nats …` is the server. It reports
// whether it was one, which has ended; a TestMain then returns.
func Embedded() bool {
	if len(os.Args) < 2 || os.Args[1] != "embedded" {
		return false
	}
	if err := embedded.Main(context.Background(), os.Args[2:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// Native starts a server that is installed on this machine and returns where its one resource is. It ends
// with the test, beside which others may run. programs are those that the machine must have.
func Native(t *testing.T, kind string, programs ...string) resource.Endpoint {
	t.Helper()
	t.Parallel() // most of the time goes by while servers start and end
	need.Native(t, programs...)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	r := &stack.Resource{Name: "tested", Type: kind}
	cs, err := resource.Resolve(&stack.Stack{Name: "test", Dir: "/", Resources: []*stack.Resource{r}}, resource.Prober{}.Probe(ctx), "native")
	if err != nil {
		need.Missing(t, "native", err.Error())
	}
	s := resource.Servers(cs)[0]
	p := place(t, s)
	if err := s.Setup(ctx, p); err != nil {
		t.Fatal(err)
	}
	u, err := s.Unit(p)
	if err != nil {
		t.Fatal(err)
	}
	gone := run(t, u)
	for err := s.Ready(ctx, p); err != nil; err = s.Ready(ctx, p) {
		select {
		case <-gone:
			t.Fatalf("%s ended: %v", u.Name, err)
		case <-ctx.Done():
			t.Fatalf("%s not ready: %v", u.Name, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := s.Prepare(ctx, p, cs[0]); err != nil {
		t.Fatal(err)
	}
	return cs[0].Endpoint(p)
}

// place is a folder that others may pass: servers that root starts run as nobody.
func place(t *testing.T, s resource.Server) resource.Place {
	t.Helper()
	dir, err := os.MkdirTemp("", "server")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	p := resource.Place{DataDir: dir + "/data", CacheDir: dir + "/cache", LogDir: dir + "/logs", Exe: os.Args[0],
		Stack: rand.Text(), Secret: "a secret", Ports: map[string]int{}}
	for _, l := range s.Listens() {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // all at once, so that none is given twice
		p.Ports[l.Name] = ln.Addr().(*net.TCPAddr).Port
	}
	return p
}

// run runs a unit in a process group of its own until the test ends.
func run(t *testing.T, u driver.Unit) (gone <-chan struct{}) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(u.Argv[0], u.Argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = u.Dir, u.Env, &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if u.User != "" {
		who, err := user.Lookup(u.User)
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(who.Uid)
		gid, _ := strconv.Atoi(who.Gid)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		sig := syscall.SIGTERM
		if u.Signal == "INT" {
			sig = syscall.SIGINT
		}
		syscall.Kill(-cmd.Process.Pid, sig)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
		if t.Failed() {
			t.Logf("%s:\n%s", u.Name, out.Bytes())
		}
	})
	return ended
}
