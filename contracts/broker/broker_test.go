package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/contracts"
)

// pactOf is a pact whose content depends on a word.
func pactOf(consumer, provider, word string) string {
	return fmt.Sprintf(`{"consumer":{"name":%q},"provider":{"name":%q},"interactions":[{"type":"Synchronous/HTTP","description":%q,
		"request":{"method":"GET","path":"/"},"response":{"status":200}}],"metadata":{"pactSpecification":{"version":"4.0"}}}`, consumer, provider, word)
}

// talk is a broker with a client that bears its token.
type talk struct {
	t   *testing.T
	url string
	api *Broker
}

func newTalk(t *testing.T, s Store) *talk {
	t.Helper()
	api := &Broker{Store: s, Token: "secret"}
	srv := httptest.NewServer(api.Handler())
	t.Cleanup(srv.Close)
	return &talk{t, srv.URL, api}
}

// do sends JSON and returns the answer's status and document.
func (k *talk) do(method, path string, in any) (int, map[string]any) {
	k.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			k.t.Fatal(err)
		}
		if raw, ok := in.(string); ok {
			text = []byte(raw)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, k.url+path, body)
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	doc := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil && resp.StatusCode != http.StatusNoContent {
		k.t.Errorf("%s %s: %d is no JSON: %v", method, path, resp.StatusCode, err)
	}
	return resp.StatusCode, doc
}

// publish sends one pact in the older way.
func (k *talk) publish(consumer, version, provider, word string) {
	k.t.Helper()
	if status, doc := k.do("PUT", "/pacts/provider/"+provider+"/consumer/"+consumer+"/version/"+version, pactOf(consumer, provider, word)); status >= 300 {
		k.t.Fatalf("publish: %d %v", status, doc)
	}
}

// verify sends a result for the newest pact of a consumer.
func (k *talk) verify(consumer, provider, version string, success bool) {
	k.t.Helper()
	_, doc := k.do("GET", "/pacts/provider/"+provider+"/consumer/"+consumer+"/latest", nil)
	where := doc["_links"].(map[string]any)["pb:publish-verification-results"].(map[string]any)["href"].(string)
	status, doc := k.do("POST", strings.TrimPrefix(where, k.url), map[string]any{"success": success, "providerApplicationVersion": version})
	if status != http.StatusCreated {
		k.t.Fatalf("verify: %d %v", status, doc)
	}
}

// deployable asks whether a version may go to production.
func (k *talk) deployable(name, version string) any {
	k.t.Helper()
	status, doc := k.do("GET", "/matrix?q[][pacticipant]="+name+"&q[][version]="+version+"&latestby=cvpv&environment=production", nil)
	if status != http.StatusOK {
		k.t.Fatalf("matrix: %d %v", status, doc)
	}
	return doc["summary"].(map[string]any)["deployable"]
}

func (k *talk) deploy(name, version string) {
	k.t.Helper()
	_, doc := k.do("GET", "/pacticipants/"+name+"/versions/"+version, nil)
	links := doc["_links"].(map[string]any)["pb:record-deployment"].([]any)
	if status, doc := k.do("POST", strings.TrimPrefix(links[0].(map[string]any)["href"].(string), k.url), map[string]any{}); status != http.StatusCreated {
		k.t.Fatalf("deploy: %d %v", status, doc)
	}
}

// TestStory publishes, verifies and deploys, and asks at each step what may be deployed.
func TestStory(t *testing.T) {
	for name, store := range map[string]func() Store{
		"memory": func() Store { return &Memory{} },
		"disk": func() Store {
			d, err := OpenDisk(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTalk(t, store())
			k.publish("gateway", "1", "users", "a")
			k.do("POST", "/environments", map[string]any{"name": "production", "production": true})
			if got := k.deployable("gateway", "1"); got != nil {
				t.Errorf("no provider is there: got %v, want null", got)
			}
			k.verify("gateway", "users", "10", true)
			k.deploy("users", "10")
			if got := k.deployable("gateway", "1"); got != true {
				t.Errorf("verified: got %v, want true", got)
			}
			k.deploy("gateway", "1")
			k.verify("gateway", "users", "11", false)
			if got := k.deployable("users", "11"); got != false {
				t.Errorf("a provider that breaks it: got %v, want false", got)
			}
			k.publish("gateway", "2", "users", "b")
			if got := k.deployable("gateway", "2"); got != nil {
				t.Errorf("a new pact: got %v, want null", got)
			}
			k.publish("gateway", "3", "users", "a")
			if got := k.deployable("gateway", "3"); got != true {
				t.Errorf("a pact of old content: got %v, want true", got)
			}
			if status, doc := k.do("PUT", "/pacts/provider/users/consumer/gateway/version/1", pactOf("gateway", "users", "other")); status != http.StatusConflict {
				t.Errorf("another pact of a version: got %d %v, want 409", status, doc)
			}
		})
	}
}

// TestSelectors hands out what verifiers ask for.
func TestSelectors(t *testing.T) {
	k := newTalk(t, &Memory{})
	for _, one := range [][3]string{{"1", "main", "a"}, {"2", "feature", "b"}, {"3", "main", "c"}} {
		k.publish("gateway", one[0], "users", one[2])
		k.do("PUT", "/pacticipants/gateway/branches/"+one[1]+"/versions/"+one[0], map[string]any{})
	}
	k.do("PUT", "/pacticipants/gateway/versions/1/tags/prod", map[string]any{})
	k.do("POST", "/environments", map[string]any{"name": "production"})
	k.deploy("gateway", "2")
	for want, selectors := range map[string][]any{
		"3":   {},
		"3 ":  {map[string]any{"mainBranch": true}},
		"2":   {map[string]any{"branch": "feature"}},
		"3  ": {map[string]any{"branch": "gone", "fallbackBranch": "main"}},
		"":    {map[string]any{"branch": "gone"}},
		"1":   {map[string]any{"tag": "prod", "latest": true}},
		"2 ":  {map[string]any{"deployed": true, "environment": "production"}},
		"3 2": {map[string]any{"mainBranch": true}, map[string]any{"deployedOrReleased": true}, map[string]any{"matchingBranch": true}},
		" ":   {map[string]any{"consumer": "orders", "latest": true}},
	} {
		_, doc := k.do("POST", "/pacts/provider/users/for-verification", map[string]any{"consumerVersionSelectors": selectors, "includePendingStatus": true, "providerVersionBranch": "none"})
		got := ""
		for _, p := range doc["_embedded"].(map[string]any)["pacts"].([]any) {
			name := p.(map[string]any)["_links"].(map[string]any)["self"].(map[string]any)["name"].(string)
			got += " " + name[strings.Index(name, "(")+1:strings.Index(name, ")")]
			if pending := p.(map[string]any)["verificationProperties"].(map[string]any)["pending"]; pending != true {
				t.Errorf("%v: got pending %v, want true: nobody held it", selectors, pending)
			}
		}
		if strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%v: got %q, want %q", selectors, got, want)
		}
	}
}

// TestClosed sends every route from another host, another page, without the token and with one that is
// wrong: none is answered (J3, J4, J5, J6).
func TestClosed(t *testing.T) {
	k := newTalk(t, &Memory{})
	for _, r := range routes {
		method, path, _ := strings.Cut(r.pattern, " ")
		path = strings.NewReplacer("{$}", "", "{", "", "}", "").Replace(path)
		for name, tt := range map[string]struct {
			set  func(*http.Request)
			want int
		}{
			"host":  {func(r *http.Request) { r.Host = "evil.example:80" }, http.StatusMisdirectedRequest},
			"tail":  {func(r *http.Request) { r.Host = "localhost.evil.example" }, http.StatusMisdirectedRequest},
			"none":  {func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
			"wrong": {func(r *http.Request) { r.Header.Set("Authorization", "Bearer secre") }, http.StatusUnauthorized},
			"page":  {func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, http.StatusForbidden},
		} {
			if name == "page" && method == "GET" {
				continue // no GET has an effect
			}
			req := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader("{}"))
			req.Header.Set("Authorization", "Bearer secret")
			tt.set(req)
			w := httptest.NewRecorder()
			k.api.Handler().ServeHTTP(w, req)
			if w.Code != tt.want {
				t.Errorf("%s, %s: got %d, want %d", r.pattern, name, w.Code, tt.want)
			}
		}
	}
}

// TestHostile refuses what is no pact, is of somebody else, too large, or names a path (L6).
func TestHostile(t *testing.T) {
	k := newTalk(t, &Memory{})
	k.api.MaxBody = 64 << 10
	where := "/pacts/provider/users/consumer/gateway/version/1"
	for name, body := range map[string]string{
		"no JSON":     "{",
		"another's":   pactOf("orders", "users", "a"),
		"a path":      pactOf("../../etc", "users", "a"),
		"deep":        strings.Repeat("[", 10_000),
		"large":       pactOf("gateway", "users", strings.Repeat("x", 100<<10)),
		"a long text": pactOf("gateway", "users", strings.Repeat("x", 2000)),
	} {
		if status, doc := k.do("PUT", where, body); status < 400 || status >= 500 {
			t.Errorf("%s: got %d %v, want a refusal", name, status, doc)
		}
	}
	for _, path := range []string{"/contracts/publish", "/environments", "/pacticipants"} {
		for _, body := range []string{"", "[]", "{}", `{"contracts":[{"content":"%%%"}],"pacticipantName":"a","pacticipantVersionNumber":"1"}`} {
			if status, doc := k.do("POST", path, body); status < 400 || status >= 500 {
				t.Errorf("%s %s: got %d %v, want a refusal", path, body, status, doc)
			}
		}
	}
	for _, path := range []string{"/matrix", "/matrix?q[][pacticipant]=a&q[][version]=1", "/matrix?%zz", "/pacticipants/a/versions/1", "/nothing"} {
		if status, doc := k.do("GET", path, nil); status != http.StatusNotFound && status != http.StatusBadRequest {
			t.Errorf("%s: got %d %v", path, status, doc)
		}
	}
}

// TestDisk finds everything again, lets one process have it, and forgets what was refused.
func TestDisk(t *testing.T) {
	dir := t.TempDir()
	first, err := OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDisk(dir); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second one: got %v", err)
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			if _, err := Publish(first, "gateway", "users", fmt.Sprint(n), "main", []byte(pactOf("gateway", "users", fmt.Sprint(n%3))), time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := Publish(first, "gateway", "users", "9", "", []byte(pactOf("orders", "users", "a")), time.Now()); err == nil {
		t.Error("another's pact is taken")
	}
	first.Close()
	second, err := OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	second.View(func(d *Data) error {
		if len(d.Pacts) != 8 || len(d.Contents) != 3 || d.version("gateway", "9") != nil || d.version("gateway", "7").Branches[0] != "main" {
			t.Errorf("got %d pacts, %d contents", len(d.Pacts), len(d.Contents))
		}
		return nil
	})
}

// TestClient publishes over the wire as `contract publish` does.
func TestClient(t *testing.T) {
	k := newTalk(t, &Memory{})
	p, err := contracts.Parse([]byte(pactOf("gateway", "users", "a")), contracts.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out := Publishing{Consumer: "gateway", Version: "1", Branch: "main", Tags: []string{"t"}, Pacts: []contracts.Pact{p}}
	lines, err := Client{URL: k.url, Token: "secret"}.Publish(t.Context(), out)
	if err != nil || !strings.Contains(strings.Join(lines, " "), "successfully published") {
		t.Errorf("got %q, %v", lines, err)
	}
	if _, err := (Client{URL: k.url}).Publish(t.Context(), out); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a token: got %v", err)
	}
	if out.Pacts[0], err = contracts.Parse([]byte(pactOf("gateway", "users", "b")), contracts.Limits{}); err != nil {
		t.Fatal(err)
	}
	_, err = Client{URL: k.url, Token: "secret"}.Publish(t.Context(), out)
	if _, ok := err.(*Refused); !ok {
		t.Errorf("another pact of a version: got %v, want that it is refused", err)
	}
	led := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			io.WriteString(w, `{"_links":{"pb:publish-contracts":{"href":"http://evil.example/take"}}}`)
			return
		}
		io.WriteString(w, `{"notices":[{"text":"took `+r.URL.Path+`"}]}`)
	}))
	defer led.Close()
	if lines, err := (Client{URL: led.URL, Token: "secret"}).Publish(t.Context(), out); err != nil || lines[0] != "took /contracts/publish" {
		t.Errorf("a broker that leads elsewhere: got %q, %v", lines, err)
	}
}
