package experiment

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// furnished is a fleet with a cache and a service that speaks gRPC.
type furnished struct {
	*fleet
	cache, health string
	books         string // a file of SQLite
	away          string // where a PostgreSQL was
}

func (f *furnished) Snapshot(ctx context.Context) (state.Snapshot, error) {
	s, err := f.fleet.Snapshot(ctx)
	s.Units[0].Ports = append(s.Units[0].Ports, state.Port{Name: "grpc", Addr: f.health})
	s.Units = append(s.Units, state.Unit{Name: "cache", Service: "cache", Sort: state.Resource, Phase: state.Ready},
		state.Unit{Name: "page", Service: "page", Sort: state.Service, Phase: state.Skipped, Reason: "needs node, which is not installed"})
	return s, err
}

func (f *furnished) Environment(ctx context.Context, name string) (state.Environment, error) {
	switch name {
	case "cache":
		return state.Environment{Env: []string{"CACHE_URL=redis://" + f.cache + "/0"}}, nil
	case "books":
		return state.Environment{Env: []string{"BOOKS_URL=sqlite://" + f.books}}, nil
	case "away":
		return state.Environment{Env: []string{"AWAY_URL=postgres://a:b@" + f.away + "/a?sslmode=disable"}}, nil
	}
	return f.fleet.Environment(ctx, name)
}

// traces answers with as many as the filter asks for.
type traces map[string]int

func (t traces) Traces(_ context.Context, q telemetry.Query) (page telemetry.TracePage, err error) {
	page.Traces = make([]telemetry.TraceLine, t[q.Filter])
	return page, nil
}

func (traces) Trace(context.Context, string) (t telemetry.Trace, err error) { return t, nil }

// furnish is a site where the probes of servers find one: Redis holds a lock, gRPC serves, and shop has printed.
func furnish(t *testing.T) *world {
	t.Helper()
	s, f := site(t, nil)
	store := miniredis.RunT(t)
	store.Set("lock", "7")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, hs := grpc.NewServer(), health.NewServer()
	hs.SetServingStatus("idle", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(srv, hs)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	s.Fleet = &furnished{fleet: f, cache: store.Addr(), health: ln.Addr().String(), books: filepath.Join(t.TempDir(), "books.db")}
	s.Telemetry = traces{"status=error": 3}
	s.Exe = filepath.Join(t.TempDir(), "msctl")
	script := "#!/bin/sh\necho \"$*\"\ntest \"$3\" = shop\n"
	if err := os.WriteFile(s.Exe, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	w := newWorld(s, 1)
	log, err := output.Open(filepath.Join(s.Logs, "shop"), output.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for at, line := range map[time.Duration]string{-time.Hour: "circuit changed", time.Second: "circuit changed", 2 * time.Second: "bye"} {
		if err := log.Append(w.begun.Add(at), output.Stdout, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	w.keep("what", "lock")
	return w
}

// TestProbes looks once with each probe of a server, a log, traces and pacts: it holds, it does not, or nothing was seen.
func TestProbes(t *testing.T) {
	w := furnish(t)
	for _, c := range []struct{ probe, value, why, err string }{
		{"{grpc: shop}", "SERVING", "", ""},
		{"{grpc: shop, of: idle}", "NOT_SERVING", "want = SERVING", ""},
		{"{grpc: shop, of: idle, want: NOT_SERVING}", "NOT_SERVING", "", ""},
		{"{grpc: shop, of: nobody}", "", "unknown service", ""},
		{"{grpc: bank}", "", "", "bank/grpc: it does not listen there"},
		{"{tcp: shop}", "", "", ""},
		{"{tcp: \"shop:grpc\"}", "", "", ""},
		{"{tcp: bank}", "", "", "it does not listen there"},
		{"{redis: cache, do: [GET, \"${what}\"], want: 7}", "7", "", ""},
		{"{redis: cache, do: [EXISTS, lock], want: 0}", "1", "is 1, want = 0", ""},
		{"{redis: cache, do: [GET, none], want: 1}", "", "is , want = 1", ""},
		{"{redis: cache, do: [NONSENSE]}", "", "ask cache:", ""},
		{"{redis: shop-db, do: [PING]}", "", "", "find shop-db"},
		{"{sql: books, query: SELECT 1, want: 1}", "1", "", ""},
		{"{sql: books, query: SELECT 1, want: 2}", "1", "is 1, want = 2", ""},
		{"{sql: books, query: SELEKT 1, want: 1}", "", "", "ask books: SQL logic error"},
		{"{sql: books, query: SELECT a FROM absent, want: 1}", "", "", "no such table: absent"},
		{"{log: shop, find: circuit changed, want: 1}", "1", "", ""},
		{"{log: shop, want: 2}", "2", "", ""},
		{"{log: shop, find: panic}", "0", "is 0, want >= 1", ""},
		{"{log: bank, want: 0}", "0", "", ""},
		{"{log: bunk}", "", "", "the fleet has none of that name"},
		{"{traces: status=error, want: 3}", "3", "", ""},
		{"{traces: status=ok}", "0", "is 0, want >= 1", ""},
		{"{pact: shop}", "exit 0", "", ""},
		{"{pact: bank}", "exit 1", "exited with 1, want = 0: contract verify bank", ""},
	} {
		e := parse(t, "title: a\nsetup: [{http: GET shop/, keep: {what: at}}]\nafter: ["+c.probe+"]\n")
		got := e.After[0].Look.look(t.Context(), w)
		text := ""
		if got.Err != nil {
			text = got.Err.Error()
		}
		if c.value != "" && got.Value != c.value || (c.why == "") != (got.Why == "") || !strings.Contains(got.Why, c.why) ||
			(c.err == "") != (got.Err == nil) || !strings.Contains(text, c.err) {
			t.Errorf("%s: value %q, why %q, error %v; want %q, %q, %q", c.probe, got.Value, got.Why, got.Err, c.value, c.why, c.err)
		}
	}
	for _, probe := range []string{"{traces: status=error}", "{pact: shop}"} {
		without := newWorld(Site{Fleet: w.Fleet, Stack: w.Stack, Logs: w.Logs}, 1)
		if got := parse(t, "title: a\nafter: ["+probe+"]\n").After[0].Look.look(t.Context(), without); got.Err == nil {
			t.Errorf("%s without what it needs: %+v", probe, got)
		}
	}
}

// TestGone looks at servers that went away: that is a finding about the fleet, and no failure of the probe.
func TestGone(t *testing.T) {
	w := furnish(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := ln.Addr().String()
	ln.Close()
	f := w.Fleet.(*furnished)
	f.addr, f.cache, f.health, f.away = gone, gone, gone, gone
	for _, probe := range []string{"{grpc: shop}", "{tcp: shop}", "{redis: cache, do: [PING]}", "{sql: away, query: SELEKT 1}", "{http: GET shop/}"} {
		if got := parse(t, "title: a\nafter: ["+probe+"]\n").After[0].Look.look(t.Context(), w); got.Err != nil || got.Why == "" {
			t.Errorf("%s: %+v", probe, got)
		}
	}
}

// TestFaultsAsMaps reads a fault as words and as a map of the same keys.
func TestFaultsAsMaps(t *testing.T) {
	for words, mapped := range map[string]string{
		`"shop:bank refuse"`: "{target: \"shop:bank\", kind: refuse}",
		`"shop:bank latency=30ms,jitter=5ms toxicity=0.5 seed=9"`: "{target: \"shop:bank\", kind: latency, params: {delay: 30ms, jitter: 5ms}, toxicity: 0.5, seed: 9}",
		`"shop:bank abort=503 match=/charge match.method=POST"`:   "{target: \"shop:bank\", kind: abort, params: {status: 503}, match: {path: /charge, method: POST}}",
	} {
		a := parse(t, "title: a\nafter: [{http: GET shop/}]\nfaults: [{fault: "+words+"}]\n").Faulted()
		b := parse(t, "title: a\nafter: [{http: GET shop/}]\nfaults: [{fault: "+mapped+"}]\n").Faulted()
		if diff := cmp.Diff(a, b); diff != "" || len(a) != 1 {
			t.Errorf("%s and %s differ: %s", words, mapped, diff)
		}
	}
}

// TestAbsent says which service an experiment needs that this fleet has not.
func TestAbsent(t *testing.T) {
	w := furnish(t)
	w.Stack.Services = append(w.Stack.Services, &stack.Service{Name: "mail"})
	for text, want := range map[string]string{
		"after: [{http: GET shop/}]\nfaults: [{fault: \"page:bank refuse\"}]":   "page is not in this fleet: needs node, which is not installed",
		"after: [{process: page, is: ready}]":                                   "page is not in this fleet: needs node, which is not installed",
		"after: [{edge: \"shop:page\", measure: rate, want: 0}]":                "page is not in this fleet: needs node, which is not installed",
		"after: [{http: GET mail/}]":                                            "mail is not in this fleet: it was left out",
		"after: [{http: GET shop/}]\nfaults: [{fault: \"shop:bank refuse\"}]":   "",
		"after: [{http: GET elsewhere/}]\nfaults: [{fault: \"shop:x refuse\"}]": "",
	} {
		if got, err := Absent(t.Context(), parse(t, "title: a\n"+text+"\n"), w.Site); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
}
