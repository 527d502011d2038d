package toxiproxy_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	client "github.com/Shopify/toxiproxy/v2/client"
	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/chaos/toxiproxy"
	"msctl.dev/msctl/internal/state"
)

// TestEdges drives the edges of a fleet with Toxiproxy's own Go client: they are proxies whose toxics are
// faults of the fleet, under a lease.
func TestEdges(t *testing.T) {
	f := &fleet{edges: []state.Edge{
		{From: "orders", To: "payments", Listen: "http", Mesh: true, Addr: "127.0.0.1:20001", Targets: []state.EdgeTarget{{Addr: "127.0.0.1:30001"}, {Addr: "127.0.0.1:30002"}}},
		{From: "", To: "gateway", Listen: "http", Mesh: true, Addr: "127.0.0.1:8080"},
		{From: "orders", To: "users", Listen: "http", Mesh: true, Addr: "127.0.0.1:20002"},
		{From: "orders", To: "users", Listen: "grpc", Mesh: true, Addr: "127.0.0.1:20003"},
		{From: "orders", To: "files", Direct: "a file"},
	}}
	c := connect(t, f)

	all, err := c.Proxies()
	check(t, err)
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"orders:payments", "orders:users/grpc", "orders:users/http", "outside:gateway"}, names); diff != "" {
		t.Fatalf("proxies (-want +got):\n%s", diff)
	}
	p := all["orders:payments"]
	if p.Listen != "127.0.0.1:20001" || p.Upstream != "127.0.0.1:30001,127.0.0.1:30002" || !p.Enabled {
		t.Errorf("orders:payments is %+v", p)
	}

	_, err = p.AddToxic("slow", "latency", "", 0.5, attributes{"latency": 300, "jitter": 50})
	check(t, err)
	f.has(t, "1 orders:payments latency delay=300ms,jitter=50ms down 0.5 test")
	_, err = p.UpdateToxic("slow", 1, attributes{"latency": 100})
	check(t, err)
	f.has(t, "1 orders:payments latency delay=100ms,jitter=50ms down 1 test")

	check(t, p.Disable())
	f.has(t, "1 orders:payments latency delay=100ms,jitter=50ms down 1 test", "2 orders:payments refuse 0 test", "3 orders:payments reset now=true 0 test")
	check(t, p.Enable())
	f.has(t, "1 orders:payments latency delay=100ms,jitter=50ms down 1 test")
	check(t, p.RemoveToxic("slow"))
	f.has(t)

	grpc, err := c.Proxy("orders:users/grpc")
	check(t, err)
	_, err = grpc.AddToxic("", "limit_data", "upstream", 1, attributes{"bytes": 100})
	check(t, err)
	_, err = grpc.AddToxic("", "noop", "", 1, nil)
	check(t, err)
	_, err = grpc.AddToxic("never", "limit_data", "", 0, nil)
	check(t, err)
	f.has(t, "4 orders:users/grpc limit bytes=100 up 1 test")
	outside, err := c.Proxy("outside:gateway")
	check(t, err)
	_, err = outside.AddToxic("", "timeout", "", 1, nil)
	check(t, err)
	check(t, c.ResetState())
	f.has(t)
	toxics, err := grpc.Toxics()
	check(t, err)
	if len(toxics) != 0 {
		t.Errorf("after a reset there are %v", toxics)
	}
}

// TestEdgeIsNotTheClients shows what a client may not do to an edge, and in which words it is told.
func TestEdgeIsNotTheClients(t *testing.T) {
	f := &fleet{edges: []state.Edge{{From: "orders", To: "payments", Listen: "http", Mesh: true, Addr: "127.0.0.1:20001"}}}
	c := connect(t, f)
	p, err := c.Proxy("orders:payments")
	check(t, err)

	refused(t, p.Delete(), "is an edge of the running fleet and cannot be deleted")
	p.Upstream = "127.0.0.1:9"
	refused(t, p.Save(), "its listen and upstream are 127.0.0.1:20001 and  and cannot be changed")
	_, err = c.CreateProxy("orders:payments", "127.0.0.1:0", "127.0.0.1:9")
	refused(t, err, "proxy already exists")
	_, err = p.AddToxic("", "packet_loss", "", 1, nil)
	refused(t, err, "invalid toxic type: packet_loss cannot be")
	f.deny = errors.New("read latency: the jitter is more than the delay")
	_, err = p.AddToxic("", "latency", "", 1, nil)
	refused(t, err, "HTTP 400: read latency: the jitter is more than the delay")
	f.has(t)
}

// TestFaultLiftedByOthers shows that a toxic whose fault somebody lifted is gone, and that without a fleet
// there are free proxies all the same.
func TestFaultLiftedByOthers(t *testing.T) {
	f := &fleet{edges: []state.Edge{{From: "orders", To: "payments", Listen: "http", Mesh: true, Addr: "127.0.0.1:20001"}}}
	c := connect(t, f)
	p, err := c.Proxy("orders:payments")
	check(t, err)
	_, err = p.AddToxic("", "latency", "", 1, nil)
	check(t, err)
	check(t, p.Disable())
	f.clear()
	p, err = c.Proxy("orders:payments")
	check(t, err)
	if !p.Enabled || len(p.ActiveToxics) != 0 {
		t.Errorf("after others lifted its faults the proxy is %+v", p)
	}
	f.mu.Lock()
	f.down = true
	f.mu.Unlock()
	_, err = c.CreateProxy("free", "127.0.0.1:0", "127.0.0.1:9")
	check(t, err)
	all, err := c.Proxies()
	check(t, err)
	if len(all) != 1 || all["free"] == nil {
		t.Errorf("without a fleet there are %v", all)
	}
}

// TestEndLiftsFaults shows that a server that ends leaves no fault on an edge (H1).
func TestEndLiftsFaults(t *testing.T) {
	f := &fleet{edges: []state.Edge{{From: "orders", To: "payments", Listen: "http", Mesh: true, Addr: "127.0.0.1:20001"}}}
	t.Run("serve", func(t *testing.T) {
		p, err := connect(t, f).Proxy("orders:payments")
		check(t, err)
		_, err = p.AddToxic("", "latency", "", 1, nil)
		check(t, err)
		f.has(t, "1 orders:payments latency delay=0s,jitter=0s down 1 test")
	})
	f.has(t)
}

// TestLoopbackOnly shows that no listener is opened where others reach it.
func TestLoopbackOnly(t *testing.T) {
	c := connect(t, nil)
	for listen, host := range map[string]string{":0": "127.0.0.1", "0.0.0.0:0": "127.0.0.1", "[::]:0": "127.0.0.1", "localhost:0": "127.0.0.1"} {
		p, err := c.CreateProxy("p"+listen, listen, "127.0.0.1:9")
		check(t, err)
		if got, _, _ := net.SplitHostPort(p.Listen); got != host {
			t.Errorf("asked for %s it listens at %s", listen, p.Listen)
		}
	}
	_, err := c.CreateProxy("p", "192.0.2.1:0", "127.0.0.1:9")
	refused(t, err, "only addresses on loopback are opened")
}

type attributes = client.Attributes

func connect(t *testing.T, f *fleet) *client.Client {
	t.Helper()
	if f == nil {
		return client.NewClient(serve(t, anything, nil))
	}
	return client.NewClient(serve(t, anything, f))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want %q", err, words)
	}
}

// fleet has edges and keeps faults.
type fleet struct {
	mu     sync.Mutex
	edges  []state.Edge
	faults []state.Fault
	number int
	deny   error
	down   bool
}

func (f *fleet) Edges(context.Context) ([]state.Edge, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, fmt.Errorf("ask: %w", toxiproxy.ErrNoFleet)
	}
	return f.edges, nil
}

func (f *fleet) Faults(context.Context) ([]state.Fault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.faults), nil
}

func (f *fleet) AddFaults(_ context.Context, list []state.Fault) ([]state.Fault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deny != nil {
		return nil, f.deny
	}
	for i, one := range list {
		if at := slices.IndexFunc(f.faults, func(b state.Fault) bool { return b.ID == one.ID }); at >= 0 {
			f.faults[at] = one // takes its place
			continue
		}
		f.number++
		list[i].ID = fmt.Sprint(f.number)
		f.faults = append(f.faults, list[i])
	}
	return list, nil
}

func (f *fleet) RemoveFaults(_ context.Context, ids []string) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.faults)
	f.faults = slices.DeleteFunc(f.faults, func(one state.Fault) bool { return slices.Contains(ids, one.ID) })
	return before - len(f.faults), nil
}

func (f *fleet) KeepLease(context.Context, string) error { return nil }

func (f *fleet) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// has compares what acts with "ID target kind params stream toxicity lease".
func (f *fleet) has(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var got []string
	for _, one := range f.faults {
		text := fmt.Sprintf("%s %s %s %s %v %s", one.ID, one.Target, one, one.Stream, one.Toxicity, one.Lease)
		got = append(got, strings.Join(strings.Fields(text), " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults of the fleet (-want +got):\n%s", diff)
	}
}
