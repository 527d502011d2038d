package fleet

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/stack"
)

// probeKinds is a probe of every kind, as stack.yaml says it.
var probeKinds = map[string]*stack.Probe{
	"http": {HTTP: "/"}, "tcp": {TCP: "main"}, "grpc": {GRPC: "-"}, "log": {Log: "ready"}, "exec": {Exec: []string{"test", "-e", "ready"}},
}

// asked is a prober whose answer is a moment of the clock, with the pauses of another.
type asked struct {
	prober
	truth time.Time
}

func (a asked) try(context.Context) error {
	if time.Now().Before(a.truth) {
		return errors.New("not yet")
	}
	return nil
}

// TestReadinessIsSeenAtOnce is F6: whenever a unit comes to be ready, each kind of probe says so within a
// fiftieth of the time that it took, or within the shortest pause where that is more.
func TestReadinessIsSeenAtOnce(t *testing.T) {
	least := map[string]time.Duration{"http": fastest, "tcp": fastest, "grpc": fastest, "exec": 10 * time.Millisecond}
	for kind, probe := range probeKinds {
		for _, start := range []time.Duration{0, 3 * time.Millisecond, 90 * time.Millisecond, time.Second, 40 * time.Second} {
			t.Run(kind+" after "+start.String(), func(t *testing.T) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					late := lateness(kindOf(t, probe, dir), start)
					if most := min(max(start/50, least[kind]), slowest); late < 0 || late > most {
						t.Errorf("seen %v late, want at most %v", late, most)
					}
				})
			})
		}
	}
}

// kindOf returns a prober of that kind whose pauses are its own. The line of the log one has its sign set
// by hand, for the clock of a bubble stands still while a log is followed.
func kindOf(t *testing.T, probe *stack.Probe, dir string) prober {
	if probe.Log != "" {
		return &logProbe{pattern: probe.Log, seen: make(chan struct{})}
	}
	f := &Fleet{o: Options{StateDir: dir}, listening: &listeners{}}
	st := &Step{Name: "a", Probe: probe, Unit: driver.Unit{Name: "a", Ports: []driver.Port{{Name: "main", Host: 1}}}}
	return f.prober(&unit{f: f, name: "a"}, st, driver.Started{})
}

// lateness returns how long after the truth a probe tells it.
func lateness(p prober, start time.Duration) time.Duration {
	truth := time.Now().Add(start)
	if l, ok := p.(*logProbe); ok {
		time.AfterFunc(start, func() { close(l.seen) })
	}
	var told time.Time
	untilReady(context.Background(), asked{p, truth}, stack.Probe{Timeout: time.Second, Deadline: time.Minute}, func(v verdict) {
		if v.err == nil {
			told = time.Now()
		}
	})
	return told.Sub(truth)
}

// turning is a prober under which the unit comes to be ready in the third pause. It notes what happens.
type turning struct {
	prober
	turn   func()
	pauses int
	events []string
}

func (p *turning) try(ctx context.Context) error {
	err := p.prober.try(ctx)
	if err == nil {
		p.events = append(p.events, "yes")
	} else {
		p.events = append(p.events, "no")
	}
	return err
}

func (p *turning) pause(ctx context.Context, d time.Duration) bool {
	if p.pauses++; p.pauses != 3 {
		return true
	}
	p.turn()
	p.events = append(p.events, "turns ready")
	if l, ok := p.prober.(*logProbe); ok { // it follows by itself, which may take a slow machine longer than a pause
		select {
		case <-l.seen:
		case <-ctx.Done():
		}
	}
	return p.prober.pause(ctx, d)
}

// TestReadinessInOrder is F6 with the real thing behind each kind of probe: the first try after the pause
// in which a unit comes to be ready finds it so, and its owner hears of it without another one.
func TestReadinessInOrder(t *testing.T) {
	for kind, probe := range probeKinds {
		t.Run(kind, func(t *testing.T) {
			r := newReadied(t)
			p := &turning{prober: r.prober(probe), turn: r.turns()[kind]}
			defer p.close()
			untilReady(t.Context(), p, stack.Probe{Timeout: 30 * time.Second, Deadline: time.Hour}, func(v verdict) {
				if v.err == nil {
					p.events = append(p.events, "told")
				}
			})
			if want := []string{"no", "no", "no", "turns ready", "yes", "told"}; !slices.Equal(p.events, want) {
				t.Errorf("got %q, want %q", p.events, want)
			}
		})
	}
}

// readied is a unit that can be made ready in every way.
type readied struct {
	t    *testing.T
	f    *Fleet
	dir  string
	log  *output.Writer
	port int // of socket

	socket *os.File // bound, and nobody listens on it yet
}

func newReadied(t *testing.T) *readied {
	t.Helper()
	r := &readied{t: t, f: &Fleet{o: Options{StateDir: t.TempDir()}, listening: &listeners{}}, dir: t.TempDir()}
	var err error
	if r.log, err = output.Open(r.f.logDir("a"), output.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.log.Close() })
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.CloseOnExec(fd)
	r.socket = os.NewFile(uintptr(fd), "socket")
	t.Cleanup(func() { r.socket.Close() })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	r.port = at.(*unix.SockaddrInet4).Port
	return r
}

func (r *readied) prober(probe *stack.Probe) prober {
	st := &Step{Name: "a", Probe: probe, Unit: driver.Unit{Name: "a", Dir: r.dir, Env: os.Environ(), Ports: []driver.Port{{Name: "main", Host: r.port}}}}
	return r.f.prober(&unit{f: r.f, name: "a"}, st, driver.Started{})
}

// turns is how a unit comes to be ready, by kind of probe.
func (r *readied) turns() map[string]func() {
	return map[string]func(){
		"http": func() {
			srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
			r.serve(srv.Serve, func() { srv.Close() })
		},
		"tcp": func() { r.serve(nil, nil) },
		"grpc": func() {
			srv := grpc.NewServer()
			grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
			r.serve(srv.Serve, srv.Stop)
		},
		"log": func() {
			if err := errors.Join(r.log.Append(time.Now(), output.Stdout, []byte("ready")), r.log.Flush()); err != nil {
				r.t.Error(err)
			}
		},
		"exec": func() {
			if err := os.WriteFile(filepath.Join(r.dir, "ready"), nil, 0o600); err != nil {
				r.t.Error(err)
			}
		},
	}
}

// serve listens on the unit's port, and serves, until the test ends.
func (r *readied) serve(serve func(net.Listener) error, stop func()) {
	if err := unix.Listen(int(r.socket.Fd()), 16); err != nil {
		r.t.Error(err)
		return
	}
	if serve == nil {
		return
	}
	ln, err := net.FileListener(r.socket)
	if err != nil {
		r.t.Error(err)
		return
	}
	done := make(chan struct{})
	go func() { defer close(done); serve(ln) }()
	r.t.Cleanup(func() { stop(); <-done })
}
