package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"msctl.dev/msctl/internal/bench/proc"
	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/desk"
	"msctl.dev/msctl/internal/telemetry/insight"
	"msctl.dev/msctl/internal/telemetry/jaeger"
	"msctl.dev/msctl/internal/telemetry/otlp"
)

// role is the receiver with its store in a folder. It listens for OTLP/gRPC, for OTLP/HTTP and Jaeger's query
// API, and for the questions of this benchmark.
func role(args []string) {
	defer proc.Profile(args[1])()
	store, err := telemetry.Open(args[0], telemetry.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "spans:", err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var receiving, keeping sync.WaitGroup
	keep, kept := context.WithCancel(context.Background())
	r := &otlp.Receiver{Store: store, GRPC: proc.Open(), HTTP: proc.Open(), Handler: &jaeger.Handler{Store: store, Map: drawn(store)}}
	receiving.Go(func() { say(r.Run(ctx)) })
	keeping.Go(func() { say(store.Run(keep)) })
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: questions(store)}
	go srv.Serve(proc.Open())
	proc.Wait()
	cancel()
	receiving.Wait()
	kept()
	keeping.Wait()
}

func say(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "spans:", err)
	}
}

// answer is how long the store took, and what it has.
type answer struct {
	Took   time.Duration
	Found  int
	Err    string
	Counts telemetry.Counts
}

// drawn is the map of a stack of which nothing is declared.
func drawn(store *telemetry.Store) func(ctx context.Context, since, until time.Time) (telemetry.Map, error) {
	return func(ctx context.Context, since, until time.Time) (telemetry.Map, error) {
		flows, err := store.Traffic(ctx, since, until)
		return insight.Map(flows, &insight.Topology{}, since, until), err
	}
}

// deskOf answers about a stack of which only the services are declared.
func deskOf(store *telemetry.Store) *desk.Desk {
	return &desk.Desk{Store: store, Topology: func() *insight.Topology { return &insight.Topology{Services: fleet} }}
}

// questions asks the store directly: what its answers take in JSON is left out.
func questions(store *telemetry.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a answer
		var err error
		began := time.Now()
		switch r.URL.Path {
		case "/search":
			var page telemetry.TracePage
			page, err = store.Search(r.Context(), telemetry.Query{Filter: r.FormValue("filter"), Limit: answers})
			a.Found = len(page.Traces)
		case "/trace":
			var id telemetry.TraceID
			if err = id.UnmarshalText([]byte(r.FormValue("id"))); err == nil {
				var spans []telemetry.Span
				spans, err = store.Spans(r.Context(), id)
				a.Found = len(spans)
			}
		case "/map":
			var m telemetry.Map
			since, _ := time.Parse(time.RFC3339Nano, r.FormValue("since"))
			m, err = drawn(store)(r.Context(), since, time.Now())
			a.Found = len(m.Edges)
		case "/why":
			var why telemetry.Reason
			since, _ := time.Parse(time.RFC3339Nano, r.FormValue("since"))
			why, err = deskOf(store).Why(r.Context(), "", since)
			a.Found = len(why.Causes)
		case "/advise":
			var found []telemetry.Finding
			since, _ := time.Parse(time.RFC3339Nano, r.FormValue("since"))
			found, err = deskOf(store).Advise(r.Context(), since)
			a.Found = len(found)
		case "/diff":
			var d telemetry.Diff
			d, err = deskOf(store).Diff(r.Context(), "24h.."+r.FormValue("since"), r.FormValue("since")+"..")
			a.Found = len(d.Rows)
		}
		a.Took = time.Since(began)
		a.Counts = store.Counts()
		if err != nil {
			a.Err = err.Error()
		}
		_ = json.NewEncoder(w).Encode(a)
	})
}
