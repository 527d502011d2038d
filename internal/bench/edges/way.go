package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/bench/proc"
)

// columns are all ways there may be, in the order of the table. Those that are not measured have none.
var columns = []string{"direct", "msctl", "before", "msctl up", "toxiproxy", "haproxy", "nginx"}

// kind is one sort of way, which can be started anew.
type kind struct {
	name  string
	start func(ctx context.Context, o options, back *way) (*way, error)
}

// way is one way to the backend.
type way struct {
	http, echo, source string // addresses; "": it has none
	grpc               string
	pid                int // of the proxy; 0 direct
	cpu                func(pid int) float64
	atRest             float64 // its memory before the first connection
	toggle             func(on bool) error
	stop               func()
}

// prepare builds and finds what can be measured.
func prepare(ctx context.Context, o *options) ([]kind, error) {
	kinds := []kind{{"direct", direct}, {"msctl", msctl}}
	if o.before != "" {
		kinds = append(kinds, kind{"before", before})
	}
	if _, err := os.Stat(o.msctl); err != nil {
		fmt.Fprintln(os.Stderr, "edges: without a whole fleet:", err)
	} else {
		kinds = append(kinds, kind{"msctl up", up})
	}
	if o.peer == "" {
		var err error
		if o.peer, err = proc.Build(ctx, "toxiproxy", "peers", "github.com/Shopify/toxiproxy/v2/cmd/server"); err != nil {
			fmt.Fprintln(os.Stderr, "edges:", err)
		}
	}
	if o.peer != "" {
		kinds = append(kinds, kind{"toxiproxy", toxiproxy})
	}
	for _, k := range []kind{{"haproxy", haproxy}, {"nginx", nginx}} {
		if _, err := exec.LookPath(k.name); err != nil {
			fmt.Fprintf(os.Stderr, "edges: %s: not installed\n", k.name)
			continue
		}
		kinds = append(kinds, k)
	}
	return slices.DeleteFunc(kinds, func(k kind) bool { return len(o.ways) > 0 && !slices.Contains(o.ways, k.name) }), nil
}

func direct(_ context.Context, _ options, back *way) (*way, error) {
	w := *back
	w.pid, w.stop = 0, func() {}
	return &w, nil
}

// msctl starts an edge in a process of its own.
func msctl(ctx context.Context, o options, back *way) (*way, error) {
	return edgeOf(proc.Self(ctx, 5, edgeArgs(o.profile, back)...))
}

// before starts the edge of another build of this benchmark.
func before(ctx context.Context, o options, back *way) (*way, error) {
	return edgeOf(proc.Role(ctx, o.before, 5, edgeArgs("", back)...))
}

func edgeArgs(profile string, back *way) []string {
	return []string{"edge", profile, "http", back.http, "tcp", back.echo, "tcp", back.source, "grpc", back.grpc}
}

func edgeOf(c proc.Child, err error) (*way, error) {
	if err != nil {
		return nil, err
	}
	w := over(c)
	w.toggle = func(on bool) error {
		if on {
			return call("POST", "http://"+c.Addrs[4], "")
		}
		return call("DELETE", "http://"+c.Addrs[4], "")
	}
	return w, nil
}

func startBackend(ctx context.Context) (*way, error) {
	c, err := proc.Self(ctx, 4, "backend")
	if err != nil {
		return nil, err
	}
	return over(c), nil
}

// over is the way over a process.
func over(c proc.Child) *way {
	return &way{pid: c.PID, cpu: proc.CPU, http: c.Addrs[0], echo: c.Addrs[1], source: c.Addrs[2], grpc: c.Addrs[3], stop: c.Stop}
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
