package proxy

import (
	"net/url"
	"testing"

	"msctl.dev/msctl/internal/resource/resourcetest"
)

// behind starts a server that is installed on this machine, with an edge before it. It returns the edge, its
// record, and the URL of the server as clients of the edge have it.
func behind(t *testing.T, kind, protocol string, programs ...string) (*Edge, *record, string) {
	t.Helper()
	end := resourcetest.Native(t, kind, programs...)
	var r record
	e := &Edge{From: "orders", To: kind, Protocol: protocol, Record: r.add, Caller: &Flights{}}
	addr := serve(t, e)
	u, err := url.Parse(end.URL)
	if err != nil {
		t.Fatal(err)
	}
	e.SetTargets(to(u.Host))
	u.Host = addr
	return e, &r, u.String()
}
