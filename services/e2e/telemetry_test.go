package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// telemetry asks msctl what the fleet does, on every backing that this machine has.
func telemetry(t *testing.T, root, msctl string) {
	for _, backing := range backings {
		t.Run(backing.name, func(t *testing.T) {
			backing.need(t)
			f := newFleet(t, root, msctl, up(t, t, root, msctl, backing.name, "--profile", "notify")).meet()
			f.notify("order-1")
			f.oneTrace(true)
			f.mapOfAll()
			f.slowEdge()
			f.failedRequest()
		})
	}
}

// TestTelemetryOfEdgesAlone does not let the services say a word.
func TestTelemetryOfEdgesAlone(t *testing.T) {
	root, msctl := build(t)
	silent := filepath.Join(t.TempDir(), "silent.yaml")
	text := "version: 1\nservices:\n"
	for _, s := range []string{"gateway", "users", "templates", "notifications", "email", "push", "legacy"} {
		text += "  " + s + `: {env: {OTEL_SDK_DISABLED: "true"}}` + "\n"
	}
	if err := os.WriteFile(silent, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, backing := range backings {
		if backing.name == "container" {
			continue // the same servers as native: nothing else is on the wire
		}
		t.Run(backing.name, func(t *testing.T) {
			backing.need(t)
			f := newFleet(t, root, msctl, up(t, t, root, msctl, backing.name, "-f", filepath.Join(root, "stack.yaml"), "-f", silent, "--profile", "notify")).meet()
			f.notify("order-1")
			for _, s := range f.oneTrace(false) {
				if s.Scope != "msctl" {
					t.Errorf("%s: %s %q was told by the service", s.Edge, s.Service, s.Name)
				}
			}
		})
	}
}

// What the commands print with --json, as far as it is looked at.
type (
	traceLine struct {
		ID, Service, Name string
		Errors            int
		Services          []string
	}
	span struct {
		Service, Edge, Name, Scope string
		Attrs                      []struct {
			Key   string
			Value any
		}
	}
	mapEdge struct {
		From, To string
		Count    int64
	}
)

func (s span) attr(key string) any {
	for _, a := range s.Attrs {
		if a.Key == key {
			return a.Value
		}
	}
	return nil
}

// parts are what this fleet has: push is left out without Python, and SQLite is a file without an edge.
func (f *fleet) parts() (services, edges []string) {
	services = []string{"gateway", "notifications", "users", "templates", "email"}
	edges = []string{":gateway", "gateway:notifications", "gateway:cache", "notifications:users", "notifications:templates",
		"notifications:broker", "email:broker", "email:cache", "email:mail"}
	for _, e := range ask[struct {
		From, To string
		Mesh     bool
	}](f, "edges") {
		switch {
		case e.From == "push":
			edges = append(edges, "push:"+e.To)
		case e.To == "notify-db" && e.From == "notifications" && e.Mesh:
			edges = append(edges, "notifications:notify-db", "users:users-db", "templates:notify-db")
		}
	}
	if slices.Contains(edges, "push:broker") {
		services = append(services, "push")
	}
	return services, edges
}

// aside reports the requests of this test itself: it asks how far the notification is, and the events of
// what it set up may go on meanwhile.
func aside(name string) bool {
	return strings.HasPrefix(name, "GET /v1/notifications") || name == "POST /v1/users" || strings.HasPrefix(name, "PUT /v1/templates/")
}

// oneTrace waits until the last notification is one trace with all that it passed, and nothing else is one,
// and checks that its logs are found by it. told says that the services send spans too.
func (f *fleet) oneTrace(told bool) []span {
	f.t.Helper()
	services, edges := f.parts()
	var traces []traceLine
	var spans []span
	var missing string
	f.until("the notification is one trace", func() bool {
		traces = ask[traceLine](f, "traces", f.since(), "-n", "2000")
		traces = slices.DeleteFunc(traces, func(l traceLine) bool { return aside(l.Name) })
		if len(traces) != 1 {
			missing = fmt.Sprintf("one trace: %+v", traces)
			return false
		}
		spans = ask[span](f, "trace", traces[0].ID)
		var seen []string
		for _, s := range spans {
			if seen = append(seen, s.Edge); s.Edge == "" {
				seen = append(seen, s.Service)
			}
			if s.Edge == "" && (s.attr("db.system.name") != nil || s.attr("db.system") != nil) {
				seen = append(seen, "database of "+s.Service)
			}
		}
		want := slices.Clone(edges)
		if told {
			want = append(append(want, services...), "database of users", "database of templates", "database of notifications")
		}
		missing = strings.Join(slices.DeleteFunc(want, func(w string) bool { return slices.Contains(seen, w) }), ", ")
		return missing == ""
	}, &missing)
	id := traces[0].ID
	want := slices.DeleteFunc(services, func(s string) bool { return !slices.Contains([]string{"notifications", "email", "push"}, s) })
	f.until("logs of "+strings.Join(want, ", "), func() bool {
		logs := ask[struct{ Service string }](f, "logs", "--trace", id)
		return !slices.ContainsFunc(want, func(s string) bool {
			return !slices.ContainsFunc(logs, func(l struct{ Service string }) bool { return l.Service == s })
		})
	})
	return spans
}

// mapOfAll checks that the map counts every edge of stack.yaml.
func (f *fleet) mapOfAll() {
	f.t.Helper()
	var want []string
	for _, e := range ask[mapEdge](f, "edges") {
		want = append(want, e.From+":"+e.To)
	}
	if len(want) < 15 {
		f.t.Fatalf("stack.yaml has more than %v", want)
	}
	if slices.Contains(want, "gateway:legacy") { // it came along with push
		f.call("GET", "/coupons/WELCOME10", "", 200)
	}
	var missing string
	f.until("all edges are counted", func() bool {
		counts := map[string]int64{}
		for _, e := range ask[mapEdge](f, "map") {
			counts[e.From+":"+e.To] += e.Count
		}
		missing = strings.Join(slices.DeleteFunc(slices.Clone(want), func(e string) bool { return counts[e] > 0 }), ", ")
		return missing == ""
	}, &missing)
}

// slowEdge puts a latency on an edge, asks who makes the notifications slow, and takes it away again.
func (f *fleet) slowEdge() {
	f.t.Helper()
	const edge = "notifications:users"
	for _, id := range []string{"usual-1", "usual-2", "usual-3"} {
		f.notify(id)
	}
	f.tell("chaos", "add", edge, "latency=300ms")
	faulty := time.Now()
	for _, id := range []string{"slow-1", "slow-2", "slow-3"} {
		f.notify(id)
	}
	f.begun = faulty
	type cause struct {
		Subject  string
		Evidence []string
	}
	var said string
	f.until("why names "+edge, func() bool {
		causes := ask[cause](f, "why", f.since())
		said = fmt.Sprintf("%+v", causes)
		return len(causes) > 0 && causes[0].Subject == edge && strings.Contains(strings.Join(causes[0].Evidence, "\n"), "latency 300ms")
	}, &said)
	f.tell("chaos", "clear")
	f.notify("fast-again")
	for _, s := range f.oneTrace(true) {
		if fault := s.attr("msctl.faults"); s.Edge == edge && fault != nil {
			f.t.Errorf("after the fault was cleared: %s has %v", edge, fault)
		}
	}
	if acting := ask[any](f, "chaos", "list"); len(acting) > 0 {
		f.t.Errorf("still acts: %v", acting)
	}
}

// failedRequest stops a service, and finds the request that needed it among those that failed.
func (f *fleet) failedRequest() {
	f.t.Helper()
	f.tell("stop", "users")
	f.begun = time.Now()
	f.call("GET", "/users/ana", "", 502)
	f.until("the failed request is found", func() bool {
		found := ask[traceLine](f, "traces", "--status", "error", f.since())
		return slices.ContainsFunc(found, func(l traceLine) bool { return l.Name == "GET /v1/users/ana" && l.Errors > 0 })
	})
	f.tell("start", "users")
	f.tell("wait", "users", "--timeout", "60s")
	f.call("GET", "/users/ana", "", 200)
}
