package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestQuiet checks that a target that is taken off the list under load may be ended without any grace once
// the edge says that it is quiet: no request fails, also none that may not be repeated.
func TestQuiet(t *testing.T) {
	for _, protocol := range []string{"http", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			start := func() *httptest.Server {
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
				srv.Config.Protocols = new(http.Protocols)
				srv.Config.Protocols.SetHTTP1(protocol == "http")
				srv.Config.Protocols.SetUnencryptedHTTP2(protocol == "grpc")
				srv.Start()
				return srv
			}
			target := func(unit string, s *httptest.Server) Target {
				return Target{Unit: unit, Addr: s.Listener.Addr().String()}
			}
			stays := start()
			defer stays.Close()
			e := &Edge{To: "payments", Protocol: protocol}
			addr := serve(t, e)
			e.SetTargets([]Target{target("stays", stays)})

			_, stop := loadWith(t, addr, stays.Config.Protocols)
			defer stop()
			for range 50 {
				goes := start()
				e.SetTargets([]Target{target("stays", stays), target("goes", goes)})
				until(t, "a request is on its way", func() bool { return e.Stats(time.Now()).Targets[1].Open > 0 || t.Failed() })
				e.SetTargets([]Target{target("stays", stays)})
				until(t, "the target is quiet", func() bool { return e.Quiet("goes") })
				goes.Listener.Close()
				goes.CloseClientConnections()
				goes.Close()
			}
		})
	}
}

// TestQuietBytes checks that nobody waits for connections that carry bytes: they may stay open for good.
func TestQuietBytes(t *testing.T) {
	e := &Edge{To: "store", Protocol: "postgres"}
	addr := serve(t, e)
	e.SetTargets(to(backend(t, echo)))
	ping(t, dial(t, addr))
	e.SetTargets(nil)
	if !e.Quiet("u-1") {
		t.Error("a connection is waited for")
	}
}
