package control

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/state"
)

func TestFaults(t *testing.T) {
	f := newFake()
	c := dial(t, serve(t, f))
	edges, err := c.Edges(t.Context())
	if diff := cmp.Diff(f.Edges(), edges); err != nil || diff != "" {
		t.Errorf("edges: %v (-want +got):\n%s", err, diff)
	}
	fault := state.Fault{Edge: "web:api", Latency: time.Second, Jitter: time.Millisecond, For: time.Minute}
	if err := c.SetFault(t.Context(), fault); err != nil {
		t.Fatal(err)
	}
	got, err := c.Faults(t.Context())
	if diff := cmp.Diff([]state.Fault{fault}, got); err != nil || diff != "" {
		t.Errorf("faults: %v (-want +got):\n%s", err, diff)
	}
	if n, err := c.ClearFaults(t.Context(), ""); n != 1 || err != nil {
		t.Errorf("cleared %d, %v", n, err)
	}
	err = c.SetFault(t.Context(), state.Fault{Edge: "web:api", Latency: -time.Second})
	if err == nil || !strings.Contains(err.Error(), "negative") {
		t.Errorf("a negative latency: got %v", err)
	}
	if err := c.SetFault(t.Context(), state.Fault{Edge: "nobody", Refuse: true}); err == nil {
		t.Error("a fault on an unknown edge was put")
	}
}
