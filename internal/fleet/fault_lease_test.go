package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// inFaultyFleet runs a story on a fleet of a, b and c that call each other, and whose faults have a clock.
func inFaultyFleet(t *testing.T, story func(t *testing.T, f *Fleet)) {
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
		story(t, f)
	})
}

func faultIDs(t *testing.T, f *Fleet) string {
	t.Helper()
	faults, err := f.Faults(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, one := range faults {
		ids = append(ids, one.ID)
	}
	return strings.Join(ids, " ")
}

func refuseOn(target string) state.Fault { return state.Fault{Target: target, Kind: "refuse"} }

// TestLease is H1: who holds a lease and is killed renews it no more, and 5 s later nothing acts that it put.
func TestLease(t *testing.T) {
	inFaultyFleet(t, func(t *testing.T, f *Fleet) {
		leased, other := refuseOn("a:b"), refuseOn("a:b")
		leased.Lease = "run"
		if _, err := f.AddFaults(t.Context(), []state.Fault{leased, leased, other}); err != nil {
			t.Fatal(err)
		}
		holder, kill := context.WithCancel(t.Context())
		go func() {
			for holder.Err() == nil {
				if err := f.KeepLease(holder, "run"); err != nil {
					t.Error(err)
				}
				select {
				case <-time.After(time.Second):
				case <-holder.Done():
				}
			}
		}()
		time.Sleep(time.Minute)
		if got := faultIDs(t, f); got != "refuse-1 refuse-2 refuse-3" {
			t.Errorf("while it is kept: %s", got)
		}
		kill()
		time.Sleep(state.LeaseTime + time.Millisecond)
		synctest.Wait()
		if got := faultIDs(t, f); got != "refuse-3" {
			t.Errorf("5 s after its holder was killed: %s", got)
		}
		time.Sleep(state.FaultTime)
		synctest.Wait()
		if got := faultIDs(t, f); got != "" {
			t.Errorf("after ten minutes: %s", got)
		}
		if err := f.KeepLease(t.Context(), "run"); err != nil || faultIDs(t, f) != "" {
			t.Errorf("a lease that is over: %v, %s", err, faultIDs(t, f))
		}
	})
}

// TestAllOrNone puts nothing where one of several cannot be put.
func TestAllOrNone(t *testing.T) {
	inFaultyFleet(t, func(t *testing.T, f *Fleet) {
		for _, bad := range []state.Fault{refuseOn("a:c"), refuseOn("a"), {Target: "a:b", Kind: "refsue"}, {Target: "a:b", Kind: "latency"}} {
			if got, err := f.AddFaults(t.Context(), []state.Fault{refuseOn("a:b"), bad}); err == nil {
				t.Errorf("put %v", got)
			}
		}
		_, err := f.AddFaults(t.Context(), []state.Fault{refuseOn("b:a")})
		if !errors.Is(err, state.ErrUnknownTarget) {
			t.Errorf("an edge that is not there: %v", err)
		}
		if got := faultIDs(t, f); got != "" {
			t.Errorf("acting: %s", got)
		}
		if _, err := f.RemoveFaults(t.Context(), []string{"x"}); !errors.Is(err, state.ErrUnknownFault) {
			t.Errorf("an id that is not there: %v", err)
		}
	})
}

// TestEveryNameIsKnown puts nothing on a target of several names one of which is mistyped: the fault would do less than
// was meant, without a word.
func TestEveryNameIsKnown(t *testing.T) {
	inFaultyFleet(t, func(t *testing.T, f *Fleet) {
		for target, hint := range map[string]string{"a+bz:b": "did you mean b?", "a:b+zzzzzz": "`msctl edges` lists them", "a+aa": "did you mean a?", "*+c:b": "did you mean"} {
			bad := state.Fault{Target: target, Kind: "refuse"}
			if !strings.Contains(target, ":") {
				bad.Kind = state.Partition
			}
			got, err := f.AddFaults(t.Context(), []state.Fault{refuseOn("a:b"), bad})
			hinted, _ := err.(interface{ Advice() string })
			if !errors.Is(err, state.ErrUnknownTarget) || hinted == nil || !strings.Contains(hinted.Advice(), hint) || strings.Contains(err.Error(), "no such target") {
				t.Errorf("%s: put %v, %v", target, got, err)
			}
			if _, err := f.ClearFaults(t.Context(), target); strings.Contains(target, ":") && !errors.Is(err, state.ErrUnknownTarget) {
				t.Errorf("clear %s: %v", target, err)
			}
		}
		if got := faultIDs(t, f); got != "" {
			t.Errorf("acting: %s", got)
		}
		for _, fine := range []string{"a+b:b", "outside+a:b", "+a:b", "*:a+b", "a:*+b"} {
			if _, err := f.AddFaults(t.Context(), []state.Fault{refuseOn(fine)}); err != nil {
				t.Errorf("%s: %v", fine, err)
			}
		}
		if f := refuseOn("outside+a:*+b"); !f.On("", "b", "") || !f.On("a", "c", "") || f.On("b", "c", "") {
			t.Errorf("%s means other edges than it says", f.Target)
		}
	})
}

// TestUnfitProtocol says what an edge speaks, and not that it is not there.
func TestUnfitProtocol(t *testing.T) {
	inFaultyFleet(t, func(t *testing.T, f *Fleet) {
		_, err := f.AddFaults(t.Context(), []state.Fault{{Target: "a:b", Kind: "grpc-status"}})
		if want := "put grpc-status on a:b: it speaks http, and grpc-status works on grpc"; !errors.Is(err, state.ErrUnknownTarget) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

// TestFaultChosen says what was chosen: id, seed and end; a fault of the same name takes its place.
func TestFaultChosen(t *testing.T) {
	inFaultyFleet(t, func(t *testing.T, f *Fleet) {
		named := refuseOn("a:b")
		named.ID = "mine"
		got, err := f.AddFaults(t.Context(), []state.Fault{refuseOn("a:b"), refuseOn("*:b"), named})
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range []string{"refuse-1", "refuse-2", "mine"} {
			if got[i].ID != id || got[i].Seed == 0 || got[i].For != state.FaultTime || !got[i].Until.Equal(time.Now().Add(state.FaultTime)) {
				t.Errorf("%+v", got[i])
			}
		}
		named.For = time.Second
		first := got[2]
		again, err := f.AddFaults(t.Context(), []state.Fault{named})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&first, again[0].Was); diff != "" {
			t.Errorf("what it replaces (-want +got):\n%s", diff)
		}
		if acting, err := f.Faults(t.Context()); err != nil || acting[2].Was != nil {
			t.Errorf("acts as %+v, %v", acting, err)
		}
		if ids := faultIDs(t, f); ids != "refuse-1 refuse-2 mine" {
			t.Errorf("acting: %s", ids)
		}
		if n, err := f.ClearFaults(t.Context(), "a:b"); n != 2 || err != nil {
			t.Errorf("cleared %d, %v", n, err)
		}
		if n, err := f.RemoveFaults(t.Context(), []string{"refuse-2"}); n != 1 || err != nil {
			t.Errorf("removed %d, %v", n, err)
		}
	})
}

// TestTargets says which edges a target means.
func TestTargets(t *testing.T) {
	edges := [][3]string{{"", "gateway", "http"}, {"gateway", "orders", "http"}, {"orders", "payments", "http"}, {"orders", "payments", "grpc"}, {"payments", "legacy", "http"}, {"users", "orders", "http"}}
	for _, tc := range []struct{ target, kind, want string }{
		{"orders:payments", "latency", "orders:payments/http orders:payments/grpc"},
		{"orders:payments/grpc", "latency", "orders:payments/grpc"},
		{":gateway", "latency", ":gateway/http"},
		{"*:orders", "latency", "gateway:orders/http users:orders/http"},
		{"gateway+users:orders", "latency", "gateway:orders/http users:orders/http"},
		{"payments:orders", "latency", ""},
		{"payments:orders+gateway", "partition", "orders:payments/http orders:payments/grpc"},
		{"orders:payments+legacy", "partition", "orders:payments/http orders:payments/grpc"},
		{"orders", "partition", "gateway:orders/http orders:payments/http orders:payments/grpc users:orders/http"},
	} {
		var got []string
		for _, e := range edges {
			if (state.Fault{Target: tc.target, Kind: tc.kind}).On(e[0], e[1], e[2]) {
				got = append(got, e[0]+":"+e[1]+"/"+e[2])
			}
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tc.target, tc.kind, diff)
		}
	}
}
