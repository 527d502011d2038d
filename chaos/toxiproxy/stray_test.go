package toxiproxy_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/chaos/toxiproxy"
	"msctl.dev/msctl/internal/state"
)

// TestStray tells of a proxy that is not there which one may have been meant, and answers as Toxiproxy does.
func TestStray(t *testing.T) {
	f := &fleet{edges: []state.Edge{
		{From: "orders", To: "payments", Listen: "http", Mesh: true}, {From: "orders", To: "payments", Listen: "grpc", Mesh: true},
		{From: "", To: "gateway", Listen: "http", Mesh: true}}}
	var told []string
	s := &toxiproxy.Server{Compile: anything, Fleet: f, Lease: "test", Stray: func(name string, near []string) {
		told = append(told, name+": "+strings.Join(near, " "))
	}}
	long := strings.Repeat("x", 1000)
	for _, ask := range []string{"GET /proxies/orders:payments", "GET /proxies/orders:payments/http", "POST /proxies/:gatewy/toxics", "GET /proxies/nothing-like-it",
		"GET /proxies/orders:payments/http/toxics/slow", "DELETE /proxies/" + long} {
		method, path, _ := strings.Cut(ask, " ")
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, strings.NewReader(`{"type": "noop"}`))
		r.Host = "localhost"
		s.Handler().ServeHTTP(w, r)
		if w.Code == http.StatusNotFound && w.Body.String() != `{"error":"proxy not found","status":404}`+"\n" && !strings.Contains(ask, "/slow") {
			t.Errorf("%s: %s", ask, w.Body)
		}
	}
	want := []string{"orders:payments: orders:payments/grpc orders:payments/http", ":gatewy: outside:gateway", "nothing-like-it: ", long[:100] + "…: "}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
