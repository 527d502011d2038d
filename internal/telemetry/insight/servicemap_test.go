package insight

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"msctl.dev/msctl/internal/telemetry"
	"pgregory.net/rapid"
)

// TestMapLikeTrees draws the map of any traffic and compares it with the calls in the trees of its traces.
func TestMapLikeTrees(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var w weave
		for n := range rapid.IntRange(1, 4).Draw(r, "traces") {
			w.begin(time.Duration(n) * time.Second)
			traffic(r, &w, none, "", 0)
		}
		got := Map(flows(tempDir{r, t}, w.spans), shop(), noon, noon.Add(time.Minute))
		want := counts(Of(w.spans), shop())
		have := map[string][2]int64{}
		for _, e := range got.Edges {
			if e.Seen {
				have[e.From+":"+e.To] = [2]int64{e.Count, e.Errors}
			}
		}
		for _, n := range got.Nodes {
			if n.Count > 0 {
				have[n.Name] = [2]int64{n.Count, n.Errors}
			}
		}
		if d := cmp.Diff(want, have); d != "" {
			r.Fatal(d)
		}
	})
}

type tempDir struct {
	*rapid.T
	t *testing.T
}

func (d tempDir) TempDir() string { return d.t.TempDir() }

// traffic adds a request of a service and what it calls: over edges and past them, telling it and not.
func traffic(r *rapid.T, w *weave, parent telemetry.SpanID, service string, depth int) {
	pick := func(name string, n int) int { return rapid.IntRange(0, n).Draw(r, name) }
	var failed []string
	if pick("failed", 3) == 0 {
		failed = []string{"failed", "x"}
	}
	at := time.Duration(len(w.spans)) * 10 * ms
	callee := rapid.SampledFrom([]string{"gateway", "orders", "payments", "orders-db", "elsewhere"}).Draw(r, "callee")
	if pick("told", 1) == 0 && service != "" { // the caller's own span
		attrs := failed
		switch pick("peer", 3) {
		case 0:
			attrs = append(attrs, "server.address", "localhost", "server.port", "7001")
		case 1:
			attrs = append(attrs, "db.system.name", "postgresql")
		case 2:
			attrs = append(attrs, "peer.service", "cache")
		}
		parent = w.span(parent, service, "call", telemetry.Client, at, at+ms, attrs...)
	}
	if pick("crossed", 1) == 0 {
		parent = w.edge(parent, service, callee, "call", at, at+ms, failed...)
	}
	if pick("speaks", 2) > 0 { // the callee's own span
		parent = w.span(parent, callee, "serve", telemetry.Server, at, at+ms, failed...)
	}
	if depth < 3 {
		for range pick("calls", 2) {
			traffic(r, w, parent, callee, depth+1)
		}
	}
}

// counts is the map as one would first draw it: calls and errors of every edge and node.
func counts(w *Window, topo *Topology) map[string][2]int64 {
	out := map[string][2]int64{}
	add := func(name string, failed bool) {
		n := out[name]
		if n[0]++; failed {
			n[1]++
		}
		out[name] = n
	}
	for _, t := range w.traces {
		for _, c := range t.calls(topo) {
			if !c.twin {
				add(c.edge, c.failed)
				add(c.to, c.failed)
			}
		}
		for i := range t.spans {
			s := &t.spans[i]
			if s.Edge == "" && s.Kind == telemetry.Server && t.parent[i] < 0 {
				add(s.Service, s.Status == telemetry.Failed)
			}
		}
	}
	return out
}

func TestMapNamesFailedTracesFirst(t *testing.T) {
	var w weave
	var want []string
	for i := range 5 {
		w.begin(time.Duration(i) * time.Second)
		var failed []string
		if i > 2 {
			failed = []string{"failed", "x"}
			want = append(want, w.trace.String())
		}
		w.edge(none, "gateway", "orders", "GET /", 0, ms, failed...)
	}
	m := Map(flows(t, w.spans), shop(), noon, noon.Add(time.Minute))
	i := slices.IndexFunc(m.Edges, func(e telemetry.MapEdge) bool { return e.Seen })
	if e := m.Edges[i]; len(e.Traces) != 3 || !slices.Equal(e.Traces[:2], want) || e.Rate != 5./60 {
		t.Errorf("got %+v, want %q first", e, want)
	}
}

// TestFilesHaveNoAddress has two services with a file each: neither's is found at the address "".
func TestFilesHaveNoAddress(t *testing.T) {
	topo := &Topology{
		Services: []string{"a", "b"}, Resources: map[string]string{"a-db": "postgres", "b-db": "postgres"},
		Addrs: map[string]string{"": "b-db"},
		Edges: []Declared{{From: "a", To: "a-db"}, {From: "b", To: "b-db"}},
	}
	for from, want := range map[string]string{"a": "a-db", "b": "b-db", "c": ""} {
		if got := topo.named(from, &telemetry.Peer{Database: true}); got != want {
			t.Errorf("%s asked %q, want %q", from, got, want)
		}
	}
}
