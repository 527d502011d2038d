package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/internal/state"
)

var shopEdges = []state.Edge{
	{From: "", To: "gateway", Listen: "http", Protocol: "http"},
	{From: "gateway", To: "orders", Listen: "http", Protocol: "http"},
	{From: "orders", To: "payments", Listen: "http", Protocol: "http"},
	{From: "orders", To: "payments", Listen: "grpc", Protocol: "grpc"},
	{From: "orders", To: "broker", Listen: "main", Protocol: "nats"},
	{From: "payments", To: "legacy", Listen: "http", Protocol: "http"},
}

// TestExploreStrangeEdges refuses what the fleet does not have before anything runs, and names what is near.
func TestExploreStrangeEdges(t *testing.T) {
	for target, want := range map[string]string{
		"orders:payments": "", "orders:payments/grpc": "", "orders:*": "", "*:payments": "", "orders+payments:*": "",
		"outside:gateway": "", "*:*": "",
		"orders:payment":       `no edge "orders:payment": did you mean orders:payments?`,
		"payments:nosuch":      `no edge "payments:nosuch": `,
		"payments:orders":      `no edge "payments:orders": `,
		"orders:payments/grcp": `no edge "orders:payments/grcp": did you mean orders:payments/grpc?`,
		"foo:*":                `no edge of this fleet begins at "foo": ` + edgesHint,
		"order:*":              `no edge of this fleet begins at "order": did you mean orders?`,
		"*:payment":            `no edge of this fleet leads to "payment": did you mean payments?`,
		"orders+paymants:*":    `begins at "paymants": did you mean payments?`,
		"legacy:*":             `begins at "legacy": `,
	} {
		err := selection{[]string{"gateway:orders", target}, shopEdges}.check()
		if want == "" && err == nil {
			continue
		}
		coded := new(codedError)
		if !errors.As(err, &coded) || coded.code != exitUsage || want == "" || !strings.Contains(err.Error()+": "+coded.hint, want) {
			t.Errorf("%s: %v, want %q", target, err, want)
		}
	}
}

// TestExploreOver tells which calls are named, also where the port is.
func TestExploreOver(t *testing.T) {
	calls := []explore.Call{{Edge: ":gateway", Proto: "http"}, {Edge: "orders:payments", Proto: "grpc"}, {Edge: "orders:broker", Proto: "nats"}}
	for target, want := range map[string][]string{
		"orders:*": {"orders:payments", "orders:broker"}, "*:broker": {"orders:broker"}, "orders:payments/grpc": {"orders:payments"},
		"orders:payments/http": nil, "orders:broker/main": {"orders:broker"}, "payments:legacy": nil, "outside:gateway": {":gateway"},
	} {
		var got []string
		n := selection{[]string{target}, shopEdges}
		for _, c := range calls {
			if n.over(c) {
				got = append(got, c.Edge)
			}
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s: %s", target, diff)
		}
		if untouched := n.untouched(calls); len(untouched) > 0 != (want == nil) {
			t.Errorf("%s: untouched %v", target, untouched)
		}
	}
	if !(selection{fleet: shopEdges}).over(calls[1]) {
		t.Error("nothing is named, and a call is left out")
	}
}

// TestExploreIdle claims nothing where there was nothing to disturb.
func TestExploreIdle(t *testing.T) {
	calls := []explore.Call{{Edge: ":gateway", Proto: "http", Nth: 1}, {Edge: "orders:payments", Proto: "grpc", Nth: 1}}
	for _, c := range []struct {
		edges, modes []string
		want         string
	}{
		{nil, []string{"error"}, ""},
		{[]string{"orders:payments", "payments:legacy"}, []string{"error"}, ""},
		{[]string{"payments:legacy"}, []string{"error"}, "no call over payments:legacy"},
		{[]string{"orders:payments"}, []string{"twice"}, "none can fail in these modes: twice"},
		{[]string{"outside:gateway"}, []string{"error"}, "over outside:gateway goes the request itself"},
		{[]string{"outside:gateway", "payments:legacy"}, []string{"error"}, "over outside:gateway goes the request itself"},
		{[]string{"outside:gateway", "orders:payments"}, []string{"twice"}, "of the 2 calls over outside:gateway, orders:payments none can fail"},
		{nil, []string{"twice"}, "of the 2 calls of the request none can fail"},
	} {
		x := &exploring{o: &exploreOptions{modes: c.modes}, edges: selection{c.edges, shopEdges}}
		err := x.idle(calls)
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || exitCode(err) != exitUsage || c.want == "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: %v, want %q", c.edges, c.modes, err, c.want)
		}
	}
}
