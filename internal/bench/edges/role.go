package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

// role is what this binary does as a child process. It prints the addresses where it listens, one a line,
// and ends with its standard input.
func role(name string, args []string) {
	switch name {
	case "backend":
		backend()
	case "edge":
		defer profile(args[0])()
		edge(args[1:])
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// profile writes the CPU profile of this process to a file, where one is named, until what it returns is called.
func profile(path string) (stop func()) {
	if path == "" {
		return func() {}
	}
	f, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "edges: profile:", err)
	}
	return func() { pprof.StopCPUProfile(); f.Close() }
}

func open() net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "edges:", err)
		os.Exit(1)
	}
	fmt.Println(ln.Addr())
	return ln
}

// backend listens as an HTTP server, as an echo, and as a source without end.
func backend() {
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`)
	})}
	go srv.Serve(open())
	go accept(open(), func(c net.Conn) {
		_, _ = io.Copy(c, struct{ io.Reader }{c})
	})
	go accept(open(), func(c net.Conn) {
		for b := make([]byte, 1<<20); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
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
		go e.Serve(context.Background(), open())
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var f *proxy.Faults
		if r.Method == http.MethodPost {
			f = &proxy.Faults{List: []proxy.Fault{proxy.Latency{Delay: time.Second}}}
		}
		for _, e := range edges {
			e.SetFaults(f)
		}
	})}
	go srv.Serve(open())
}
