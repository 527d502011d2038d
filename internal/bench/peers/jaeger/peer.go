//go:build tools

// Package jaeger pins the Jaeger that the benchmark measures the telemetry store against, in a module of its
// own: what it requires would change the versions of the other peers.
package jaeger

import _ "github.com/jaegertracing/jaeger/cmd/jaeger"
