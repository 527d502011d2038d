package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

// columns are all ways there may be, in the order of the table.
var columns = []string{"direct", "msctl", "toxiproxy", "haproxy", "nginx"}

// kind is one sort of way, which can be started anew.
type kind struct {
	name  string
	start func(ctx context.Context, o options, back *way) (*way, error)
}

// way is one way to the backend.
type way struct {
	http, echo, source string  // addresses
	pid                int     // of the proxy; 0 direct
	atRest             float64 // its memory before the first connection
	toggle             func(on bool) error
	stop               func()
}

// prepare builds and finds what can be measured.
func prepare(ctx context.Context, o *options) ([]kind, error) {
	kinds := []kind{{"direct", direct}, {"msctl", msctl}}
	if err := buildToxiproxy(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "edges: without toxiproxy:", err)
	} else {
		kinds = append(kinds, kind{"toxiproxy", toxiproxy})
	}
	for _, k := range []kind{{"haproxy", haproxy}, {"nginx", nginx}} {
		if _, err := exec.LookPath(k.name); err != nil {
			fmt.Fprintf(os.Stderr, "edges: %s: not installed\n", k.name)
			continue
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

func direct(_ context.Context, _ options, back *way) (*way, error) {
	w := *back
	w.pid, w.stop = 0, func() {}
	return &w, nil
}

// msctl starts an edge in a process of its own.
func msctl(ctx context.Context, o options, back *way) (*way, error) {
	pid, at, stop, err := child(ctx, 4, "edge", o.profile, "http", back.http, "tcp", back.echo, "tcp", back.source)
	if err != nil {
		return nil, err
	}
	return &way{pid: pid, http: at[0], echo: at[1], source: at[2], stop: stop, toggle: func(on bool) error {
		if on {
			return call("POST", "http://"+at[3], "")
		}
		return call("DELETE", "http://"+at[3], "")
	}}, nil
}

func startBackend(ctx context.Context) (*way, error) {
	_, at, stop, err := child(ctx, 3, "backend")
	if err != nil {
		return nil, err
	}
	return &way{http: at[0], echo: at[1], source: at[2], stop: stop}, nil
}

// child starts this binary in a role and reads n addresses.
func child(ctx context.Context, n int, args ...string) (pid int, addrs []string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"role"}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, nil, nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, nil, nil, err
	}
	stop = func() { in.Close(); _ = cmd.Wait() }
	for r := bufio.NewScanner(out); len(addrs) < n && r.Scan(); {
		addrs = append(addrs, r.Text())
	}
	if len(addrs) < n {
		stop()
		return 0, nil, nil, fmt.Errorf("start %s: it told %d of %d addresses", args[0], len(addrs), n)
	}
	return cmd.Process.Pid, addrs, stop, nil
}

// call makes one request of a control API.
func call(method, url, body string) error {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, url, res.Status, b)
	}
	return nil
}
