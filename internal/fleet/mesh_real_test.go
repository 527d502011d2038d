package fleet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// relay is a service that answers with what the service a says.
const relay = `package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") })
	http.HandleFunc("/a", func(w http.ResponseWriter, r *http.Request) {
		res, err := http.Get(os.Getenv("A_URL"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		io.Copy(w, res.Body)
	})
	http.ListenAndServe("127.0.0.1:"+os.Getenv("HTTP_PORT"), nil)
}
`

// politeService is realService, but ends as it should: it finishes what it has begun.
const politeService = `package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	srv := &http.Server{Addr: "127.0.0.1:" + os.Getenv("HTTP_PORT")}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "polite ", os.Getpid()) })
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go srv.ListenAndServe()
	<-ctx.Done()
	srv.Shutdown(context.Background())
}
`

const meshStack = `version: 1
name: mesh
services:
  a:
    path: services/a
    listen: {http: auto}
    health: {http: /}
    replicas: 2
    weights: {a: 3, next: 1}
  next:
    path: services/a
    listen: {http: auto}
    health: {http: /}
  b:
    path: services/b
    listen: {http: "PUBLIC:auto"}
    calls: [a]
    health: {http: /}
`

// newMeshProject is a stack in which b calls a, which has two replicas and a canary.
func newMeshProject(t *testing.T) *project {
	t.Helper()
	p := newProject(t)
	p.write("services/a/main.go", politeService)
	p.write("services/b/main.go", relay)
	p.o.Fault = chaos.Compile
	p.write("stack.yaml", strings.Replace(meshStack, "PUBLIC", fmt.Sprint(freePort(t)), 1))
	var err error
	if p.o.Stack, err = p.o.Load(); err != nil {
		t.Fatal(err)
	}
	return p
}

func edgeNamed(t *testing.T, f *Fleet, name string) state.Edge {
	t.Helper()
	for _, e := range f.Edges() {
		if e.Name() == name {
			return e
		}
	}
	t.Fatalf("no edge %s in %v", name, f.Edges())
	return state.Edge{}
}

// calls asks b for what a says until ctx ends, from several sides, and counts what went wrong.
func calls(ctx context.Context, url string, asked *atomic.Int64) (wait func() []string) {
	var mu sync.Mutex
	var wrong []string
	var ends sync.WaitGroup
	for range 8 {
		ends.Go(func() {
			for ctx.Err() == nil {
				if text := ask(url + "/a"); !strings.HasPrefix(text, "polite ") {
					mu.Lock()
					wrong = append(wrong, text)
					mu.Unlock()
				}
				asked.Add(1)
			}
		})
	}
	return func() []string { ends.Wait(); return wrong }
}

func ask(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// TestRollingRestart is H11: a service with two replicas is restarted and scaled under load, and none of
// its callers' requests fails.
func TestRollingRestart(t *testing.T) {
	p := newMeshProject(t)
	var mu sync.Mutex
	recorded := map[string]int{}
	p.o.Record = func(c proxy.Call) {
		mu.Lock()
		defer mu.Unlock()
		recorded[c.From+":"+c.To]++
	}
	r := p.up()
	before := r.get("a").PID
	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Int64
	wait := calls(ctx, r.get("b").URL, &asked)
	limit, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Restart(limit, []string{"a"}); err != nil {
		t.Error(err)
	}
	if err := r.Scale(limit, "a", 3); err != nil {
		t.Error(err)
	}
	if err := r.Restart(limit, []string{"a-3"}); err != nil {
		t.Error(err)
	}
	stop()
	wrong := wait()
	if len(wrong) > 0 {
		t.Errorf("%d of %d requests failed, the first with %q", len(wrong), asked.Load(), wrong[0])
	}
	if r.get("a").PID == before {
		t.Error("a was not restarted")
	}
	e := edgeNamed(t, r.Fleet, "b:a")
	if e.Requests < asked.Load() || len(e.Targets) != 4 {
		t.Errorf("edge counts %d of %d requests to %v", e.Requests, asked.Load(), e.Targets)
	}
	if out := edgeNamed(t, r.Fleet, ":b"); out.Requests < asked.Load() || "http://"+out.Addr != r.get("b").URL {
		t.Errorf("edge from outside counts %d of %d requests at %s", out.Requests, asked.Load(), out.Addr)
	}
	r.end(nil)
	mu.Lock()
	defer mu.Unlock()
	if recorded["b:a"] == 0 || recorded[":b"] == 0 {
		t.Errorf("recorded %v", recorded)
	}
}

// TestOneTrace checks that a request from outside and the call that it leads to are recorded as one trace,
// though the service between does not hand the context on.
func TestOneTrace(t *testing.T) {
	p := newMeshProject(t)
	calls := make(chan proxy.Call, 10)
	p.o.Record = func(c proxy.Call) { calls <- c }
	r := p.up()
	if got := ask(r.get("b").URL + "/a"); !strings.HasPrefix(got, "polite ") {
		t.Fatalf("a says %q", got)
	}
	inner, outer := <-calls, <-calls
	if inner.From != "b" {
		inner, outer = outer, inner
	}
	if outer.From != "" || outer.To != "b" || outer.Parent != ([8]byte{}) || outer.Name != "GET /a" {
		t.Errorf("from outside: %+v", outer)
	}
	if inner.To != "a" || inner.Trace != outer.Trace || inner.Parent != outer.Span || !inner.Inferred {
		t.Errorf("on its behalf: %+v", inner)
	}
	r.end(nil)
}

// TestEdgeFaults checks that a fault is felt on the edge that it was put on, by the connections that are
// open, and until it is lifted.
func TestEdgeFaults(t *testing.T) {
	p := newMeshProject(t)
	r := p.up()
	url := r.get("b").URL
	if got := ask(url + "/a"); !strings.HasPrefix(got, "polite ") {
		t.Fatalf("a says %q", got)
	}
	if _, err := r.AddFaults(t.Context(), []state.Fault{{Target: "b:a", Kind: "refuse"}}); err != nil {
		t.Fatal(err)
	}
	if got := ask(url + "/a"); strings.HasPrefix(got, "polite ") {
		t.Errorf("a says %q though it is refused", got)
	}
	if got := edgeNamed(t, r.Fleet, "b:a").Faults; len(got) != 1 || got[0] != "refuse" {
		t.Errorf("edge has faults %q", got)
	}
	slow := state.Fault{ID: "slow", Target: "b:a/http", Kind: "latency", Params: map[string]string{"delay": "50ms"}, For: time.Hour}
	if _, err := r.AddFaults(t.Context(), []state.Fault{slow}); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Faults(t.Context()); len(got) != 2 {
		t.Errorf("%d faults act, want 2", len(got))
	}
	if n, err := r.ClearFaults(t.Context(), "b:a"); n != 1 || err != nil {
		t.Errorf("lifted %d, %v", n, err)
	}
	begin := time.Now()
	if got := ask(url + "/a"); !strings.HasPrefix(got, "polite ") || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("a says %q after %v", got, time.Since(begin))
	}
	if n, err := r.RemoveFaults(t.Context(), []string{"slow"}); n != 1 || err != nil {
		t.Errorf("lifted %d, %v", n, err)
	}
	for _, f := range []state.Fault{{Target: "b:c", Kind: "refuse"}, {Target: "b:a"}, {Target: "b:a", Kind: "latency"}} {
		if _, err := r.AddFaults(t.Context(), []state.Fault{f}); err == nil {
			t.Errorf("%+v was put", f)
		}
	}
	r.end(nil)
}

// TestAdoptEdges is A3 and C2 for edges: a supervisor that lets go and the next one have them on the same
// ports, and who was running goes on calling.
func TestAdoptEdges(t *testing.T) {
	p := newMeshProject(t)
	r := p.up()
	b, at := r.get("b").PID, edgeNamed(t, r.Fleet, "b:a").Addr
	r.end(driver.ErrDetach)
	if got := ask("http://" + at); strings.HasPrefix(got, "polite ") {
		t.Errorf("the edge answers %q without msctl", got)
	}
	again := p.up()
	if got := again.get("b").PID; got != b {
		t.Errorf("b has pid %d, had %d", got, b)
	}
	if got := edgeNamed(t, again.Fleet, "b:a").Addr; got != at {
		t.Errorf("the edge is at %s, was at %s", got, at)
	}
	if got := ask(again.get("b").URL + "/a"); !strings.HasPrefix(got, "polite ") {
		t.Errorf("a says %q", got)
	}
	again.end(nil)
}
