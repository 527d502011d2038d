package fleet

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// probeOf returns the prober of a service with these listeners.
func probeOf(t *testing.T, p *stack.Probe, ports ...driver.Port) prober {
	t.Helper()
	f := &Fleet{o: Options{StateDir: t.TempDir()}, listening: &listeners{}}
	st := &Step{Name: "a", Sort: state.Service, Probe: p, Unit: driver.Unit{Name: "a", Ports: ports, Dir: t.TempDir(), Env: os.Environ()}}
	got := f.prober(&unit{f: f, name: "a"}, st, driver.Started{At: time.Now().Add(-time.Second)})
	t.Cleanup(got.close)
	return got
}

func portOf(t *testing.T, ln net.Addr) int {
	t.Helper()
	return ln.(*net.TCPAddr).Port
}

// TestHTTPProbe is F3: whatever a service answers, a try ends in its time and reads little.
func TestHTTPProbe(t *testing.T) {
	served := make(chan struct{})
	mux := http.NewServeMux()
	answer := func(path string, fn http.HandlerFunc) { mux.HandleFunc(path, fn) }
	answer("/ok", func(http.ResponseWriter, *http.Request) {})
	answer("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	answer("/circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/circle", http.StatusFound) })
	answer("/busy", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte("database\x1b[2J is away\nmore"))
	})
	answer("/endless", func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 32<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	answer("/hangs", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-served:
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	defer close(served)
	port := driver.Port{Name: "http", Host: portOf(t, srv.Listener.Addr())}
	for path, want := range map[string]string{
		"/ok": "", "/moved": "", "/endless": "", "/circle": "redirects in circles", "/busy": `answers 503 Service Unavailable: database\x1b[2J is away`,
		"/hangs": "deadline exceeded",
	} {
		t.Run(path, func(t *testing.T) {
			err := try(t.Context(), probeOf(t, &stack.Probe{HTTP: path}, port), 200*time.Millisecond)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func TestTCPProbe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := probeOf(t, nil, driver.Port{Name: "http", Host: portOf(t, ln.Addr())})
	if err := p.try(t.Context()); err != nil {
		t.Errorf("got %v of an open port", err)
	}
	ln.Close()
	if err := p.try(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing listens on port http") {
		t.Errorf("got %v of a closed port", err)
	}
}

func TestGRPCProbe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, checks := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, checks)
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(ln) }()
	defer func() { srv.Stop(); <-served }()
	checks.SetServingStatus("orders", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	port := driver.Port{Name: "grpc", Host: portOf(t, ln.Addr())}
	if err := try(t.Context(), probeOf(t, &stack.Probe{GRPC: "-"}, port), 5*time.Second); err != nil {
		t.Errorf("got %v of a server that serves", err)
	}
	orders := probeOf(t, &stack.Probe{GRPC: "orders"}, port)
	if err := try(t.Context(), orders, 5*time.Second); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("got %v of a service that does not serve", err)
	}
	checks.SetServingStatus("orders", grpc_health_v1.HealthCheckResponse_SERVING)
	if err := try(t.Context(), orders, 5*time.Second); err != nil {
		t.Errorf("got %v once it serves", err)
	}
}

// TestLogProbe checks that only a line of this run counts, and that it is seen when it comes.
func TestLogProbe(t *testing.T) {
	f := &Fleet{o: Options{StateDir: t.TempDir()}}
	w, err := output.Open(f.logDir("a"), output.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	write := func(at time.Time, text string) {
		t.Helper()
		if err := errors.Join(w.Append(at, output.Stdout, []byte(text)), w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	write(time.Now(), "ready to serve")
	p := newLogProbe(&f.logs, f.logDir("a"), "ready to .erve", w.Last())
	defer p.close()
	write(time.Now(), "starting")
	if err := p.try(t.Context()); err == nil {
		t.Error("a line of the last run made it ready")
	}
	write(time.Now().Add(-time.Hour), "now ready to serve") // B10: the clock was set back meanwhile
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for p.try(ctx) != nil && p.pause(ctx, time.Millisecond) {
	}
	if err := p.try(ctx); err != nil {
		t.Errorf("got %v after the line", err)
	}
}

func TestExecProbe(t *testing.T) {
	p := probeOf(t, &stack.Probe{Exec: []string{"sh", "-c", "test -e ready || { echo not there yet; exit 3; }"}}).(*execProbe)
	err := try(t.Context(), p, 5*time.Second)
	if err == nil || !strings.Contains(err.Error(), "exit status 3: not there yet") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(filepath.Join(p.unit.Dir, "ready"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := try(t.Context(), p, 5*time.Second); err != nil {
		t.Errorf("got %v", err)
	}
	p.argv = []string{"sh", "-c", "sleep 1000 & wait"}
	if err := try(t.Context(), p, 50*time.Millisecond); err == nil {
		t.Error("a command that does not end made it ready")
	}
}
