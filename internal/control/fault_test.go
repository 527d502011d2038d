package control

import (
	"errors"
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
	fault := state.Fault{Target: "web:api", Kind: "latency", Params: map[string]string{"delay": "1s"}, For: time.Minute}
	added, err := c.AddFaults(t.Context(), []state.Fault{fault})
	if err != nil {
		t.Fatal(err)
	}
	fault.ID = "given"
	if diff := cmp.Diff([]state.Fault{fault}, added); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	got, err := c.Faults(t.Context())
	if diff := cmp.Diff([]state.Fault{fault}, got); err != nil || diff != "" {
		t.Errorf("faults: %v (-want +got):\n%s", err, diff)
	}
	if n, err := c.ClearFaults(t.Context(), ""); n != 1 || err != nil {
		t.Errorf("cleared %d, %v", n, err)
	}
	if n, err := c.RemoveFaults(t.Context(), []string{"given"}); n != 1 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if _, err := c.RemoveFaults(t.Context(), []string{"other"}); !errors.Is(err, state.ErrUnknownFault) {
		t.Errorf("an unknown id: got %v", err)
	}
	if err := c.KeepLease(t.Context(), "run"); err != nil {
		t.Error(err)
	}
	if _, err := c.AddFaults(t.Context(), []state.Fault{{Target: "nobody", Kind: "refuse"}}); err == nil {
		t.Error("a fault on an unknown edge was put")
	}
}

// TestHintAcrossSocket checks that a client is told what to do about a refusal in the way in which the fleet says it.
func TestHintAcrossSocket(t *testing.T) {
	for _, err := range []error{&Refusal{Status: 409, Text: "no", Hint: "do"}, known(&Refusal{Status: 404, Text: "no", Hint: "do"}, state.ErrUnknownTarget)} {
		var hinted interface{ Advice() string }
		if !errors.As(err, &hinted) || hinted.Advice() != "do" {
			t.Errorf("%#v has no advice", err)
		}
	}
}
