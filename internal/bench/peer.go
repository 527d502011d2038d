package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// peerRun brings a stack of n services up under process-compose and returns the wall time until every one is
// ready and what its process used by then.
func (b *bench) peerRun(ctx context.Context, s stackFile) (time.Duration, usage, error) {
	dir, err := os.MkdirTemp("", "bench-peer-")
	if err != nil {
		return 0, usage{}, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "process-compose.yaml"), []byte(s.peer(b.self)), 0o600); err != nil {
		return 0, usage{}, err
	}
	port := freePorts(1)[0]
	cmd := exec.Command(b.peer, "up", "-t=false", "-p", strconv.Itoa(port), "-f", "process-compose.yaml")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, usage{}, err
	}
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }()
	if err := peerReady(ctx, port, len(s.services)); err != nil {
		return 0, usage{}, err
	}
	wall := time.Since(began)
	u, err := b.use(cmd.Process.Pid)
	return wall, u, err
}

func peerReady(ctx context.Context, port, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if peerCount(ctx, port) == n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for process-compose: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func peerCount(ctx context.Context, port int) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/processes", port), nil)
	if err != nil {
		return 0
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	var answer struct {
		Data []struct {
			Ready string `json:"is_ready"`
		} `json:"data"`
	}
	if json.NewDecoder(resp.Body).Decode(&answer) != nil {
		return 0
	}
	ready := 0
	for _, p := range answer.Data {
		if p.Ready == "Ready" {
			ready++
		}
	}
	return ready
}

// stackFile is one synthetic stack in both tools' words.
type stackFile struct {
	services []synthetic
}

// synthetic is one trivial service.
type synthetic struct {
	name  string
	after string // waits for this one's readiness
	args  string // of `bench serve`
}

func (s stackFile) msctl(self string) string {
	var w strings.Builder
	w.WriteString("version: 1\nname: bench\nservices:\n")
	for _, v := range s.services {
		fmt.Fprintf(&w, "  %s:\n    command: [%s, serve%s]\n    listen: {http: auto}\n    health: {http: /}\n", v.name, self, commaArgs(v.args))
		if v.after != "" {
			fmt.Fprintf(&w, "    after: [%s]\n", v.after)
		}
	}
	return w.String()
}

func commaArgs(args string) string {
	out := ""
	for _, a := range strings.Fields(args) {
		out += ", " + strconv.Quote(a)
	}
	return out
}

func (s stackFile) peer(self string) string {
	var w strings.Builder
	w.WriteString("version: \"0.5\"\nprocesses:\n")
	for i, port := range freePorts(len(s.services)) {
		v := s.services[i]
		fmt.Fprintf(&w, "  %s:\n    command: exec %s serve -port %d %s\n    readiness_probe:\n      http_get: {host: 127.0.0.1, scheme: http, path: /, port: %d}\n      period_seconds: 1\n",
			v.name, self, port, v.args, port)
		if v.after != "" {
			fmt.Fprintf(&w, "    depends_on:\n      %s: {condition: process_healthy}\n", v.after)
		}
	}
	return w.String()
}

func flat(n int, args string) stackFile {
	var s stackFile
	for i := range n {
		s.services = append(s.services, synthetic{name: fmt.Sprintf("s%03d", i), args: args})
	}
	return s
}

func line(n int, args string) stackFile {
	s := flat(n, args)
	for i := 1; i < n; i++ {
		s.services[i].after = s.services[i-1].name
	}
	return s
}

// freePorts takes n ports that were free a moment ago; all are held until all are chosen.
func freePorts(n int) []int {
	var ports []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports
		}
		defer ln.Close()
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
