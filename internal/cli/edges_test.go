package cli

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"msctl.dev/msctl/internal/state"
)

// TestEdgesFit prints edges on a screen of 80 columns: their names stay whole, columns without a text go, and then
// those that tell least. In a pipe all columns stay.
func TestEdgesFit(t *testing.T) {
	quiet := []state.Edge{
		{From: "orders", To: "payments", Listen: "http", Protocol: "http", Mesh: true, Faults: []string{"latency 300ms, jitter 50ms"}},
		{From: "notifications", To: "payments", Listen: "http", Protocol: "http", Mesh: true},
		{From: "payments", To: "payments-db", Protocol: "sqlite", Direct: "it is a file, and files have no edge that msctl could be on"},
	}
	busy := append([]state.Edge{{From: "gateway", To: "payments", Protocol: "grpc", Mesh: true, Requests: 104523, Rate: 1234.5, Failed: 12,
		InFlight: 14, Sent: 12 << 20, Received: 900 << 20, P50: 12 * time.Millisecond, P95: 120 * time.Millisecond, P99: 1200 * time.Millisecond}}, quiet...)
	for _, c := range []struct {
		name  string
		edges []state.Edge
		width int
		head  string
	}{
		{"quiet", quiet, 80, "EDGE PROTOCOL NOTE"},
		{"busy", busy, 80, "EDGE PROTOCOL RATE FAILED P50 P95 NOTE"},
		{"quiet in a pipe", quiet, unlimited, "EDGE PROTOCOL RATE FAILED P50 P95 P99 NOW TOTAL SENT GOT NOTE"},
	} {
		var b strings.Builder
		edgeTable(screen{Writer: &b, width: c.width}, c.edges)
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if got := strings.Join(strings.Fields(lines[0]), " "); got != c.head {
			t.Errorf("%s: columns %s", c.name, got)
		}
		for i, e := range c.edges {
			if line := lines[i+1]; !strings.HasPrefix(line, e.Name()+" ") || utf8.RuneCountInString(line) > c.width {
				t.Errorf("%s: %s", c.name, line)
			}
		}
	}
}
