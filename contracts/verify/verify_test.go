package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/internal/need"
)

// verifier builds the helper once for all tests of this machine.
func verifier(t *testing.T) Verifier {
	t.Helper()
	env := need.Pact(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"PATH", "HOME", "GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	b := Builder{Dir: filepath.Join(cache, "msctl-test", "verifier"), Env: env, Library: "test"}
	program, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return Verifier{Helper: program, Env: env}
}

// people is a provider with one user, whom a state puts there.
type people struct {
	rename bool // the break of the story
	hang   bool
	users  map[string]string
	gone   chan struct{}
}

func (p *people) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/users/")
	switch {
	case r.Method == "DELETE":
		p.users = map[string]string{}
	case r.Method == "PUT":
		body, _ := io.ReadAll(r.Body)
		p.users[id] = string(body)
	case p.hang:
		select {
		case <-r.Context().Done():
		case <-p.gone:
		}
	case p.users[id] == "":
		http.Error(w, `{"title":"not found"}`, http.StatusNotFound)
	default:
		name := "name"
		if p.rename {
			name = "full_name"
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":%q,%q:"Ana"}`, id, name)
	}
}

const peoplePact = `{"consumer":{"name":"gateway"},"provider":{"name":"users"},
"interactions":[
 {"type":"Synchronous/HTTP","description":"read a user","providerStates":[{"name":"a user exists","params":{"id":"ana"}}],
  "request":{"method":"GET","path":"/users/ana"},
  "response":{"status":200,"body":{"contentType":"application/json","encoded":false,"content":{"id":"ana","name":"Ana"}},
   "matchingRules":{"body":{"$.name":{"combine":"AND","matchers":[{"match":"type"}]}}}}},
 {"type":"Synchronous/HTTP","description":"read nobody",
  "request":{"method":"GET","path":"/users/ana"},"response":{"status":404}},
 {"type":"Synchronous/HTTP","description":"not yet","pending":true,
  "request":{"method":"GET","path":"/users/ana"},"response":{"status":201}},
 {"type":"Synchronous/HTTP","description":"read in the moonlight","providerStates":[{"name":"the moon is full","params":{"phase":3}}],
  "request":{"method":"GET","path":"/users/ana"},"response":{"status":200}}
],"metadata":{"pactSpecification":{"version":"4.0"}}}`

const peopleStates = `
reset:
  - http: DELETE /users/all
states:
  a user exists:
    set:
      - {http: "PUT /users/{id}", json: {name: Ana}}
`

func peopleTarget(t *testing.T, p *people) *Target {
	t.Helper()
	pact, err := contracts.Parse([]byte(peoplePact), contracts.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	states, err := ParseStates([]byte(peopleStates))
	if err != nil {
		t.Fatal(err)
	}
	states.File = "users.yaml"
	p.users, p.gone = map[string]string{}, make(chan struct{})
	srv := httptest.NewServer(p)
	t.Cleanup(func() { close(p.gone); srv.Close() })
	return &Target{Name: "users", URL: srv.URL, Pacts: []contracts.Pact{pact}, States: states}
}

func show(r Report) string {
	out, _ := json.MarshalIndent(r, "", " ")
	return string(out)
}

func TestX(t *testing.T) {
	v := verifier(t)
	begun := time.Now()
	r := v.Run(context.Background(), peopleTarget(t, &people{}))
	fmt.Println(show(r), time.Since(begun))
	r = v.Run(context.Background(), peopleTarget(t, &people{rename: true}))
	fmt.Println(show(r))
	r = v.Run(context.Background(), peopleTarget(t, &people{hang: true}))
	fmt.Println(show(r))
}
