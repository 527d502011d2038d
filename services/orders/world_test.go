package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

// TestMain lets the test program be the service, one that a test may kill, or its task.
func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv("ORDERS_ARGS"); ok {
		os.Args = append(os.Args[:1], strings.Fields(args)...)
		main()
		return
	}
	os.Exit(m.Run())
}

// world is a shop with one replica of the service, or more.
type world struct {
	*testing.T
	shop *shop
	base string // of the first replica
	stop func() // the first replica
	env  map[string]string
}

// quick is an environment in which nobody waits for long.
var quick = map[string]string{"SAGA_BACKOFF": "5ms", "SAGA_TIMEOUT": "1s", "SAGA_LEASE": "3s"}

// newWorld starts the service on that database.
func newWorld(t *testing.T, url string, more map[string]string) *world {
	t.Helper()
	w := &world{T: t, shop: newShop(t)}
	w.env = maps.Clone(w.shop.env)
	w.env["BROKER_URL"], w.env["ORDERS_DB_URL"] = kittest.NATS(t), url
	maps.Copy(w.env, quick)
	maps.Copy(w.env, more)
	first := w.start()
	w.base, w.stop = first.base, first.stop
	return w
}

// databases runs a test on each kind of database that this machine has.
func databases(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, kittest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) {
		need.Native(t, "initdb", "postgres")
		test(t, kittest.Postgres(t, need.Program("initdb"), need.Program("postgres")))
	})
}

// each runs a test in a world of each kind.
func each(t *testing.T, test func(w *world)) {
	databases(t, func(t *testing.T, url string) { test(newWorld(t, url, nil)) })
}

// as is a request's identity.
type as struct{ user, role, version string }

var (
	ana   = as{"ana", "user", "1"}
	bob   = as{"bob", "user", "1"}
	admin = as{"root", "admin", "1"}
)

// call sends a request to a replica and decodes the answer into out.
func (a as) call(t *testing.T, method, url string, in, out any) (int, http.Header) {
	t.Helper()
	status, header, data := a.try(t, method, url, in)
	if status == 0 {
		t.Fatalf("%s %s: no answer", method, url)
	}
	if out != nil {
		if err := json.Unmarshal(data, out); err != nil {
			t.Fatalf("%s %s: %d, read %s: %v", method, url, status, data, err)
		}
	}
	return status, header
}

// try is call for a replica that may have died: the status is then 0.
func (a as) try(t *testing.T, method, url string, in any) (int, http.Header, []byte) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	req, err := http.NewRequest(method, url, strings.NewReader(string(body)))
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	req.Header.Set("X-User-ID", a.user)
	req.Header.Set("X-User-Role", a.role)
	req.Header.Set("API-Version", a.version)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, nil
	}
	return resp.StatusCode, resp.Header, data
}

// insist asks until the answer is one: it tries again where a service behind is slow. It reports false
// when the replica has died.
func (a as) insist(t *testing.T, method, url string, in any) bool {
	t.Helper()
	status, data := 0, []byte{}
	kittest.Eventually(t, method+" "+url, func() bool {
		status, _, data = a.try(t, method, url, in)
		return status < 500
	})
	if status != 0 && status/100 != 2 && status != http.StatusConflict {
		t.Errorf("%s %s: %d %s", method, url, status, data)
	}
	return status != 0
}

// wants is an order of ana's.
func wants(id, item, card string) Request {
	return Request{ID: id, Lines: []Wants{{item, 1}}, Card: card}
}

// place sends a request as ana.
func (w *world) place(r Request) (int, orderV1) {
	w.Helper()
	var o orderV1
	status, _ := ana.call(w.T, "POST", w.base+"/orders", r, &o)
	return status, o
}

func (w *world) get(id string) orderV1 {
	w.Helper()
	var o orderV1
	admin.call(w.T, "GET", w.base+"/orders/"+id, nil, &o)
	return o
}

// ended waits for an order to come to its end, and audits it.
func (w *world) ended(id string) orderV1 {
	w.Helper()
	var o orderV1
	kittest.Eventually(w.T, "end of "+id, func() bool { o = w.get(id); return o.Status != "pending" })
	w.shop.audit(w.T, o)
	return o
}

// steps are the kinds of an order's events.
func (w *world) steps(id string) string {
	w.Helper()
	var out struct{ Events []Event }
	admin.call(w.T, "GET", w.base+"/orders/"+id+"/events", nil, &out)
	var kinds []string
	for _, e := range out.Events {
		kinds = append(kinds, string(e.Kind))
	}
	return strings.Join(kinds, " ")
}

// another opens the world's database beside the replicas.
func (w *world) another() store {
	w.Helper()
	return open(w.T, w.env["ORDERS_DB_URL"])
}

// open opens a database as a replica does, without any of its work.
func open(t *testing.T, url string) store {
	t.Helper()
	app := kittest.App(t, map[string]string{"ORDERS_DB_URL": url})
	d, err := db.Open(t.Context(), app, "orders-db", migrations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return store{db: d, log: app.Log, me: kit.NewID(), lease: time.Minute,
		due: make(chan struct{}, 1), fresh: make(chan struct{}, 1)}
}

// verified waits for the read model to be current, and compares it with the fold.
func (w *world) verified(orders int64) {
	w.Helper()
	s := w.another()
	var v verdict
	kittest.Eventually(w.T, "current read model", func() bool {
		var err error
		if v, err = s.verify(w.Context()); err != nil {
			w.Fatal(err)
		}
		return v.behind == 0
	})
	if v.orders != orders || len(v.differ) > 0 {
		w.Errorf("read model has %d orders, want %d; these differ: %v", v.orders, orders, v.differ)
	}
}

// publish sends an event to the broker.
func (w *world) publish(key string, body any) {
	w.Helper()
	b := w.broker()
	m, err := kit.NewEvent(w.Context(), key, body)
	if err == nil {
		err = b.Publish(w.Context(), m)
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) broker() *bus.Bus {
	w.Helper()
	b, err := bus.Dial(w.Context(), kittest.App(w.T, w.env), "broker")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { b.Close() })
	return b
}

// listen returns what is published about orders.
func (w *world) listen() chan kit.Message {
	w.Helper()
	b := w.broker()
	ch := make(chan kit.Message, 1000)
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(bus.Consumer{Queue: "test.events", Events: []string{"order.*"}, Workers: 1,
			Handle: func(_ context.Context, m kit.Message) error { ch <- m; return nil }})(ctx)
	}()
	w.Cleanup(func() { cancel(); <-done })
	return ch
}

// victim is a replica in a process of its own.
type victim struct {
	base string
	kill func()
}

// victim starts one with more environment. It is killed when the test ends.
func (w *world) victim(more map[string]string) victim {
	w.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ORDERS_ARGS=")
	env := maps.Clone(w.env)
	maps.Copy(env, more)
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.Fatal(err)
	}
	addr, done := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if testing.Verbose() {
				fmt.Fprintln(os.Stderr, "victim:", lines.Text())
			}
			var line struct{ Msg, Listener, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "service listening" && line.Listener == "http" {
				addr <- line.Addr
			}
		}
		_ = cmd.Wait() // it was killed
	}()
	v := victim{kill: func() { _ = cmd.Process.Kill(); <-done }}
	w.Cleanup(v.kill)
	select {
	case a := <-addr:
		v.base = "http://" + a
	case <-done:
		w.Fatal("victim ended")
	case <-time.After(30 * time.Second):
		w.Fatal("victim does not listen")
	}
	return v
}

// replica is one more beside the world's first.
type replica struct {
	base, grpc string
	stop       func() // gently: what is in work is finished or given back
}

// start runs a replica until the test ends or it is told to stop.
func (w *world) start() replica {
	w.Helper()
	app := kittest.App(w.T, w.env)
	http, grpc := make(chan string, 1), make(chan string, 1)
	app.Listening = func(listener string, a net.Addr) {
		map[string]chan string{"http": http, "grpc": grpc}[listener] <- a.String()
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx, run); close(done) }()
	stop := func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("run replica: %v", err)
		}
	}
	w.Cleanup(stop)
	return replica{"http://" + <-http, <-grpc, stop}
}
