package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

// world is the service with what is around it.
type world struct {
	t     *testing.T
	base  string
	bus   *bus.Bus
	tasks chan kit.Message // of email.queue
	down  atomic.Bool      // users
	calls atomic.Int64     // of users
}

func newWorld(t *testing.T, databaseURL string) *world { return newWorldWith(t, databaseURL, nil) }

// newWorldWith makes a world whose service has more environment.
func newWorldWith(t *testing.T, databaseURL string, more map[string]string) *world {
	w := &world{t: t, tasks: make(chan kit.Message, 100)}
	users := httptest.NewServer(http.HandlerFunc(w.users))
	templates := httptest.NewServer(http.HandlerFunc(renderFake))
	t.Cleanup(users.Close)
	t.Cleanup(templates.Close)
	env := map[string]string{"BROKER_URL": kittest.NATS(t), "NOTIFY_DB_URL": databaseURL,
		"USERS_URL": users.URL, "TEMPLATES_URL": templates.URL, "DISPATCH_BACKOFF": "5ms"}
	maps.Copy(env, more)
	w.base = kittest.Start(t, run, env)
	var err error
	if w.bus, err = bus.Dial(t.Context(), kittest.App(t, env), "broker"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.bus.Close() })
	w.consume(bus.Consumer{Queue: kit.EmailQueue, Handle: func(_ context.Context, m kit.Message) error {
		w.tasks <- m
		return nil
	}})
	return w
}

func (w *world) consume(c bus.Consumer) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.bus.Consume(c)(ctx) }()
	w.t.Cleanup(func() { cancel(); <-done })
}

// users knows ana, who wants e-mail and no push.
func (w *world) users(rw http.ResponseWriter, r *http.Request) {
	w.calls.Add(1)
	switch {
	case w.down.Load():
		rw.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path != "/users/ana":
		kit.WriteProblem(rw, r, kit.NotFound("there is no user"))
	default:
		fmt.Fprint(rw, `{"id":"ana","language":"pt-BR","channels":{
			"email":{"on":true,"to":"ana@x.example"},"push":{"on":false,"to":"device"}}}`)
	}
}

// renderFake knows templates, but not order-cancelled. They need {{name}}.
func renderFake(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/templates/order-cancelled/") {
		kit.WriteProblem(w, r, kit.NotFound("there is no template"))
		return
	}
	var in struct {
		Channel, Language string
		Variables         map[string]string
	}
	_ = json.NewDecoder(r.Body).Decode(&in) // a bad one lacks the name
	if in.Variables["name"] == "" {
		p := kit.Errorf(422, "invalid", "the input is not valid")
		p.Errors = map[string]string{"variables.name": "is missing"}
		kit.WriteProblem(w, r, p)
		return
	}
	kit.WriteJSON(w, 200, Text{Language: in.Language, Subject: "Hi " + in.Variables["name"], Body: "b"})
}

func request(id string) Request {
	return Request{ID: id, User: "ana", Template: "welcome", Channels: []string{"email"},
		Variables: map[string]string{"name": "Ana"}}
}

// post sends a request and returns the answer's status and the notification's id.
func (w *world) post(r Request) (int, string) {
	var out struct{ ID string }
	status := kittest.Call(w.t, "POST", w.base+"/notifications", r, &out)
	return status, out.ID
}

func (w *world) get(id string) Notification {
	var n Notification
	kittest.Call(w.t, "GET", w.base+"/notifications/"+id, nil, &n)
	return n
}

// until waits for a notification to have that status.
func (w *world) until(id string, want Status) Notification {
	w.t.Helper()
	var n Notification
	kittest.Eventually(w.t, string(want), func() bool { n = w.get(id); return n.Status == want })
	return n
}

func (w *world) tell(key string, r Result) {
	m, err := kit.NewEvent(w.t.Context(), key, r)
	if err == nil {
		err = w.bus.Publish(w.t.Context(), m)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// each runs the test on every database that this machine has.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t, kittest.SQLite(t))) })
	t.Run("postgres", func(t *testing.T) {
		need.Native(t, "initdb", "postgres")
		test(t, newWorld(t, kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))))
	})
}

// TestDelivery follows a notification from the request to the result; the same request again is the
// same notification and no second e-mail, another one under its id is refused.
func TestDelivery(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		status, id := w.post(request("r-1"))
		if status != http.StatusAccepted {
			t.Fatalf("post: %d", status)
		}
		if status, again := w.post(request("r-1")); status != http.StatusAccepted || again != id {
			t.Errorf("post again: %d, %s, want 202, %s", status, again, id)
		}
		other := request("r-1")
		other.Variables = map[string]string{"name": "Bob"}
		if status, _ := w.post(other); status != http.StatusUnprocessableEntity {
			t.Errorf("post another under the same id: %d, want 422", status)
		}
		var got Task
		if err := (<-w.tasks).Decode(&got); err != nil {
			t.Fatal(err)
		}
		want := Task{Notification: id, Request: "r-1", User: "ana", Channel: "email", To: "ana@x.example",
			Text: Text{Language: "pt-BR", Subject: "Hi Ana", Body: "b"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		w.until(id, Queued)
		w.tell(notificationSent, Result{Notification: id, Channel: "email"})
		w.until(id, Sent)
		w.tell(notificationFailed, Result{Notification: id, Channel: "email"})
		_, next := w.post(request("r-2"))
		<-w.tasks
		w.tell(notificationFailed, Result{Notification: next, Channel: "email", Reason: "no such box"})
		if n := w.until(next, Failed); n.Reason != "email: no such box" {
			t.Errorf("reason is %q", n.Reason)
		}
		if n := w.get(id); n.Status != Sent {
			t.Errorf("what was sent became %s", n.Status)
		}
		var list struct{ Notifications []Notification }
		kittest.Call(t, "GET", w.base+"/notifications?user=ana", nil, &list)
		if len(list.Notifications) != 2 || list.Notifications[0].ID != next {
			t.Errorf("list is %+v", list)
		}
		for _, n := range list.Notifications {
			if diff := cmp.Diff(w.get(n.ID), n); diff != "" || len(n.Deliveries) != 1 {
				t.Errorf("in the list it is another: %s", diff)
			}
		}
		if len(w.tasks) != 0 {
			t.Errorf("%d more tasks", len(w.tasks))
		}
	})
}

// TestUsersDown accepts while users is down, stops calling it once the circuit is open, and
// delivers when it is back.
func TestUsersDown(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t))
	w.down.Store(true)
	var ids []string
	for i := range 20 {
		status, id := w.post(request(fmt.Sprintf("r-%d", i)))
		if status != http.StatusAccepted {
			t.Fatalf("post while users is down: %d", status)
		}
		ids = append(ids, id)
	}
	kittest.Eventually(t, "an open circuit", func() bool {
		return w.get(ids[19]).Reason == "waiting: call users: circuit breaker open"
	})
	if n := w.calls.Load(); n > 60 { // 20 notifications in three tries each
		t.Errorf("users was called %d times while it was down", n)
	}
	w.down.Store(false)
	for _, id := range ids {
		w.until(id, Queued)
	}
	handed := map[string]bool{}
	for range ids {
		var task Task
		if err := (<-w.tasks).Decode(&task); err != nil {
			t.Fatal(err)
		}
		handed[task.Notification] = true
	}
	if len(handed) != 20 || len(w.tasks) != 0 {
		t.Errorf("tasks of %d notifications and %d more, want 20 and none", len(handed), len(w.tasks))
	}
}

// TestDecisionNotStored cuts the connection to a Postgres twice while a decision is stored: it is made again a
// moment later, not when the lease ends.
func TestDecisionNotStored(t *testing.T) {
	need.Native(t, "postgres")
	server := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
	w := newWorld(t, kittest.LossySQL(t, server, "INSERT INTO deliveries", 2))
	begun := time.Now()
	_, id := w.post(request("r-1"))
	w.until(id, Queued)
	if took := time.Since(begun); took >= dispatchLease {
		t.Errorf("it took %v, as long as the lease", took)
	}
	var task Task
	if err := (<-w.tasks).Decode(&task); err != nil || task.Notification != id {
		t.Errorf("the task is %+v, %v", task, err)
	}
}

// TestGiveUp fails a notification that nobody could decide for too long.
func TestGiveUp(t *testing.T) {
	w := newWorldWith(t, kittest.SQLite(t), map[string]string{"DISPATCH_GIVE_UP": "1ms"})
	w.down.Store(true)
	_, id := w.post(request("r-1"))
	if n := w.until(id, Failed); !strings.HasPrefix(n.Reason, "email: given up: ") {
		t.Errorf("reason is %q", n.Reason)
	}
}

// TestUserUpdated tries what waits for a user as soon as that user changes.
func TestUserUpdated(t *testing.T) {
	w := newWorldWith(t, kittest.SQLite(t), map[string]string{"DISPATCH_BACKOFF": "1h"})
	w.down.Store(true)
	_, id := w.post(request("r-1"))
	kittest.Eventually(t, "a wait", func() bool { return w.get(id).Reason != "" })
	w.down.Store(false)
	m, err := kit.NewEvent(t.Context(), userUpdated, map[string]string{"id": "ana"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.bus.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	w.until(id, Queued)
}

// TestFailedTwice keeps a failed message once, also when the broker delivers it again after it was
// requeued.
func TestFailedTwice(t *testing.T) {
	app := kittest.App(t, map[string]string{"NOTIFY_DB_URL": kittest.SQLite(t)})
	d, err := db.Open(t.Context(), app, "notify-db", migrations)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := store{db: d}
	m := kit.Message{ID: "m-1", Body: []byte("{}"), Header: map[string]string{kit.HeaderFailedQueue: kit.EmailQueue,
		kit.HeaderFailedExchange: kit.Notifications, kit.HeaderFailedKey: kit.EmailQueue}}
	for _, want := range []int{1, 0} {
		if err := s.keep(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		n, err := s.requeueAll(t.Context())
		if err != nil || n != want {
			t.Errorf("requeued %d, %v, want %d", n, err, want)
		}
	}
}

func TestDecisions(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t))
	for name, c := range map[string]struct {
		change func(*Request)
		status Status
		reason string
	}{
		"unwanted":  {func(r *Request) { r.Channels = []string{"push"} }, Suppressed, "push: the user does not want it"},
		"partly":    {func(r *Request) { r.Channels = []string{"push", "email"} }, Queued, "push: the user does not want it"},
		"wanted":    {func(r *Request) { r.Channels = nil }, Queued, ""},
		"stranger":  {func(r *Request) { r.User = "bob" }, Failed, "email: there is no user"},
		"variables": {func(r *Request) { r.Variables = nil }, Failed, "email: the input is not valid, variables.name is missing"},
	} {
		r := request(name)
		c.change(&r)
		_, id := w.post(r)
		if n := w.until(id, c.status); n.Reason != c.reason {
			t.Errorf("%s: reason is %q, want %q", name, n.Reason, c.reason)
		}
	}
	if status, _ := w.post(Request{ID: "bad id", Channel: "fax"}); status != http.StatusUnprocessableEntity {
		t.Errorf("bad request: %d, want 422", status)
	}
}

// TestRequeue lists what failed with its reason and sends it again, under its old id, also when it
// fails a second time.
func TestRequeue(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, id := w.post(request("r-1"))
		task := <-w.tasks
		for round := range 2 {
			f := task
			f.Exchange, f.Key, f.Header = kit.Notifications, kit.FailedQueue, map[string]string{
				kit.HeaderFailedReason: "mailbox full", kit.HeaderFailedQueue: kit.EmailQueue,
				kit.HeaderFailedAttempts: "5", kit.HeaderFailedExchange: kit.Notifications,
				kit.HeaderFailedKey: kit.EmailQueue, kit.HeaderRequeued: task.Header[kit.HeaderRequeued]}
			if err := w.bus.Publish(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			w.until(id, Failed)
			var list struct{ Failed []FailedItem }
			kittest.Call(t, "GET", w.base+"/failed", nil, &list)
			if len(list.Failed) != 1 || list.Failed[0].Reason != "mailbox full" || list.Failed[0].Attempts != 5 {
				t.Fatalf("round %d: failed queue is %+v", round, list.Failed)
			}
			path := "/failed/" + list.Failed[0].ID + "/requeue"
			if round == 1 {
				path = "/failed/requeue"
			}
			if got := kittest.Call(t, "POST", w.base+path, nil, nil); got != http.StatusAccepted {
				t.Fatalf("requeue: %d", got)
			}
			if task = <-w.tasks; task.ID != f.ID {
				t.Errorf("requeued under id %s, want %s", task.ID, f.ID)
			}
			w.until(id, Queued)
		}
		if got := kittest.Call(t, "POST", w.base+"/failed/none/requeue", nil, nil); got != http.StatusNotFound {
			t.Errorf("requeue what is not there: %d, want 404", got)
		}
	})
}

// TestRequeueTogether requeues everything from four sides at once: each message leaves once, and
// who finds it gone is told of no mistake.
func TestRequeueTogether(t *testing.T) {
	app := kittest.App(t, map[string]string{"NOTIFY_DB_URL": kittest.SQLite(t)})
	d, err := db.Open(t.Context(), app, "notify-db", migrations)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := store{db: d}
	for i := range 20 {
		m := kit.Message{ID: fmt.Sprint("m-", i), Body: []byte("{}"), Header: map[string]string{
			kit.HeaderFailedQueue: kit.EmailQueue, kit.HeaderFailedExchange: kit.Notifications,
			kit.HeaderFailedKey: kit.EmailQueue}}
		if err := s.keep(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	var total atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			n, err := s.requeueAll(t.Context())
			if err != nil {
				t.Error(err)
			}
			total.Add(int64(n))
		})
	}
	wg.Wait()
	if got := total.Load(); got != 20 {
		t.Errorf("requeued %d, want 20", got)
	}
}
