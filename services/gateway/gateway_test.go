package main

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
)

// fixture is a gateway in front of one service that stands for all.
type fixture struct {
	t     *testing.T
	url   string
	redis string
	mu    sync.Mutex // guards last
	last  *http.Request
	body  string
}

// start runs a gateway whose services all answer by h; nil answers 200 {}.
func start(t *testing.T, h http.HandlerFunc, env map[string]string) *fixture {
	t.Helper()
	f := &fixture{t: t, redis: kittest.Redis(t)}
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.last, f.body = r, string(body)
		f.mu.Unlock()
		w.Header().Set(kit.CorrelationHeader, "of the service")
		if h != nil {
			h(w, r)
			return
		}
		kit.WriteJSON(w, 200, map[string]string{})
	}))
	t.Cleanup(behind.Close)
	all := map[string]string{"CACHE_URL": f.redis, "LEGACY_URL": behind.URL, "PART_TIMEOUT": "20s"}
	for _, rt := range routes {
		all[strings.ToUpper(rt.To)+"_URL"] = behind.URL
	}
	for k, v := range env {
		all[k] = v
	}
	f.url = kittest.Start(t, run, all)
	return f
}

// do sends a request; headers come in pairs.
func (f *fixture) do(method, path, body string, headers ...string) (*http.Response, string) {
	f.t.Helper()
	req, err := http.NewRequest(method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp, string(answer)
}

// bearer returns the header of a new token.
func (f *fixture) bearer(role, subject string) string {
	f.t.Helper()
	resp, body := f.do("POST", "/v1/token", fmt.Sprintf(`{"role": %q, "subject": %q}`, role, subject))
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || resp.StatusCode != 200 {
		f.t.Fatalf("token: %d %s", resp.StatusCode, body)
	}
	return "Bearer " + out.Token
}

func (f *fixture) want(resp *http.Response, body string, status int, code string) {
	f.t.Helper()
	var p kit.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != status || p.Code != code ||
		resp.StatusCode != status || p.Correlation == "" {
		f.t.Errorf("got %d %s, want the problem %d %s", resp.StatusCode, body, status, code)
	}
}

// TestTokens sends each kind of token that must not pass, and one that must.
func TestTokens(t *testing.T) {
	f := start(t, nil, nil)
	good := f.bearer(admin, "ada")
	o, _ := redis.ParseURL(f.redis)
	c := redis.NewClient(o)
	defer c.Close()
	der, err := c.Get(t.Context(), issuerKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseSigner(der)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pub, _ := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})
	with := func(change func(*claims)) claims {
		cl := claims{admin, jwt.RegisteredClaims{Issuer: devIssuer, Audience: jwt.ClaimStrings{audience},
			Subject: "ada", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}}
		change(&cl)
		return cl
	}
	sign := func(method jwt.SigningMethod, key any, id string, cl claims) string {
		tok := jwt.NewWithClaims(method, cl)
		tok.Header["kid"] = id
		out, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + out
	}
	same := func(*claims) {}
	parts := strings.Split(good, ".")
	forged := base64.RawURLEncoding.EncodeToString([]byte(`{"role":"admin","sub":"eve","iss":"dev","aud":"fleet","exp":9999999999}`))
	rs := jwt.SigningMethodRS256
	for name, tt := range map[string]struct {
		header string
		status int
	}{
		"issued":                        {good, 200},
		"signed here":                   {sign(rs, s.key, s.id, with(same)), 200},
		"none given":                    {"", 401},
		"not a bearer":                  {"Basic YTpi", 401},
		"not a JWT":                     {"Bearer abc", 401},
		"wrong signature":               {sign(rs, other, s.id, with(same)), 401},
		"changed claims":                {parts[0] + "." + forged + "." + parts[2], 401},
		"unknown key":                   {sign(rs, other, "other", with(same)), 401},
		"alg none":                      {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, s.id, with(same)), 401},
		"alg HS256 with the public key": {sign(jwt.SigningMethodHS256, public, s.id, with(same)), 401},
		"alg RS512":                     {sign(jwt.SigningMethodRS512, s.key, s.id, with(same)), 401},
		"expired":                       {sign(rs, s.key, s.id, with(func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Minute)) })), 401},
		"without end":                   {sign(rs, s.key, s.id, with(func(c *claims) { c.ExpiresAt = nil })), 401},
		"not yet":                       {sign(rs, s.key, s.id, with(func(c *claims) { c.NotBefore = jwt.NewNumericDate(time.Now().Add(time.Hour)) })), 401},
		"other issuer":                  {sign(rs, s.key, s.id, with(func(c *claims) { c.Issuer = "x" })), 401},
		"other audience":                {sign(rs, s.key, s.id, with(func(c *claims) { c.Audience = jwt.ClaimStrings{"x"} })), 401},
		"no role":                       {sign(rs, s.key, s.id, with(func(c *claims) { c.Role = "" })), 401},
		"other role":                    {sign(rs, s.key, s.id, with(func(c *claims) { c.Role = "root" })), 403},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := f.do("GET", "/v1/users", "", "Authorization", tt.header)
			if resp.StatusCode != tt.status {
				t.Errorf("got %d %s, want %d", resp.StatusCode, body, tt.status)
			}
			if tt.status == 401 && resp.Header.Get("WWW-Authenticate") == "" {
				t.Error("the answer does not ask for a token")
			}
		})
	}
}

// TestRolesOfEveryRoute asks each row of the table as nobody, as each role, and as somebody else.
func TestRolesOfEveryRoute(t *testing.T) {
	f := start(t, nil, map[string]string{"RATE_LIMIT": "10000"})
	tokens := map[string]string{admin: f.bearer(admin, "root"), user: f.bearer(user, "ada")}
	for _, rt := range versions(routes) {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		path = places.ReplaceAllString(path, "ada")
		public := len(rt.Roles) == 0
		if resp, _ := f.do(method, path, "{}"); resp.StatusCode != 401 && !public || resp.StatusCode != 200 && public {
			t.Errorf("%s without a token: got %d, public: %v", rt.Pattern, resp.StatusCode, public)
		}
		for role, token := range tokens {
			want := 403
			if public || slices.Contains(rt.Roles, role) {
				want = 200
			}
			if resp, body := f.do(method, path, "{}", "Authorization", token); resp.StatusCode != want {
				t.Errorf("%s as %s: got %d %s, want %d", rt.Pattern, role, resp.StatusCode, body, want)
			}
		}
		if rt.Own {
			path = strings.Replace(path, "ada", "bob", 1)
			if resp, _ := f.do(method, path, "{}", "Authorization", tokens[user]); resp.StatusCode != 403 {
				t.Errorf("%s of somebody else: got %d, want 403", rt.Pattern, resp.StatusCode)
			}
		}
	}
}

func TestServiceIsTold(t *testing.T) {
	f := start(t, nil, nil)
	resp, _ := f.do("GET", "/v1/users/a%2Fb?x=1", "", "Authorization", f.bearer(admin, "ada"),
		"X-User-ID", "eve", "X-User-Role", "root", kit.CorrelationHeader, "c-1")
	f.mu.Lock()
	defer f.mu.Unlock()
	if got, want := f.last.URL.RequestURI(), "/users/a%2Fb?x=1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"X-User-ID": "ada", "X-User-Role": admin, "Authorization": "", kit.CorrelationHeader: "c-1",
	} {
		if got := f.last.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := resp.Header.Values(kit.CorrelationHeader); len(got) != 1 || got[0] != "c-1" {
		t.Errorf("answered %v, want c-1 once", got)
	}
}

func TestErrorsHaveOneForm(t *testing.T) {
	f := start(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/users/text":
			http.Error(w, "stack trace", 500)
		case "/users/hang":
			<-r.Context().Done()
		case "/users/problem":
			kit.WriteProblem(w, r, kit.NotFound("there is no user"))
		}
	}, nil)
	token := f.bearer(admin, "ada")
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"/v1/users/text":    {500, "refused"},
		"/v1/users/problem": {404, "not-found"},
		"/v1/users/hang":    {504, "timeout"},
		"/v1/nothing":       {404, "not-found"},
		"/v1/token":         {405, "method"},
	} {
		headers := []string{"Authorization", token}
		if path == "/v1/users/hang" {
			headers = append(headers, kit.TimeoutHeader, "300")
		}
		resp, body := f.do("GET", path, "", headers...)
		if path == "/v1/users/problem" {
			body = strings.Replace(body, `"code"`, `"correlation_id":"x","code"`, 1)
		}
		if f.want(resp, body, want.status, want.code); strings.Contains(body, "stack trace") {
			t.Errorf("%s tells %s", path, body)
		}
	}
}

func TestServiceAway(t *testing.T) {
	f := start(t, nil, map[string]string{"USERS_URL": "http://127.0.0.1:1"})
	resp, body := f.do("GET", "/v1/users", "", "Authorization", f.bearer(admin, "ada"))
	f.want(resp, body, 502, "bad-gateway")
}

// TestRateLimit lets one client through so often; another is not its concern.
func TestRateLimit(t *testing.T) {
	f := start(t, nil, map[string]string{"RATE_LIMIT": "1", "RATE_BURST": "3"})
	tokens := []string{f.bearer(user, "ada"), f.bearer(user, "bob")}
	count, begin := map[int]int{}, time.Now()
	for range 10 {
		resp, _ := f.do("GET", "/v1/templates", "", "Authorization", tokens[0])
		count[resp.StatusCode]++
	}
	most := 4 + int(time.Since(begin).Seconds()) // what a slow machine takes longer for comes on top
	if count[200] < 3 || count[200] > most || count[200]+count[429] != 10 {
		t.Errorf("got %v, want 3 to %d let through", count, most)
	}
	if resp, _ := f.do("GET", "/v1/templates", "", "Authorization", tokens[1]); resp.StatusCode != 200 {
		t.Errorf("another client: got %d, want 200", resp.StatusCode)
	}
}

// TestRequestIsDoneOnce sends a request twice, by header and by request_id: the second gets the
// first one's answer.
func TestRequestIsDoneOnce(t *testing.T) {
	var calls atomic.Int32
	f := start(t, func(w http.ResponseWriter, _ *http.Request) {
		kit.WriteJSON(w, 202, map[string]int32{"call": calls.Add(1)})
	}, nil)
	token := f.bearer(admin, "ada")
	send := func(body string, headers ...string) string {
		resp, answer := f.do("POST", "/v1/notifications", body, append(headers, "Authorization", token)...)
		return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(answer), " ", resp.Header.Get("Idempotent-Replay"))
	}
	for i, tt := range []struct {
		body string
		key  []string
		want string
	}{
		{`{"request_id":"r1"}`, nil, `202 {"call":1} `},
		{`{"request_id":"r1"}`, nil, `202 {"call":1} true`},
		{`{"a":1}`, []string{"Idempotency-Key", "k"}, `202 {"call":2} `},
		{`{"a":1}`, []string{"Idempotency-Key", "k"}, `202 {"call":2} true`},
		{`{}`, nil, `202 {"call":3} `},
		{`{}`, nil, `202 {"call":4} `},
	} {
		if got := send(tt.body, tt.key...); got != tt.want {
			t.Errorf("request %d: got %s, want %s", i, got, tt.want)
		}
	}
	if got := send(`{"request_id":"r1","x":1}`); !strings.HasPrefix(got, "422 ") {
		t.Errorf("another request of the same id: got %s, want a 422", got)
	}
	token = f.bearer(admin, "bob")
	if got := send(`{"request_id":"r1"}`); got != `202 {"call":5} ` {
		t.Errorf("another client's request: got %s, want call 5", got)
	}
}

// TestConcurrentRequest sends the same request while the first is in work: 409.
func TestConcurrentRequest(t *testing.T) {
	entered, finish := make(chan struct{}), make(chan struct{})
	f := start(t, func(w http.ResponseWriter, _ *http.Request) {
		close(entered) // a second call panics
		<-finish
		w.WriteHeader(202)
	}, nil)
	token := f.bearer(admin, "ada")
	first := make(chan int, 1)
	go func() {
		resp, _ := f.do("POST", "/v1/notifications", `{"request_id":"r"}`, "Authorization", token)
		first <- resp.StatusCode
	}()
	<-entered
	resp, body := f.do("POST", "/v1/notifications", `{"request_id":"r"}`, "Authorization", token)
	f.want(resp, body, 409, "conflict")
	close(finish)
	if got, want := <-first, 202; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// TestKnownRequestIsTriedAgain fails once: a request that the service knows by its request_id is
// sent again with its body, one that it does not know is not.
func TestKnownRequestIsTriedAgain(t *testing.T) {
	var calls atomic.Int32
	f := start(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(503)
		}
	}, nil)
	token := f.bearer(admin, "ada")
	for path, want := range map[string]int{"/v1/notifications": 200, "/v1/users": 503} {
		calls.Store(0)
		resp, _ := f.do("POST", path, `{"request_id":"r2"}`, "Authorization", token)
		if resp.StatusCode != want || f.body != `{"request_id":"r2"}` {
			t.Errorf("%s: got %d, body %s; want %d", path, resp.StatusCode, f.body, want)
		}
	}
}

// TestReplicasShareKeys takes a token from one gateway to another, and to one that trusts the
// first one's JWKS.
func TestReplicasShareKeys(t *testing.T) {
	one := start(t, nil, nil)
	two := start(t, nil, map[string]string{"CACHE_URL": one.redis})
	three := start(t, nil, map[string]string{"AUTH_JWKS_URL": one.url + "/.well-known/jwks.json"})
	token := one.bearer(admin, "ada")
	for i, f := range []*fixture{one, two, three} {
		if resp, body := f.do("GET", "/v1/users", "", "Authorization", token); resp.StatusCode != 200 {
			t.Errorf("gateway %d: got %d %s, want 200", i+1, resp.StatusCode, body)
		}
	}
	if resp, _ := three.do("POST", "/v1/token", `{"role":"admin"}`); resp.StatusCode != 404 {
		t.Errorf("a gateway with an issuer elsewhere gives tokens: %d", resp.StatusCode)
	}
	_, body := one.do("GET", "/.well-known/jwks.json", "")
	if strings.Contains(body, `"d"`) || !strings.Contains(body, `"n"`) {
		t.Errorf("keys: %s", body)
	}
}

// TestWhatNoHeaderCarries sends an id and a subject that cannot be header values: the one is the service's to refuse,
// the other no subject, and the circuit to the service stays closed.
func TestWhatNoHeaderCarries(t *testing.T) {
	f := start(t, nil, nil)
	token := f.bearer(admin, "ada")
	for range 10 {
		resp, body := f.do("POST", "/v1/orders", `{"id":"a\nb"}`, "Authorization", token)
		if resp.StatusCode != 200 {
			t.Fatalf("got %d %s, want the service's answer", resp.StatusCode, body)
		}
	}
	for _, subject := range []string{"a\nb", " ada"} {
		resp, body := f.do("GET", "/v1/orders", "", "Authorization", f.bearer(admin, subject))
		f.want(resp, body, 401, "unauthorized")
	}
}

// TestClientsOwnBody sends bodies that are too big, and such as never come whole: this is the client's fault, of which
// the service does not hear, and for which nobody else is kept from it.
func TestClientsOwnBody(t *testing.T) {
	f := start(t, nil, nil)
	token := f.bearer(admin, "ada")
	for range 10 {
		resp, body := f.do("PUT", "/v1/items/mug", strings.Repeat("x", 1<<20+1), "Authorization", token)
		f.want(resp, body, 413, "too-large")
		resp, body = f.broken("PUT", "/v1/items/mug", token)
		f.want(resp, body, 400, "bad-request")
	}
	f.mu.Lock()
	heard := f.last
	f.mu.Unlock()
	if heard != nil {
		t.Errorf("the service heard of %s %s", heard.Method, heard.URL)
	}
	if resp, body := f.do("PUT", "/v1/items/mug", "{}", "Authorization", token); resp.StatusCode != 200 || f.body != "{}" {
		t.Errorf("after that: got %d %s, want the service's answer to {}, not to %q", resp.StatusCode, body, f.body)
	}
}

// broken sends a request whose body breaks off in its second chunk.
func (f *fixture) broken(method, path, token string) (*http.Response, string) {
	f.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: gateway\r\nAuthorization: %s\r\n"+
		"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nno length\r\n", method, path, token)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp, string(answer)
}
