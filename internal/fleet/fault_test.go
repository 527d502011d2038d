package fleet

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// TestFaultLease checks that a fault with an end of its own is lifted then, and both are told.
func TestFaultLease(t *testing.T) {
	st := listening(t.TempDir(), 0, 0)
	st.Services[0].Calls = []stack.Call{{To: "b", Protocol: "http"}}
	st.Edges = []stack.Edge{{From: "a", To: "b", Protocol: "http"}}
	o := options(t, st, &drivertest.Fake{})
	o.Fault = chaos.Compile
	synctest.Test(t, func(t *testing.T) {
		f, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.AddFaults(t.Context(), []state.Fault{{Target: "a:b", Kind: "latency", Params: map[string]string{"delay": "1s"}, For: time.Minute}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if got, _ := f.Faults(t.Context()); len(got) != 1 || time.Until(got[0].Until) != time.Second {
			t.Errorf("after 59 s: %+v", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got, _ := f.Faults(t.Context()); len(got) != 0 {
			t.Errorf("after its time: %+v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var told []string
		for e := range f.Follow(ctx, 0) {
			if told = append(told, e.Edge+" "+e.Text); e.Seq == f.Snapshot().Seq {
				break
			}
		}
		want := []string{"a:b a:b: latency delay=1s for 1m0s", "a:b a:b: latency delay=1s lifted"}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}
