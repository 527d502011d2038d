// Package push_test runs the Python service beside the kit for Go on the brokers that this machine
// has: the two must agree on every name in services/README.md.
package push_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/kittest"
)

// python returns the interpreter of a virtual environment with what requirements.txt names. It is
// made once for each content of that file.
func python(t *testing.T) string {
	t.Helper()
	need.Tool(t, "python3")
	want, err := os.ReadFile("requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		need.Missing(t, "python3", "no cache folder: "+err.Error())
	}
	sum := sha256.Sum256(want)
	dir := filepath.Join(cache, "msctl-test", "push-"+hex.EncodeToString(sum[:6]))
	bin, stamp := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "complete")
	if _, err := os.Stat(stamp); err == nil {
		return bin
	}
	for _, argv := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{bin, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", "requirements.txt"},
	} {
		if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
			need.Missing(t, "python3", fmt.Sprintf("%v: %v\n%s", argv, err, out))
		}
	}
	if err := os.WriteFile(stamp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestUnits runs the tests in Python.
func TestUnits(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), python(t), "-B", "-W", "error", "-m", "unittest", "-q")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("unittest: %v\n%s", err, out)
	}
}

// start runs push as a process until the test ends. It then stops clean: what was handled is acknowledged.
func start(t *testing.T, env map[string]string) *kittest.Program {
	t.Helper()
	all := map[string]string{"PUSH_ATTEMPTS": "3", "PUSH_BACKOFF": "2ms"}
	maps.Copy(all, env)
	p := kittest.StartProgram(t, exec.Command(python(t), "-B", "-u", "main.py"), all)
	kittest.Eventually(t, "ready", func() bool { return kittest.Call(t, "GET", p.URL+"/readyz", nil, nil) == 200 })
	return p
}

// world is the service with what is around it.
type world struct {
	t      *testing.T
	bus    *bus.Bus
	env    map[string]string
	events chan kit.Message
	failed chan kit.Message
}

// TestBrokers runs on every broker that this machine has.
func TestBrokers(t *testing.T) {
	python(t)
	all := func(t *testing.T, broker string) {
		t.Run("once", func(t *testing.T) { once(t, newWorld(t, broker)) })
		t.Run("failed queue", func(t *testing.T) { failedQueue(t, newWorld(t, broker)) })
	}
	t.Run("nats", func(t *testing.T) { all(t, kittest.NATS(t)) })
	t.Run("nats as installed", func(t *testing.T) { // those before 2.10 know one filter for a consumer
		need.Native(t, "nats-server")
		all(t, kittest.NATSProgram(t, need.Program("nats-server")))
	})
	t.Run("rabbitmq", func(t *testing.T) {
		need.Native(t, "rabbitmq-server")
		need.Native(t, "epmd")
		all(t, kittest.RabbitMQ(t, need.Program("rabbitmq-server"), need.Program("epmd")))
	})
}

func newWorld(t *testing.T, broker string) *world {
	w := &world{t: t, events: make(chan kit.Message, 100), failed: make(chan kit.Message, 100),
		env: map[string]string{"BROKER_URL": broker, "CACHE_URL": kittest.Redis(t)}}
	var err error
	if w.bus, err = bus.Dial(t.Context(), kittest.App(t, w.env), "broker"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.bus.Close() })
	w.consume(bus.Consumer{Queue: "test.events", Events: []string{"notification.*"}, Handle: into(w.events)})
	w.consume(bus.Consumer{Queue: kit.FailedQueue, Handle: into(w.failed)})
	kittest.Eventually(t, "the queue of events", func() bool { // it gets what comes after its declaration
		m, _ := kit.NewEvent(t.Context(), "notification.probe", nil)
		if err := w.bus.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		select {
		case <-w.events:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})
	return w
}

func (w *world) consume(c bus.Consumer) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.bus.Consume(c)(ctx) }()
	w.t.Cleanup(func() { cancel(); <-done })
}

func into(ch chan kit.Message) func(context.Context, kit.Message) error {
	return func(_ context.Context, m kit.Message) error { ch <- m; return nil }
}

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"

// ask puts a task into push.queue and returns its id.
func (w *world) ask(request, device string) string {
	w.t.Helper()
	ctx := kit.WithCorrelation(w.t.Context(), "c-"+request)
	m, err := kit.NewTask(ctx, kit.PushQueue, map[string]string{"notification_id": "n-" + request,
		"request_id": request, "channel": "push", "to": device, "subject": "Olá", "body": "there"})
	if err != nil {
		w.t.Fatal(err)
	}
	m.Header[kit.HeaderTrace] = "00-" + trace + "-00f067aa0ba902b7-01"
	if err := w.bus.Publish(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
	return m.ID
}

func (w *world) event() kit.Message {
	for {
		if m := w.next(w.events); m.Key != "notification.probe" {
			return m
		}
	}
}

func (w *world) next(ch chan kit.Message) kit.Message {
	w.t.Helper()
	select {
	case m := <-ch:
		return m
	case <-time.After(30 * time.Second):
		w.t.Fatal("no message came")
		return kit.Message{}
	}
}

// once delivers one push for a request however often it is asked, under the trace and the
// correlation id of who asked.
func once(t *testing.T, w *world) {
	p := start(t, w.env)
	for range 3 {
		w.ask("r-1", "device-1")
		m := w.event()
		if m.Key != "notification.sent" || !strings.Contains(string(m.Body), `"n-r-1"`) {
			t.Errorf("told %s %s", m.Key, m.Body)
		}
		if !strings.Contains(m.Header[kit.HeaderTrace], trace) || m.Header[kit.HeaderCorrelation] != "c-r-1" {
			t.Errorf("headers are %v", m.Header)
		}
	}
	var got struct{ Deliveries []map[string]string }
	kittest.Call(t, "GET", p.URL+"/deliveries", nil, &got)
	if len(got.Deliveries) != 1 || got.Deliveries[0]["title"] != "Olá" || got.Deliveries[0]["device"] != "device-1" {
		t.Errorf("delivered %v", got.Deliveries)
	}
}

// TestDedupe asks a provider that knows no request twice only once. The answer by which the request is claimed is lost:
// the client of Redis asks again, and the claim is known as one's own, not waited for.
func TestDedupe(t *testing.T) {
	python(t)
	w := newWorld(t, kittest.NATS(t))
	var calls atomic.Int64
	provider := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		rw.WriteHeader(http.StatusCreated)
	}))
	defer provider.Close()
	w.env["PUSH_PROVIDER_URL"] = provider.URL
	w.env["CACHE_URL"] = kittest.Lossy(t, w.env["CACHE_URL"], "nx", 1)
	p := start(t, w.env)
	for range 3 {
		w.ask("r-1", "device-1")
		w.event()
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("the provider was called %d times, want 1", n)
	}
	for _, line := range p.Logs() {
		if line["msg"] == "message retried" {
			t.Errorf("it was tried again: %v", line["err"])
		}
	}
}

// TestLegacy has the provider that legacy plays take a push once, and refuse a device that is gone.
func TestLegacy(t *testing.T) {
	python(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "legacy")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "msctl.dev/msctl/services/legacy")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build legacy: %v\n%s", err, out)
	}
	legacy := kittest.StartProgram(t, exec.Command(program),
		map[string]string{"LEGACY_FILE": filepath.Join(dir, "legacy.db"), "HTTP_PORT": "0"})
	w := newWorld(t, kittest.NATS(t))
	w.env["PUSH_PROVIDER_URL"] = legacy.URL + "/push"
	start(t, w.env)
	for device, want := range map[string]string{"phone": "notification.sent", "gone-1": "notification.failed"} {
		w.ask("r-"+device, device)
		if m := w.event(); m.Key != want {
			t.Errorf("%s: told %s %s, want %s", device, m.Key, m.Body, want)
		}
	}
	var got struct{ Deliveries []map[string]string }
	kittest.Call(t, "GET", legacy.URL+"/push/deliveries", nil, &got)
	if len(got.Deliveries) != 1 || got.Deliveries[0]["id"] != "r-phone" || got.Deliveries[0]["title"] != "Olá" {
		t.Errorf("legacy took %v", got.Deliveries)
	}
}

// TestRetry goes on until the provider takes the push.
func TestRetry(t *testing.T) {
	python(t)
	w := newWorld(t, kittest.NATS(t))
	var calls atomic.Int64
	provider := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer provider.Close()
	w.env["PUSH_PROVIDER_URL"] = provider.URL
	start(t, w.env)
	w.ask("r-1", "device-1")
	if m := w.event(); m.Key != "notification.sent" || calls.Load() != 3 {
		t.Errorf("told %s after %d calls, want notification.sent after 3", m.Key, calls.Load())
	}
}

// failedQueue gives up with a reason, and takes what is requeued.
func failedQueue(t *testing.T, w *world) {
	var well atomic.Bool
	provider := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch body, _ := io.ReadAll(r.Body); {
		case strings.Contains(string(body), "gone"):
			rw.WriteHeader(http.StatusGone)
		case !well.Load():
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer provider.Close()
	w.env["PUSH_PROVIDER_URL"] = provider.URL
	p := start(t, w.env)
	for device, want := range map[string]struct{ attempts, reason string }{
		"device": {"3", "push provider answered 503"},
		"gone":   {"1", "push provider refused: 410 "},
	} {
		id := w.ask("r-"+device, device)
		if m := w.event(); m.Key != "notification.failed" || !strings.Contains(string(m.Body), want.reason) {
			t.Errorf("%s: told %s %s", device, m.Key, m.Body)
		}
		f := w.next(w.failed)
		got := []string{f.ID, f.Header[kit.HeaderFailedReason], f.Header[kit.HeaderFailedQueue],
			f.Header[kit.HeaderFailedAttempts], f.Header[kit.HeaderFailedExchange], f.Header[kit.HeaderFailedKey]}
		expect := []string{id, strings.TrimSpace(want.reason), kit.PushQueue, want.attempts, kit.Notifications, kit.PushQueue}
		got[1] = strings.TrimSpace(got[1])
		if fmt.Sprint(got) != fmt.Sprint(expect) {
			t.Errorf("%s: failed as %q, want %q", device, got, expect)
		}
		if device == "gone" {
			continue
		}
		well.Store(true)
		f.Key, f.Header[kit.HeaderRequeued] = kit.PushQueue, "1"
		if err := w.bus.Publish(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if m := w.event(); m.Key != "notification.sent" {
			t.Errorf("requeued: told %s", m.Key)
		}
		well.Store(false)
	}
	for _, line := range p.Logs() {
		if line["msg"] == "message failed" && (line["trace"] != trace || line["level"] != "ERROR") {
			t.Errorf("log line is %v", line)
		}
	}
}

// TestStop finishes what is in flight when it is asked to end.
func TestStop(t *testing.T) {
	python(t)
	w := newWorld(t, kittest.NATS(t))
	called, answer := make(chan struct{}), make(chan struct{})
	provider := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(called)
		<-answer
	}))
	defer provider.Close()
	w.env["PUSH_PROVIDER_URL"] = provider.URL
	p := start(t, w.env)
	w.ask("r-1", "device-1")
	<-called
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	close(answer)
	if m := w.event(); m.Key != "notification.sent" {
		t.Errorf("told %s", m.Key)
	}
	p.Stop(t)
}

// TestTelemetry sends the spans of a push to the receiver, under the trace of who asked, and stops
// soon when there is none.
func TestTelemetry(t *testing.T) {
	python(t)
	w := newWorld(t, kittest.NATS(t))
	spans := make(chan []byte, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" {
			return
		}
		if body, err := decoded(r); err == nil {
			spans <- body
		}
	}))
	defer receiver.Close()
	w.env["OTEL_EXPORTER_OTLP_ENDPOINT"], w.env["OTEL_SERVICE_NAME"] = receiver.URL, "push"
	p := start(t, w.env)
	w.ask("r-1", "device-1")
	w.event()
	id, err := hex.DecodeString(trace)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-spans:
		if !bytes.Contains(got, id) || !bytes.Contains(got, []byte("process push.queue")) {
			t.Errorf("spans are %q", got)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no span came")
	}
	receiver.CloseClientConnections()
	receiver.Close()
	w.ask("r-2", "device-1")
	w.event()
	p.Stop(t)
}

func decoded(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
