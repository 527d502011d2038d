package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/bench/proc"
	"msctl.dev/msctl/internal/proxy"
)

// role is what this binary does as a child process. It prints the addresses where it listens, one a line,
// and ends with its standard input.
func role(name string, args []string) {
	switch name {
	case "backend":
		backend()
	case "service":
		service()
	case "sink":
		sink()
	case "crowd":
		stand(args[0], args[1], args[2])
	case "caller":
		time.Sleep(time.Hour) // it only has to be there
	case "edge":
		defer proc.Profile(args[0])()
		edge(args[1:])
	}
	proc.Wait()
}

func hello() *http.Server {
	return &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`)
	})}
}

// service is the same HTTP server as a service of a stack.
func service() {
	srv := hello()
	srv.Addr = "127.0.0.1:" + os.Getenv("HTTP_PORT")
	fmt.Fprintln(os.Stderr, "edges:", srv.ListenAndServe())
	os.Exit(1)
}

// sink is an echo as a service of a stack.
func sink() {
	ln, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("TCP_PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "edges:", err)
		os.Exit(1)
	}
	accept(ln, echo)
}

func echo(c net.Conn) { _, _ = io.Copy(c, struct{ io.Reader }{c}) }

// backend listens as an HTTP server, as an echo, as a source without end, and as a gRPC server.
func backend() {
	go hello().Serve(proc.Open())
	go accept(proc.Open(), echo)
	go accept(proc.Open(), func(c net.Conn) {
		for b := make([]byte, 1<<20); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	calls := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(calls, health.NewServer())
	go calls.Serve(proc.Open())
}

func accept(ln net.Listener, handle func(net.Conn)) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			handle(c)
		}()
	}
}

// edge runs one edge for each "protocol=target", and an HTTP server that sets a fault on all of them by
// POST and lifts it by DELETE, as Toxiproxy's API does.
func edge(args []string) {
	var calls atomic.Int64
	var edges []*proxy.Edge
	for i := 0; i+1 < len(args); i += 2 {
		e := &proxy.Edge{From: "a", To: "b", Protocol: args[i], Record: func(proxy.Call) { calls.Add(1) }, Callee: &proxy.Flights{}}
		e.SetTargets([]proxy.Target{{Unit: "b", Addr: args[i+1]}})
		edges = append(edges, e)
		go e.Serve(context.Background(), proc.Open())
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var f *proxy.Faults
		if r.Method == http.MethodPost {
			f = &proxy.Faults{List: []proxy.Fault{chaos.Latency{Delay: time.Second}}}
		}
		for _, e := range edges {
			e.SetFaults(f)
		}
	})}
	go srv.Serve(proc.Open())
}
