package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/internal/bench/proc"
)

// toxiproxy starts its server with one proxy for each address of the backend.
func toxiproxy(ctx context.Context, o options, back *way) (*way, error) {
	at, err := proc.FreeAddrs(5)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(at[4])
	cmd := exec.CommandContext(ctx, o.peer, "-host", host, "-port", port)
	cmd.Env = append(os.Environ(), "LOG_LEVEL=error")
	c, err := proc.Peer(ctx, cmd, at)
	if err != nil {
		return nil, err
	}
	w := over(c)
	api := "http://" + at[4]
	for i, target := range []string{back.http, back.echo, back.source, back.grpc} {
		if err := call("POST", api+"/proxies", fmt.Sprintf(`{"name":"p%d","listen":%q,"upstream":%q,"enabled":true}`, i, at[i], target)); err != nil {
			w.stop()
			return nil, err
		}
	}
	w.toggle = func(on bool) error {
		if on {
			return call("POST", api+"/proxies/p1/toxics", `{"name":"l","type":"latency","attributes":{"latency":1000}}`)
		}
		return call("DELETE", api+"/proxies/p1/toxics/l", "")
	}
	return w, nil
}

const haproxyFile = `global
  maxconn 4000
defaults
  maxconn 4000
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen http
  mode http
  bind %[1]s
  server b %[4]s
listen echo
  mode tcp
  bind %[2]s
  server b %[5]s
listen source
  mode tcp
  bind %[3]s
  server b %[6]s
listen grpc
  mode http
  bind %[8]s proto h2
  server b %[9]s proto h2
`

func haproxy(ctx context.Context, _ options, back *way) (*way, error) {
	return withFile(ctx, back, haproxyFile, func(path string) *exec.Cmd { return exec.CommandContext(ctx, "haproxy", "-db", "-f", path) })
}

const nginxFile = `%[7]sdaemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 10000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  upstream b { server %[4]s; keepalive 64; }
  server {
    listen %[1]s;
    location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
  upstream g { server %[9]s; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen %[8]s http2;
    location / { grpc_pass grpc://g; }
  }
}
stream {
  server { listen %[2]s; proxy_pass %[5]s; }
  server { listen %[3]s; proxy_pass %[6]s; }
}
`

func nginx(ctx context.Context, _ options, back *way) (*way, error) {
	return withFile(ctx, back, nginxFile, func(path string) *exec.Cmd {
		return exec.CommandContext(ctx, "nginx", "-p", filepath.Dir(path), "-c", path, "-e", "stderr")
	})
}

// streamModule is what nginx needs to be told where its stream module is apart.
func streamModule() string {
	const path = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return "load_module " + path + ";\n"
}

// withFile starts a proxy that reads its addresses from a file.
func withFile(ctx context.Context, back *way, format string, command func(path string) *exec.Cmd) (*way, error) {
	at, err := proc.FreeAddrs(4)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-edges-")
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(strings.ReplaceAll(format, "%[7]s", streamModule()), at[0], at[1], at[2], back.http, back.echo, back.source, "", at[3], back.grpc)
	path := filepath.Join(dir, "conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	c, err := proc.Peer(ctx, command(path), at)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	w := over(c)
	w.stop = func() { c.Stop(); os.RemoveAll(dir) }
	return w, nil
}
