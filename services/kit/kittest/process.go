package kittest

import (
	"bytes"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is the user that servers run as where the test runs as root, which they refuse.
const nobody = 65534

// startFor bounds the start of a server. One that hangs is found late, one on a machine with much
// else to do is left in peace.
const startFor = 2 * time.Minute

// folder makes one for a server's data, with a short path: it may hold sockets.
func folder(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// command makes one that runs in dir, unprivileged.
func command(dir, program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = dir
	c.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	c.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return c
}

// process is a server in a process group of its own.
type process struct {
	cmd   *exec.Cmd
	out   bytes.Buffer  // complete once ended is closed
	ended chan struct{} // closed when the process is no more
}

// spawn starts a server, which is killed when the test ends.
func spawn(t testing.TB, dir string, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(dir, program, args...), ended: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.SysProcAttr.Setpgid = true
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // it was told to end, or else p.out says why it did
	}()
	t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if t.Failed() && testing.Verbose() {
			t.Logf("%s: %s", filepath.Base(program), strings.ToValidUTF8(p.out.String(), "?"))
		}
	})
	return p
}

// end sends a signal to the whole group, and waits.
func (p *process) end(sig syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, sig) // it may have ended
	<-p.ended
}

// until polls answers until it holds, and fails the test where the server ends instead.
func (p *process) until(t testing.TB, answers func() bool) {
	t.Helper()
	name := filepath.Base(p.cmd.Path)
	deadline := time.Now().Add(startFor)
	for !answers() {
		select {
		case <-p.ended:
			t.Fatalf("%s ended: %s", name, strings.ToValidUTF8(p.out.String(), "?"))
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer after %v", name, startFor)
		}
	}
}

// freePort returns a port that nobody listens on. It is below those that the system gives to
// outgoing connections, so that none takes it before the server does.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10000 + rand.N(20000)
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
