package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
	b := Builder{Dir: filepath.Join(cache, "msctl-test", "verifier"), Env: env, Library: strings.Join(need.Pact(t), " ")}
	program, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return Verifier{Helper: program, Env: env, Timeout: 300 * time.Millisecond}
}

// people is a provider with users, whom states put there.
type people struct {
	field string           // "" is "name"
	odd   http.HandlerFunc // answers in its place when users are read; nil: nothing is odd

	mu    sync.Mutex // guards users
	users map[string]string
}

func (p *people) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := strings.TrimPrefix(r.URL.Path, "/users/")
	switch {
	case r.Method == "DELETE":
		p.users = map[string]string{}
	case r.Method == "PUT":
		body, _ := io.ReadAll(r.Body)
		p.users[id] = string(body)
	case p.odd != nil:
		p.odd(w, r)
	case p.users[id] == "":
		http.Error(w, `{"title":"not found"}`, http.StatusNotFound)
	default:
		name := p.field
		if name == "" {
			name = "name"
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
 {"type":"Synchronous/HTTP","description":"read what will be","pending":true,
  "request":{"method":"GET","path":"/users/ana"},"response":{"status":201}},
 {"type":"Synchronous/HTTP","description":"read by moonlight","providerStates":[{"name":"the moon is full","params":{"phase":3}}],
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

func parsePact(t *testing.T, text string) contracts.Pact {
	t.Helper()
	p, err := contracts.Parse([]byte(text), contracts.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parseStates(t *testing.T, text string) *States {
	t.Helper()
	s, err := ParseStates([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s.File = "users.yaml"
	return s
}

func peopleTarget(t *testing.T, p *people) (*Target, *httptest.Server) {
	t.Helper()
	p.users = map[string]string{}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	return &Target{Name: "users", URL: srv.URL, Pacts: []contracts.Pact{parsePact(t, peoplePact)}, States: parseStates(t, peopleStates)}, srv
}

// outcomes are those of a report, by description.
func outcomes(r Report) map[string]Outcome {
	out := map[string]Outcome{}
	for _, one := range r.Results {
		name, _, _ := strings.Cut(one.Interaction, " (")
		out[name] = one.Outcome
	}
	return out
}

// result returns the one that describes itself so.
func result(t *testing.T, r Report, name string) Result {
	t.Helper()
	i := slices.IndexFunc(r.Results, func(one Result) bool { return strings.HasPrefix(one.Interaction, name) })
	if i < 0 {
		t.Fatalf("no result of %q in %+v", name, r)
	}
	return r.Results[i]
}

// TestOutcomes verifies a provider as it should be, and one that renamed a field: that one is caught by name.
func TestOutcomes(t *testing.T) {
	v := verifier(t)
	for field, want := range map[string]Outcome{"name": Holds, "full_name": Broken} {
		target, _ := peopleTarget(t, &people{field: field})
		r := v.Run(t.Context(), target)
		if got := outcomes(r); got["read a user"] != want || got["read nobody"] != Holds ||
			got["read what will be"] != Pending || got["read by moonlight"] != Unknown || r.Failure != "" {
			t.Errorf("%s: got %v, %q", field, got, r.Failure)
		}
		if hint := result(t, r, "read by moonlight").Hint; !strings.Contains(hint, "  the moon is full:\n    params: {phase: 3}\n") {
			t.Errorf("got hint %q, want a stub to paste", hint)
		}
		ms := result(t, r, "read a user").Mismatches
		if want == Broken && (len(ms) != 1 || ms[0].Attribute != "body" || !strings.Contains(ms[0].Description, "name")) {
			t.Errorf("got %+v, want that name is missing from the body", ms)
		}
	}
}

// TestProviderFails shows that a provider which hangs, dies, answers garbage or is not there is never told
// as one that breaks its contract, and is given up in good time.
func TestProviderFails(t *testing.T) {
	v := verifier(t)
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, text)
			conn.Close()
		}
	}
	for name, tt := range map[string]struct {
		odd  http.HandlerFunc
		want string
	}{
		"hangs":   {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "does not answer within 300ms"},
		"dies":    {raw(""), "does not answer: EOF"},
		"garbage": {raw("what?\r\n\r\n"), "malformed HTTP response"},
		"stops":   {raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, _ := peopleTarget(t, &people{odd: tt.odd})
			r := v.Run(t.Context(), target)
			if one := result(t, r, "read a user"); one.Outcome != Failed || !strings.Contains(one.Reason, tt.want) {
				t.Errorf("got %+v, want failed: %s", one, tt.want)
			}
			if n := r.Count(Broken); n != 0 || ExitCode([]Report{r}) != ExitFailed {
				t.Errorf("%d are told as broken, code %d", n, ExitCode([]Report{r}))
			}
		})
	}
	t.Run("not there", func(t *testing.T) {
		target, srv := peopleTarget(t, &people{})
		srv.Close()
		r := v.Run(t.Context(), target)
		if n := r.Count(Failed); n != 3 || !strings.Contains(r.Failure, "refused") {
			t.Errorf("got %d failed, %q", n, r.Failure)
		}
	})
	t.Run("a state that cannot be set", func(t *testing.T) {
		target, _ := peopleTarget(t, &people{})
		target.States.States["a user exists"] = State{Set: []Action{{HTTP: "GET /users/nobody"}}}
		r := v.Run(t.Context(), target)
		if one := result(t, r, "read a user"); one.Outcome != Failed || !strings.Contains(one.Reason, "404") {
			t.Errorf("got %+v, want failed with what the provider said", one)
		}
		if got := outcomes(r)["read nobody"]; got != Holds {
			t.Errorf("the others: got %s, want holds", got)
		}
	})
}

// TestManyAtOnce verifies several providers at the same time: none hears of another's states.
func TestManyAtOnce(t *testing.T) {
	v := verifier(t)
	v.Timeout = 10 * time.Second
	var wg sync.WaitGroup
	for n := range 4 {
		field := []string{"name", "nom"}[n%2]
		target, _ := peopleTarget(t, &people{field: field})
		wg.Go(func() {
			r := v.Run(t.Context(), target)
			if got := outcomes(r)["read a user"]; (got == Holds) != (field == "name") {
				t.Errorf("%s: got %s", field, got)
			}
		})
	}
	wg.Wait()
}

// TestInterrupted ends a verification whose provider never answers: it returns at once, with the helper
// ended.
func TestInterrupted(t *testing.T) {
	v := verifier(t)
	v.Timeout = time.Minute
	ctx, cancel := context.WithCancelCause(t.Context())
	asked := errors.New("enough")
	target, _ := peopleTarget(t, &people{odd: func(_ http.ResponseWriter, r *http.Request) {
		cancel(asked)
		<-r.Context().Done()
	}})
	r := v.Run(ctx, target)
	if r.Took > 20*time.Second || r.Count(Broken) != 0 || !strings.Contains(r.Failure, "enough") {
		t.Errorf("got %+v after %v", r.Failure, r.Took)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(target.URL, "http://")); err != nil {
		t.Errorf("the provider was ended too: %v", err)
	} else {
		conn.Close()
	}
}
