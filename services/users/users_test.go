package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/kittest"
)

// each runs the whole service on every database that this machine has.
func each(t *testing.T, test func(t *testing.T, url string, events chan kit.Message)) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			env := map[string]string{"BROKER_URL": kittest.NATS(t)}
			if kind == "sqlite" {
				env["USERS_DB_URL"] = kittest.SQLite(t)
			} else {
				need.Native(t, "postgres")
				env["USERS_DB_URL"] = kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
			}
			test(t, kittest.Start(t, run, env), listen(t, env))
		})
	}
}

// listen returns what is published to the events exchange.
func listen(t *testing.T, env map[string]string) chan kit.Message {
	t.Helper()
	b, err := bus.Dial(t.Context(), kittest.App(t, env), "broker")
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan kit.Message, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(bus.Consumer{Queue: "test.events", Events: []string{"user.*"}, Workers: 1,
			Handle: func(_ context.Context, m kit.Message) error { ch <- m; return nil }})(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done; b.Close() })
	return ch
}

func do(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(out)
}

func read(t *testing.T, data string) User {
	t.Helper()
	var u User
	if err := json.Unmarshal([]byte(data), &u); err != nil {
		t.Fatalf("read %s: %v", data, err)
	}
	return u
}

const ada = `{"id": "ada", "name": "Ada", "language": "de",
	"channels": {"email": {"on": true, "to": "ada@example.org"}, "push": {"on": false, "to": ""}}}`

// TestUserLives makes, reads, lists and changes a user. Each change is told, in order, under the
// correlation id of the request that made it.
func TestUserLives(t *testing.T) {
	each(t, func(t *testing.T, url string, events chan kit.Message) {
		status, body := do(t, "POST", url+"/users", ada, kit.CorrelationHeader, "c-1")
		made := read(t, body)
		if status != 201 || made.Version != 1 || made.Channels["email"].To != "ada@example.org" {
			t.Fatalf("create: got %d %s", status, body)
		}
		if status, body := do(t, "POST", url+"/users", ada); status != 409 {
			t.Errorf("create again: got %d %s, want 409", status, body)
		}
		status, body = do(t, "PUT", url+"/users/ada", `{"name": "Ada L.", "channels": {}}`, "If-Match", `"1"`)
		if u := read(t, body); status != 200 || u.Version != 2 || u.Language != "en" || len(u.Channels) != 0 {
			t.Errorf("update: got %d %s", status, body)
		}
		if status, body := do(t, "PUT", url+"/users/ada", `{"name": "A"}`, "If-Match", `"1"`); status != 412 {
			t.Errorf("update of an old version: got %d %s, want 412", status, body)
		}
		status, body = do(t, "GET", url+"/users/ada", "")
		if u := read(t, body); status != 200 || u.Name != "Ada L." || !u.CreatedAt.Equal(made.CreatedAt) {
			t.Errorf("read: got %d %s", status, body)
		}
		if status, body := do(t, "GET", url+"/users?limit=10", ""); status != 200 || !strings.Contains(body, `"Ada L."`) {
			t.Errorf("list: got %d %s", status, body)
		}
		for version := range int64(2) {
			m := <-events
			var u User
			if err := m.Decode(&u); err != nil || m.Key != userUpdated || u.Version != version+1 {
				t.Errorf("event %d: got %s %s", version+1, m.Key, m.Body)
			}
			if got := m.Header[kit.HeaderCorrelation]; version == 0 && got != "c-1" {
				t.Errorf("got correlation %q, want c-1", got)
			}
		}
	})
}

// TestChangesAreNotLost changes one user from many sides: each change that was accepted has its own
// version, and nothing else has one.
func TestChangesAreNotLost(t *testing.T) {
	each(t, func(t *testing.T, url string, events chan kit.Message) {
		do(t, "POST", url+"/users", ada)
		var wg sync.WaitGroup
		var mu sync.Mutex // guards seen
		seen := map[int64]bool{1: true}
		for i := range 20 {
			wg.Go(func() {
				status, body := do(t, "PUT", url+"/users/ada", fmt.Sprintf(`{"name": "n%d"}`, i))
				mu.Lock()
				defer mu.Unlock()
				u := read(t, body)
				if status != 200 || seen[u.Version] {
					t.Errorf("got %d %s, seen before: %v", status, body, seen[u.Version])
				}
				seen[u.Version] = true
			})
		}
		wg.Wait()
		if len(seen) != 21 {
			t.Errorf("got %d versions, want 21", len(seen))
		}
		for want := range int64(len(seen)) {
			m := <-events
			var u User
			if err := m.Decode(&u); err != nil || u.Version != want+1 {
				t.Errorf("got version %d, %v; want %d", u.Version, err, want+1)
			}
		}
	})
}

func TestInputIsRefused(t *testing.T) {
	env := map[string]string{"BROKER_URL": kittest.NATS(t), "USERS_DB_URL": kittest.SQLite(t)}
	url := kittest.Start(t, run, env)
	for body, want := range map[string]struct {
		status int
		field  string
	}{
		`{`:                                {400, ""},
		`{"name": "A", "age": 3}`:          {400, "age"},
		`{}`:                               {422, `"name"`},
		`{"name": "A", "id": "../etc"}`:    {400, ""},
		`{"name": "A", "language": "xx_"}`: {422, `"language"`},
		`{"name": "A", "channels": {"fax": {"on": true, "to": "1"}}}`:       {422, `"channels.fax"`},
		`{"name": "A", "channels": {"email": {"on": true}}}`:                {422, `"channels.email.to"`},
		`{"name": "A", "channels": {"email": {"on": true, "to": "A <a>"}}}`: {422, `"channels.email.to"`},
	} {
		status, answer := do(t, "POST", url+"/users", body)
		if status != want.status || !strings.Contains(answer, want.field) {
			t.Errorf("%s: got %d %s, want %d that names %s", body, status, answer, want.status, want.field)
		}
	}
	for path, want := range map[string]int{"/users/nobody": 404, "/users?limit=0": 400} {
		if status, _ := do(t, "GET", url+path, ""); status != want {
			t.Errorf("%s: got %d, want %d", path, status, want)
		}
	}
}

// TestBrokerAway loses the broker: users goes on, is ready, and tells what happened when there is
// one again.
func TestBrokerAway(t *testing.T) {
	first := kittest.StartNATS(t, t.TempDir(), 0)
	env := map[string]string{"BROKER_URL": first.URL, "USERS_DB_URL": kittest.SQLite(t)}
	url := kittest.Start(t, run, env)
	first.Stop()
	if status, body := do(t, "POST", url+"/users", ada); status != 201 {
		t.Fatalf("create: got %d %s, want 201", status, body)
	}
	if status, body := do(t, "GET", url+"/readyz", ""); status != 200 {
		t.Errorf("readyz: got %d %s, want 200", status, body)
	}
	kittest.StartNATS(t, t.TempDir(), first.Port) // and it has lost its data
	m := <-listen(t, env)
	var u User
	if err := m.Decode(&u); err != nil || u.ID != "ada" {
		t.Errorf("got %s, %v; want ada", m.Body, err)
	}
}
