package resource_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"os/user"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/container"
	logs "msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// running is a server under test.
type running struct {
	server resource.Server
	place  resource.Place
	stop   func() // politely, until it is gone; may be called twice
	gone   <-chan struct{}
	said   func() string // what it printed
	pgid   int           // 0 for a container
	kill   func()        // at once, a process only
}

// place makes a place with free ports, its folders in a short temporary folder that others may pass:
// servers that root starts run as nobody.
func place(t *testing.T, s resource.Server) resource.Place {
	t.Helper()
	dir, err := os.MkdirTemp("", "msctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := resource.Place{
		DataDir: dir + "/.msctl/data/" + s.Name, CacheDir: dir + "/.msctl/cache", LogDir: dir + "/.msctl/logs/" + s.Name,
		Exe: exe, Stack: "test" + strings.ToLower(rand.Text()), Secret: "a secret", Ports: map[string]int{},
	}
	for _, l := range s.Listens() {
		p.Ports[l.Name] = freePort(t)
	}
	return p
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// serverOf resolves one resource of a kind on this machine with the given runtime.
func serverOf(t *testing.T, m resource.Machine, runtime string, rs ...*stack.Resource) resource.Server {
	t.Helper()
	cs, err := resource.Resolve(&stack.Stack{Name: "test", Dir: "/", Resources: rs}, m, runtime)
	if err != nil {
		t.Fatal(err)
	}
	servers := resource.Servers(cs)
	if len(servers) != 1 {
		t.Fatalf("got %d servers, want 1", len(servers))
	}
	return servers[0]
}

// start sets a server up, runs it as a process and waits until it is ready.
func start(t *testing.T, s resource.Server, p resource.Place) running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	began := time.Now()
	if err := s.Setup(ctx, p); err != nil {
		t.Fatal(err)
	}
	setUp := time.Since(began)
	u, err := s.Unit(p)
	if err != nil {
		t.Fatal(err)
	}
	var r running
	if u.Image != "" {
		r = startContainer(t, u, p)
	} else {
		r = startProcess(t, u)
	}
	r.server, r.place = s, p
	r.waitReady(ctx, t)
	t.Logf("%s: set up in %v, ready after %v", s.Choices[0].Backing(), setUp.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return r
}

// waitReady asks until the server answers.
func (r running) waitReady(ctx context.Context, t *testing.T) {
	t.Helper()
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := r.server.Ready(try, r.place)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-r.gone:
			t.Fatalf("%s ended before it was ready: %v\n%s", r.server.Name, err, r.said())
		case <-ctx.Done():
			t.Fatalf("%s not ready: %v\n%s", r.server.Name, err, r.said())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// startProcess runs a unit in a process group of its own.
func startProcess(t *testing.T, u driver.Unit) running {
	t.Helper()
	out := &output{}
	cmd := exec.Command(u.Argv[0], u.Argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = u.Dir, u.Env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if u.User != "" {
		cmd.SysProcAttr.Credential = credential(t, u.User)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	sig := syscall.SIGTERM
	if u.Signal == "INT" {
		sig = syscall.SIGINT
	}
	pgid := cmd.Process.Pid
	stop := sync.OnceFunc(func() {
		select {
		case <-ended: // it was killed
			return
		default:
		}
		syscall.Kill(-pgid, sig)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Errorf("%s does not end on %v\n%s", u.Name, sig, out)
			syscall.Kill(-pgid, syscall.SIGKILL)
			<-ended
		}
		if err := syscall.Kill(-pgid, 0); err == nil {
			t.Errorf("%s left processes in its group", u.Name)
			syscall.Kill(-pgid, syscall.SIGKILL)
		}
	})
	t.Cleanup(stop)
	kill := func() { syscall.Kill(-pgid, syscall.SIGKILL); <-ended }
	return running{stop: stop, kill: kill, gone: ended, said: out.String, pgid: pgid}
}

// startContainer runs a unit through the driver of containers. What it made is removed with the test.
func startContainer(t *testing.T, u driver.Unit, p resource.Place) running {
	t.Helper()
	d := &container.Driver{Stack: p.Stack}
	ctx, cancel := context.WithCancel(context.Background())
	ended, started := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		h := driver.Hooks{Started: func(driver.Started) { close(started) }}
		if _, err := d.Run(ctx, u, h); err != nil && ctx.Err() == nil {
			t.Errorf("run %s: %v", u.Name, err)
		}
	}()
	select { // to ask before its network is up would make the kernel wait a second for its address
	case <-started:
	case <-ended:
	}
	stop := sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(func() {
		stop()
		if _, err := d.Sweep(context.Background(), true); err != nil {
			t.Error(err)
		}
	})
	return running{stop: stop, gone: ended, said: func() string { return logged(u.LogDir) }}
}

// logged is the end of a unit's log.
func logged(dir string) string {
	lines, err := logs.Tail(dir, 40)
	if err != nil {
		return err.Error()
	}
	var b bytes.Buffer
	for _, l := range lines {
		b.Write(append(l.Text, '\n'))
	}
	return b.String()
}

func credential(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{}}
}

// output collects what a server prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func equalUnits(a, b driver.Unit) bool { return reflect.DeepEqual(a, b) }
