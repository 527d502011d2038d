package verify

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit/kittest"
)

// natsServer runs a broker and returns its URL.
func natsServer(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the broker does not come up")
	}
	return s.ClientURL()
}

// publisher is a provider that tells of each user that is put: under a key, with a field for the name.
func publisher(t *testing.T, broker, key, field string) string {
	t.Helper()
	conn, err := nats.Connect(broker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		msg := nats.NewMsg("events." + key)
		msg.Data = fmt.Appendf(nil, `{"id":%q,%q:"Ana"}`, strings.TrimPrefix(r.URL.Path, "/users/"), field)
		msg.Header.Set("message-id", "m-1")
		if err := conn.PublishMsg(msg); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

const messagePact = `{"consumer":{"name":"notifications"},"provider":{"name":"users"},"interactions":[
 {"type":"Asynchronous/Messages","description":"user.updated","providerStates":[{"name":"a user exists","params":{"id":"ana"}}],
  "contents":{"contentType":"application/json","encoded":false,"content":{"id":"ana","name":"Ana"}},
  "metadata":{"contentType":"application/json","exchange":"events"},
  "matchingRules":{"body":{"$.name":{"combine":"AND","matchers":[{"match":"type"}]}}}},
 {"type":"Asynchronous/Messages","description":"user.deleted","contents":{"contentType":"application/json","encoded":false,"content":{"id":"ana"}}}
],"metadata":{"pactSpecification":{"version":"4.0"}}}`

const messageStates = `
states:
  a user exists: {}
messages:
  user.updated:
    do:
      - http: PUT /users/{id}
`

// TestMessages verifies what really lands on a broker: the body, that it lands, and under which key.
func TestMessages(t *testing.T) {
	v := verifier(t)
	broker := natsServer(t)
	for _, tt := range []struct {
		key, field string
		want       Outcome
		says       string
	}{
		{"user.updated", "name", Holds, ""},
		{"user.updated", "full_name", Broken, "name"},
		{"user.changed", "name", Broken, "there landed user.changed"},
	} {
		target := &Target{Name: "users", URL: publisher(t, broker, tt.key, tt.field), Resources: map[string]string{"broker": broker},
			Pacts: []contracts.Pact{parsePact(t, messagePact)}, States: parseStates(t, messageStates)}
		r := v.Run(t.Context(), target)
		one := result(t, r, "user.updated")
		if one.Outcome != tt.want || !strings.Contains(one.explain(), tt.says) {
			t.Errorf("%s %s: got %+v, want %s: %s", tt.key, tt.field, one, tt.want, tt.says)
		}
		if none := result(t, r, "user.deleted"); none.Outcome != Unknown || !strings.Contains(none.Hint, "  user.deleted:\n    do:") {
			t.Errorf("without a trigger: got %+v, want unknown with a stub to paste", none)
		}
	}
}

const callPact = `{"consumer":{"name":"orders"},"provider":{"name":"users"},"interactions":[
 {"type":"Synchronous/Messages","description":"grpc.health.v1.Health/Check: it serves",
  "request":{"contents":{"contentType":"application/json","encoded":false,"content":{"service":""}},"metadata":{"contentType":"application/json"}},
  "response":[{"contents":{"contentType":"application/json","encoded":false,"content":{"status":"SERVING"}},"metadata":{"grpc-status":"OK"}}]},
 {"type":"Synchronous/Messages","description":"ask for nobody",
  "request":{"contents":{"contentType":"application/json","encoded":false,"content":{"service":"nobody"}},"metadata":{"contentType":"application/json","grpc-method":"/grpc.health.v1.Health/Check"}},
  "response":[{"contents":{"contentType":"application/json","encoded":false,"content":{"code":"NOT_FOUND"}},"metadata":{"grpc-status":"NOT_FOUND"}}]},
 {"type":"Synchronous/Messages","description":"grpc.health.v1.Health/Heal: it has no such method",
  "request":{"contents":{"contentType":"application/json","encoded":false,"content":{}},"metadata":{"contentType":"application/json"}},
  "response":[{"contents":{"contentType":"application/json","encoded":false,"content":{}},"metadata":{"grpc-status":"OK"}}]},
 {"type":"Synchronous/Messages","description":"grpc.health.v1.Health/Check: its request has another field",
  "request":{"contents":{"contentType":"application/json","encoded":false,"content":{"name":"x"}},"metadata":{"contentType":"application/json"}},
  "response":[{"contents":{"contentType":"application/json","encoded":false,"content":{}},"metadata":{"grpc-status":"OK"}}]}
],"metadata":{"pactSpecification":{"version":"4.0"}}}`

// TestCalls makes real gRPC calls by what the server says of itself.
func TestCalls(t *testing.T) {
	v := verifier(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, hs := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, hs)
	reflection.Register(srv)
	go srv.Serve(ln)
	t.Cleanup(srv.Stop)
	target := &Target{Name: "users", GRPC: ln.Addr().String(), Pacts: []contracts.Pact{parsePact(t, callPact)}, States: parseStates(t, "{}")}
	v.Timeout = 10 * time.Second
	r := v.Run(t.Context(), target)
	for name, want := range map[string]Outcome{"grpc.health.v1.Health/Check: it serves": Holds, "ask for nobody": Holds,
		"grpc.health.v1.Health/Heal": Broken, "grpc.health.v1.Health/Check: its": Broken} {
		if one := result(t, r, name); one.Outcome != want {
			t.Errorf("got %+v, want %s", one, want)
		}
	}
	if one := result(t, r, "grpc.health.v1.Health/Heal"); !strings.Contains(one.explain(), "has no method Heal") {
		t.Errorf("got %q, want what is missing", one.explain())
	}
	hs.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if one := result(t, v.Run(t.Context(), target), "grpc.health.v1.Health/Check: it serves"); one.Outcome != Broken || !strings.Contains(one.explain(), "SERVING") {
		t.Errorf("got %+v, want broken at the status", one)
	}
	srv.Stop()
	if r := v.Run(t.Context(), target); r.Count(Failed) != 4 {
		t.Errorf("stopped: got %v, want all failed", outcomes(r))
	}
}

// TestWires sends and hears a message over each broker that this machine has.
func TestWires(t *testing.T) {
	t.Run("nats", func(t *testing.T) { testWire(t, natsServer(t), "events") })
	t.Run("rabbitmq", func(t *testing.T) {
		need.Native(t, "rabbitmq-server")
		need.Native(t, "epmd")
		testWire(t, kittest.RabbitMQ(t, need.Program("rabbitmq-server"), need.Program("epmd")), "amq.topic")
	})
}

func testWire(t *testing.T, where, exchange string) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	target := &Target{Name: "x", Resources: map[string]string{"broker": where}}
	if u, err := url.Parse(where); err != nil || len(target.brokers()) != 1 {
		t.Fatalf("%v: %v", u, err)
	}
	trigger := Trigger{Do: []Action{{Publish: "broker", Exchange: exchange, Key: "a.{id}", JSON: map[string]any{"id": "{id}"}}}}
	m, err := target.capture(ctx, trigger, exchange, "a.b", params{"id": "b"}, 20*time.Second)
	if err != nil || string(m.Body) != `{"id":"b"}` || m.Header["message-id"] == "" {
		t.Errorf("got %s %v, %v", m.Body, m.Header, err)
	}
	if _, err := target.capture(ctx, trigger, exchange, "c", params{"id": "b"}, 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), "there landed a.b") {
		t.Errorf("another key: got %v", err)
	}
}
