// Package kittest runs services and what they need inside a test.
package kittest

import (
	"context"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/nats-io/nats-server/v2/server"

	"msctl.dev/msctl/services/kit"
)

// App returns an app with that environment, whose log goes to the test's.
func App(t testing.TB, env map[string]string) *kit.App {
	t.Helper()
	app, err := kit.New(t.Context(), "test", kit.EnvMap(env), output(t))
	if err != nil {
		t.Fatalf("make app: %v", err)
	}
	return app
}

// output is where the services' logs go: standard error with -v, nowhere without.
func output(testing.TB) io.Writer {
	if testing.Verbose() {
		return os.Stderr
	}
	return io.Discard
}

// Start runs a whole service until the test ends, and returns the URL of its HTTP server once it
// is ready. A service that fails fails the test.
func Start(t testing.TB, run func(context.Context, *kit.App) error, env map[string]string) string {
	t.Helper()
	env = maps.Clone(env)
	app := App(t, env)
	addr := make(chan net.Addr, 4)
	app.Listening = func(listener string, a net.Addr) {
		if listener == "http" {
			addr <- a
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx, run) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run service: %v", err)
		}
	})
	select {
	case a := <-addr:
		return "http://" + a.String()
	case err := <-done:
		done <- nil
		t.Fatalf("service ended: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("service does not listen")
	}
	return ""
}

// SQLite returns the URL of a new database file.
func SQLite(t testing.TB) string {
	return "sqlite://" + filepath.ToSlash(filepath.Join(t.TempDir(), "test.db"))
}

// Redis starts an embedded Redis and returns its URL.
func Redis(t testing.TB) string { return "redis://" + miniredis.RunT(t).Addr() + "/0" }

// NATS starts an embedded NATS with JetStream and returns its URL.
func NATS(t testing.TB) string { return StartNATS(t, t.TempDir(), server.RANDOM_PORT).URL }

// NATSServer is one that [StartNATS] started.
type NATSServer struct {
	URL  string
	Port int
	Stop func() // also called when the test ends
}

// StartNATS starts an embedded NATS with its data in dir; port 0 is a free one, to which another
// may be started when this one has stopped.
func StartNATS(t testing.TB, dir string, port int) NATSServer {
	t.Helper()
	if port == 0 {
		port = freePort(t)
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatalf("make nats: %v", err)
	}
	s.Start()
	stop := sync.OnceFunc(func() { s.Shutdown(); s.WaitForShutdown() })
	t.Cleanup(stop)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats is not ready")
	}
	return NATSServer{s.ClientURL(), s.Addr().(*net.TCPAddr).Port, stop}
}

// Eventually polls ok until it holds; it fails the test after half a minute.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
