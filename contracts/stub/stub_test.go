package stub

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/dynamicpb"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/schema"
)

func parsed(t *testing.T, interactions string) []contracts.Pact {
	t.Helper()
	p, err := contracts.Parse([]byte(`{"consumer":{"name":"orders"},"provider":{"name":"users"},"interactions":[`+interactions+
		`],"metadata":{"pactSpecification":{"version":"4.0"}}}`), contracts.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return []contracts.Pact{p}
}

// TestHTTP answers from the interaction that fits best, and says what there is where none does.
func TestHTTP(t *testing.T) {
	var seen []Call
	s := &Stub{Provider: "users", Seen: func(c Call) { seen = append(seen, c) }, Pacts: parsed(t, `
 {"type":"Synchronous/HTTP","description":"gone","providerStates":[{"name":"nobody is there"}],
  "request":{"method":"GET","path":"/users/ana"},"response":{"status":404,"headers":{"X-A":["1","2"]}}},
 {"type":"Synchronous/HTTP","description":"one","request":{"method":"GET","path":"/users/ana",
   "matchingRules":{"path":{"combine":"AND","matchers":[{"match":"regex","regex":"/users/[a-z]+"}]}}},
  "response":{"status":200,"body":{"contentType":"application/json","encoded":false,"content":{"name":"Ana"}}}},
 {"type":"Synchronous/HTTP","description":"two","request":{"method":"GET","path":"/users","query":{"limit":["2"]}},"response":{"status":200}},
 {"type":"Synchronous/HTTP","description":"all","request":{"method":"GET","path":"/users"},"response":{"status":206}},
 {"type":"Synchronous/HTTP","description":"text a","request":{"method":"POST","path":"/text","body":{"contentType":"text/plain","encoded":false,"content":"a"}},"response":{"status":201}},
 {"type":"Synchronous/HTTP","description":"text b","request":{"method":"POST","path":"/text","body":{"contentType":"text/plain","encoded":false,"content":"b"}},"response":{"status":202}},
 {"type":"Synchronous/HTTP","description":"json a","request":{"method":"POST","path":"/json","body":{"contentType":"application/json","encoded":false,"content":{"a":{"n":1},"w":"x"}},
   "matchingRules":{"body":{"$.a":{"combine":"AND","matchers":[{"match":"type"}]}}}},"response":{"status":201}},
 {"type":"Synchronous/HTTP","description":"json b","request":{"method":"POST","path":"/json","body":{"contentType":"application/json","encoded":false,"content":{"a":{"n":"1"},"w":"x"}}},"response":{"status":202}}`)}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	for _, tt := range []struct {
		method, path, body, state string
		want                      int
		says                      string
	}{
		{"GET", "/users/ana", "", "", 200, `{"name":"Ana"}`},
		{"GET", "/users/eve", "", "", 200, `{"name":"Ana"}`},
		{"GET", "/users/ana", "", "nobody is there", 404, ""},
		{"GET", "/users?limit=2", "", "", 200, ""},
		{"GET", "/users", "", "", 206, ""},
		{"POST", "/text", "a", "", 201, ""},
		{"POST", "/text", "b", "", 202, ""},
		{"POST", "/json", `{"a":{"n":7},"w":"x"}`, "", 201, ""},
		{"POST", "/json", `{"a":{"n":"1"},"w":"x"}`, "", 202, ""},
		{"DELETE", "/users/ana", "", "", 501, "GET /users/ana, POST /json"},
	} {
		req, err := http.NewRequest(tt.method, srv.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(StateHeader, tt.state)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.want || !strings.Contains(string(body), tt.says) {
			t.Errorf("%s %s %s: got %d %s, want %d %s", tt.method, tt.path, tt.body, resp.StatusCode, body, tt.want, tt.says)
		}
	}
	if last := seen[len(seen)-1]; last.Interaction != "" || seen[0].Interaction != "one" {
		t.Errorf("got %+v", seen)
	}
}

// served is a connection to a stub that serves gRPC.
func served(t *testing.T, s *Stub, files *schema.Files) *grpc.ClientConn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := s.Server(files)
	go srv.Serve(ln)
	t.Cleanup(srv.Stop)
	conn, err := grpc.NewClient("passthrough:///"+ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

const proto = `syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
service Users { rpc Get(GetRequest) returns (User); }
message GetRequest { string id = 1; }
message User { string id = 1; string user_name = 2; google.protobuf.Timestamp at = 3; }
`

// TestCalls serves gRPC from JSON and a .proto file alone: an answer, and a refusal.
func TestCalls(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "api", "shop"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "api", "shop", "users.proto"), []byte(proto), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Stub{Provider: "users", Pacts: parsed(t, `
 {"type":"Synchronous/Messages","description":"shop.v1.Users/Get: ana","request":{"contents":{"contentType":"application/json","encoded":false,"content":{"id":"ana"}}},
  "response":[{"contents":{"contentType":"application/json","encoded":false,"content":{"userName":"Ana","at":"2026-01-02T03:04:05Z"}},"metadata":{"grpc-status":"OK"}}]},
 {"type":"Synchronous/Messages","description":"nobody","request":{"contents":{"contentType":"application/json","encoded":false,"content":{"id":"eve"}},"metadata":{"grpc-method":"/shop.v1.Users/Get"}},
  "response":[{"contents":{"contentType":"application/json","encoded":false,"content":{"code":"NOT_FOUND","message":"who?","reason":"UNKNOWN"}},"metadata":{"grpc-status":"NOT_FOUND"}}]}`)}
	if _, err := schema.Read(t.Context(), dir, []string{"shop.v1.Gone"}); err == nil {
		t.Error("a service that no file declares is found")
	}
	files, err := schema.Read(t.Context(), dir, s.Services())
	if err != nil {
		t.Fatal(err)
	}
	conn := served(t, s, files)
	m, err := files.Method("shop.v1.Users", "Get")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(id string) (string, error) {
		in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
		if err := protojson.Unmarshal([]byte(`{"id":"`+id+`"}`), in); err != nil {
			t.Fatal(err)
		}
		err := conn.Invoke(t.Context(), "/shop.v1.Users/Get", in, out)
		text, _ := protojson.Marshal(out)
		return strings.ReplaceAll(string(text), " ", ""), err
	}
	if got, err := ask("ana"); err != nil || got != `{"userName":"Ana","at":"2026-01-02T03:04:05Z"}` {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := ask("eve"); status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "who?") || len(status.Convert(err).Details()) != 1 {
		t.Errorf("got %v, want NotFound with its reason", err)
	}
	if err := conn.Invoke(t.Context(), "/shop.v1.Users/Put", dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())); status.Code(err) != codes.Unimplemented {
		t.Errorf("another method: got %v", err)
	}
}

// TestHealth answers gRPC's own health service, of which no stack has a file, as a pact says.
func TestHealth(t *testing.T) {
	s := &Stub{Provider: "users", Pacts: parsed(t, `
 {"type":"Synchronous/Messages","description":"grpc.health.v1.Health/Check: is it ready","request":{"contents":{"contentType":"application/json","encoded":false,"content":{}}},
  "response":[{"contents":{"contentType":"application/json","encoded":false,"content":{"status":"NOT_SERVING"}},"metadata":{"grpc-status":"OK"}}]}`)}
	files, err := schema.Read(t.Context(), t.TempDir(), s.Services())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := grpc_health_v1.NewHealthClient(served(t, s, files)).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || answer.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("got %v, %v", answer, err)
	}
}
