package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"msctl.dev/msctl/internal/bench/proc"
)

// jaegerFile is the all-in-one's own configuration without what this benchmark does not use, and with room
// for all traces.
const jaegerFile = `service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [jaeger_storage_exporter]}
  telemetry:
    metrics: {level: none}
    logs: {level: error}
extensions:
  jaeger_query:
    storage: {traces: some_storage}
    grpc: {endpoint: "%[2]s"}
    http: {endpoint: "%[3]s"}
  jaeger_storage:
    backends:
      some_storage: {memory: {max_traces: %[4]d}}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "%[1]s"}
processors:
  batch:
exporters:
  jaeger_storage_exporter: {trace_storage: some_storage}
`

// theirs measures Jaeger once.
func theirs(ctx context.Context, o options, l *load, t table) error {
	at, err := proc.FreeAddrs(3)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-jaeger-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(jaegerFile, at[0], at[1], at[2], 2*len(l.traces)*l.rounds)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	c, err := proc.Peer(ctx, exec.CommandContext(ctx, o.peer, "--config", path), at)
	if err != nil {
		return err
	}
	defer c.Stop()
	return l.fill(ctx, t, "jaeger", c, at[0], "http://"+at[2])
}
