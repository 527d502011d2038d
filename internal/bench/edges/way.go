package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// way is one way to the backend.
type way struct {
	name               string
	http, echo, source string  // addresses
	pid                int     // of the proxy; 0 direct
	atRest             float64 // its memory before the first connection
	toggle             func(on bool) error
	stop               func()
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

func startBackend(ctx context.Context) (*way, error) {
	_, at, stop, err := child(ctx, 3, "backend")
	if err != nil {
		return nil, err
	}
	return &way{name: "direct", http: at[0], echo: at[1], source: at[2], stop: stop}, nil
}

// openWays opens the edge, and Toxiproxy where it can be built. The first way is the direct one.
func openWays(ctx context.Context, o options, back *way) (ways []*way, err error) {
	direct := *back
	direct.stop = func() {}
	ways = []*way{&direct}
	defer func() {
		for _, w := range ways {
			w.atRest = memory(w.pid)
		}
	}()
	pid, at, stop, err := child(ctx, 4, "edge", "http", back.http, "tcp", back.echo, "tcp", back.source)
	if err != nil {
		return ways, err
	}
	ways = append(ways, &way{name: "msctl", pid: pid, http: at[0], echo: at[1], source: at[2], stop: stop,
		toggle: func(on bool) error {
			if on {
				return call("POST", "http://"+at[3], "")
			}
			return call("DELETE", "http://"+at[3], "")
		}})
	tox, err := toxiproxy(ctx, o.peer, back)
	if err != nil {
		fmt.Fprintln(os.Stderr, "edges: without toxiproxy:", err)
		return ways, nil
	}
	return append(ways, tox), nil
}

// toxiproxy starts its server with one proxy for each address of the backend.
func toxiproxy(ctx context.Context, bin string, back *way) (*way, error) {
	if bin == "" {
		bin = filepath.Join(os.TempDir(), "msctl-bench-peer-toxiproxy")
		build := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/Shopify/toxiproxy/v2/cmd/server")
		build.Dir = filepath.Join("internal", "bench", "peers")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build: %w: %s", err, bytes.TrimSpace(out[max(0, len(out)-300):]))
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, bin, "-host", "127.0.0.1", "-port", port)
	cmd.Env = append(os.Environ(), "LOG_LEVEL=error")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	api := "http://127.0.0.1:" + port
	at, err := proxies(ctx, api, back)
	if err != nil {
		stop()
		return nil, err
	}
	return &way{name: "toxiproxy", pid: cmd.Process.Pid, http: at[0], echo: at[1], source: at[2], stop: stop,
		toggle: func(on bool) error {
			if on {
				return call("POST", api+"/proxies/p1/toxics", `{"name":"l","type":"latency","attributes":{"latency":1000}}`)
			}
			return call("DELETE", api+"/proxies/p1/toxics/l", "")
		}}, nil
}

func proxies(ctx context.Context, api string, back *way) ([]string, error) {
	for call("GET", api+"/version", "") != nil {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	var at []string
	for i, target := range []string{back.http, back.echo, back.source} {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		listen := "127.0.0.1:" + port
		if err := call("POST", api+"/proxies", fmt.Sprintf(`{"name":"p%d","listen":%q,"upstream":%q,"enabled":true}`, i, listen, target)); err != nil {
			return nil, err
		}
		at = append(at, listen)
	}
	return at, nil
}

func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port), nil
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

// cpu is what a process has used so far, in seconds.
func cpu(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	sys, _ := strconv.Atoi(f[12])
	return float64(user+sys) / 100
}

// memory is the resident memory of a process that is its own, in bytes.
func memory(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024
		}
	}
	return 0
}
