package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
)

// shop answers as the services behind the gateway do, by the path alone.
type shop struct {
	mu   sync.Mutex // guards seen
	seen []*http.Request
	hang map[string]bool // paths that do not answer
	meet *sync.WaitGroup // what the parts of a page wait for, if set: that all are asked
}

// wait holds a request back as the test wants.
func (s *shop) wait(r *http.Request) (gone bool) {
	s.mu.Lock()
	s.seen = append(s.seen, r)
	hang, meet := s.hang[r.URL.Path], s.meet
	s.mu.Unlock()
	if hang {
		<-r.Context().Done()
		return true
	}
	if meet == nil || strings.HasPrefix(r.URL.Path, "/orders") {
		return false
	}
	meet.Done()
	all := make(chan struct{})
	go func() { meet.Wait(); close(all) }()
	select {
	case <-all:
		return false
	case <-r.Context().Done():
		return true
	}
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.wait(r) {
		return
	}
	switch path, owner := r.URL.Path, "ada"; {
	case path == "/orders" && r.Method == "POST":
		w.Header().Set("Location", "/orders/o1")
		w.WriteHeader(201)
	case path == "/orders/o1" && r.Header.Get("X-User-Role") == user && r.Header.Get("X-User-ID") != owner:
		kit.WriteProblem(w, r, kit.NotFound("there is no order"))
	case path == "/orders/o1":
		io.WriteString(w, `{"id":"o1","user_id":"ada","user_name":"Ada","status":"confirmed","reason":"","total":1999,
			"currency":"EUR","lines":[{"item_id":"a","name":"A","quantity":1,"price":1999}],"version":4,
			"placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}`)
	case path == "/items/a":
		io.WriteString(w, `{"id":"a","name":"of catalog","description":"","price":{"amount":1,"currency":"EUR"},"available":3,"version":1}`)
	case path == "/items":
		io.WriteString(w, `{"items":[{"id":"a","name":"of catalog","description":"","price":{"amount":1,"currency":"EUR"},"available":3,"version":1}],"missing":[]}`)
	case path == "/users/ada":
		io.WriteString(w, `{"id":"ada","name":"Ada","language":"de","channels":{"email":{"on":true,"to":"ada@example.org"}},"version":1}`)
	case path == "/stock":
		io.WriteString(w, `{"levels":[{"item_id":"a","available":3,"reserved":0,"sold":1,"received":4,"version":2}]}`)
	case path == "/catalogue.php" && r.FormValue("item") == "a":
		io.WriteString(w, `{"ITEM_NO":"a","TITLE":"of legacy","PRICE_EUR":"1.019,99"}`)
	case path == "/catalogue.php" && r.FormValue("item") == "odd":
		io.WriteString(w, `{"ITEM_NO":"odd","TITLE":"of legacy","PRICE_EUR":"gratis"}`)
	case path == "/catalogue.php" && r.FormValue("item") == "" && r.FormValue("limit") == "1" && r.FormValue("after") == "A":
		io.WriteString(w, `{"ITEMS":[{"ITEM_NO":"a","TITLE":"of legacy","PRICE_EUR":"1,00"}]}`)
	case path == "/invoices/o1":
		io.WriteString(w, "INVOICE")
	default:
		w.WriteHeader(404)
	}
}

func (s *shop) last(t *testing.T, path string) *http.Request {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.seen) - 1; i >= 0; i-- {
		if s.seen[i].URL.Path == path {
			return s.seen[i]
		}
	}
	t.Fatalf("nobody asked for %s", path)
	return nil
}

// open starts a gateway in front of a shop.
func open(t *testing.T, env map[string]string) (*fixture, *shop) {
	s := &shop{hang: map[string]bool{}}
	return start(t, s.ServeHTTP, env), s
}

const flagFile = `{"flags": {
	"items-from": {"state": "ENABLED", "variants": {"catalog": "catalog", "legacy": "legacy"}, "defaultVariant": %q},
	"orders-canary": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
		"targeting": {"fractional": [["on", %d], ["off", %d]]}}}}`

func setFlags(t *testing.T, file, from string, canary int) {
	t.Helper()
	if err := os.WriteFile(file, fmt.Appendf(nil, flagFile, from, canary, 100-canary), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStrangler moves the items from legacy to catalog while the gateway runs. Clients see one form.
func TestStrangler(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flags.json")
	setFlags(t, file, legacy, 0)
	f, _ := open(t, map[string]string{"FLAGS_FILE": file})
	want := Item{ID: "a", Name: "of legacy", Price: Money{101999, "EUR"}}
	resp, body := f.do("GET", "/v1/items/a", "")
	var got Item
	if err := json.Unmarshal([]byte(body), &got); err != nil || resp.Header.Get(servedHeader) != legacy {
		t.Errorf("got %s from %q, %v", body, resp.Header.Get(servedHeader), err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, body = f.do("GET", "/v1/items?ids=a,,b,a", "")
	var many struct {
		Items   []Item
		Missing []string
	}
	if err := json.Unmarshal([]byte(body), &many); err != nil || len(many.Items) != 1 || len(many.Missing) != 1 {
		t.Errorf("many: got %s, %v", body, err)
	}
	if _, body := f.do("GET", "/v1/items?limit=1&after=A", ""); !strings.Contains(body, `"name":"of legacy"`) {
		t.Errorf("a list: got %s", body)
	}
	for path, status := range map[string]int{"/v1/items/none": 404, "/v1/items/odd": 502} {
		if resp, body := f.do("GET", path, ""); resp.StatusCode != status {
			t.Errorf("%s: got %d %s, want %d", path, resp.StatusCode, body, status)
		}
	}
	setFlags(t, file, "catalog", 0)
	kittest.Eventually(t, "catalog", func() bool {
		resp, body := f.do("GET", "/v1/items/a", "")
		return strings.Contains(body, "of catalog") && resp.Header.Get(servedHeader) == "catalog"
	})
}

func TestCents(t *testing.T) {
	for text, want := range map[string]int64{"19,99": 1999, "0,05": 5, "1.019,99": 101999, "1019,90": 101990,
		"19.99": -1, "19": -1, "": -1, "1.0,00": -1, "-1,00": -1} {
		got, err := cents(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
}

// TestVersions tells the service which form is wanted, and clients where to look under their own.
func TestVersions(t *testing.T) {
	f, s := open(t, nil)
	token := f.bearer(user, "ada")
	for _, version := range []string{"1", "2"} {
		resp, _ := f.do("POST", "/v"+version+"/orders", `{"id": "o1"}`, "Authorization", token, versionHeader, "7")
		if got, want := resp.Header.Get("Location"), "/v"+version+"/orders/o1"; got != want {
			t.Errorf("location is %q, want %q", got, want)
		}
		if got := s.last(t, "/orders").Header.Get(versionHeader); got != version {
			t.Errorf("version %q was asked of the service, want %s", got, version)
		}
		f.do("GET", "/v"+version+"/orders/o%2F1?x=1", "", "Authorization", token)
		if got, want := s.last(t, "/orders/o/1").URL.RequestURI(), "/orders/o%2F1?x=1"; got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
	}
	if resp, _ := f.do("GET", "/v2/users", "", "Authorization", token); resp.StatusCode != 404 {
		t.Errorf("a route without a second version: got %d, want 404", resp.StatusCode)
	}
}

// TestCanary marks the share of clients that try what is new, whatever a client says itself.
func TestCanary(t *testing.T) {
	for canary, want := range map[int]string{100: "true", 0: ""} {
		file := filepath.Join(t.TempDir(), "flags.json")
		setFlags(t, file, "catalog", canary)
		f, s := open(t, map[string]string{"FLAGS_FILE": file})
		resp, _ := f.do("POST", "/v1/orders", `{"id": "o1"}`, "Authorization", f.bearer(user, "ada"), canaryHeader, "maybe")
		if got := s.last(t, "/orders").Header.Get(canaryHeader); got != want || resp.Header.Get(canaryHeader) != want {
			t.Errorf("%d%%: the service is told %q, want %q", canary, got, want)
		}
	}
}

// TestInvoiceOfOwnOrder asks orders before legacy, which does not know whose an order is.
func TestInvoiceOfOwnOrder(t *testing.T) {
	f, _ := open(t, nil)
	for subject, want := range map[string]int{"ada": 200, "bob": 404} {
		resp, body := f.do("GET", "/v1/invoices/o1", "", "Authorization", f.bearer(user, subject))
		if resp.StatusCode != want || (want == 200) != (body == "INVOICE") {
			t.Errorf("%s: got %d %s, want %d", subject, resp.StatusCode, body, want)
		}
	}
	if resp, _ := f.do("GET", "/v1/invoices/o1", "", "Authorization", f.bearer(admin, "root")); resp.StatusCode != 200 {
		t.Errorf("an admin: got %d", resp.StatusCode)
	}
}

// TestPage makes the page where there is no bff: whole, and without the parts that do not come.
func TestPage(t *testing.T) {
	f, s := open(t, map[string]string{"BFF_URL": "", "USERS_URL": "http://127.0.0.1:1"})
	read := func(subject string, want int) Page {
		t.Helper()
		resp, body := f.do("GET", "/v1/orders/o1/page", "", "Authorization", f.bearer(user, subject))
		if resp.StatusCode != want {
			t.Fatalf("got %d %s, want %d", resp.StatusCode, body, want)
		}
		var p Page
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := read("ada", 200)
	if len(p.Items) == 0 || len(p.Stock) == 0 || p.Customer != nil || fmt.Sprint(p.Degraded) != "[customer]" {
		t.Errorf("without users: got %s %s %v %v", p.Items, p.Stock, p.Customer, p.Degraded)
	}
	if got := s.last(t, "/stock").FormValue("ids"); got != "a" {
		t.Errorf("asked for the stock of %q", got)
	}
	read("bob", 404)
	f, s = open(t, map[string]string{"BFF_URL": "", "USERS_URL": "http://127.0.0.1:1", "PART_TIMEOUT": ""})
	s.mu.Lock()
	s.hang["/items"], s.hang["/stock"] = true, true
	s.mu.Unlock()
	p = read("ada", 200)
	if ms, err := strconv.Atoi(s.last(t, "/stock").Header.Get(kit.TimeoutHeader)); err != nil || ms > 300 {
		t.Errorf("stock was given %d ms, %v", ms, err)
	}
	if string(p.Items) != "null" || string(p.Stock) != "null" || fmt.Sprint(p.Degraded) != "[items customer stock]" {
		t.Errorf("with services that hang: got %s %s %v", p.Items, p.Stock, p.Degraded)
	}
}

// TestPageWithoutAnswer makes the page where bff is away, and where something before it says so; what
// bff itself says goes to the client.
func TestPageWithoutAnswer(t *testing.T) {
	bff := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/orders/gone/page" {
			kit.WriteProblem(w, r, kit.Errorf(502, "bad-gateway", "orders does not answer"))
			return
		}
		http.Error(w, "no server is there", http.StatusServiceUnavailable)
	}))
	defer bff.Close()
	for _, c := range []struct {
		url, order string
		want       int
	}{{"http://127.0.0.1:1", "o1", 200}, {bff.URL, "o1", 200}, {bff.URL, "gone", 502}} {
		f, _ := open(t, map[string]string{"BFF_URL": c.url})
		resp, body := f.do("GET", "/v1/orders/"+c.order+"/page", "", "Authorization", f.bearer(user, "ada"))
		if resp.StatusCode != c.want || (c.want == 200) != strings.Contains(body, `"degraded":[]`) {
			t.Errorf("%v: got %d %s", c, resp.StatusCode, body)
		}
	}
}

// TestPageAsksAtOnce has parts that answer only when all of them are asked.
func TestPageAsksAtOnce(t *testing.T) {
	f, s := open(t, map[string]string{"BFF_URL": ""})
	s.mu.Lock()
	s.meet = &sync.WaitGroup{}
	s.meet.Add(3)
	s.mu.Unlock()
	_, body := f.do("GET", "/v1/orders/o1/page", "", "Authorization", f.bearer(user, "ada"))
	if !strings.Contains(body, `"degraded":[]`) {
		t.Errorf("got %s", body)
	}
}

// TestServiceNotHere has services that a profile left out: their routes say so, the others work.
func TestServiceNotHere(t *testing.T) {
	f, _ := open(t, map[string]string{"INVENTORY_URL": "", "ORDERS_URL": "", "LEGACY_URL": "", "BFF_URL": ""})
	token := f.bearer(admin, "root")
	for _, path := range []string{"/v1/stock/a", "/v1/orders", "/v1/invoices/o1", "/v1/orders/o1/page", "/v1/coupons/X"} {
		resp, body := f.do("GET", path, "", "Authorization", token)
		f.want(resp, body, 503, "not-running")
	}
	if resp, body := f.do("GET", "/v1/items/a", ""); resp.StatusCode != 200 {
		t.Errorf("items: got %d %s", resp.StatusCode, body)
	}
}

// TestDocument wants a valid document that has each row of the table, and answers of its form.
func TestDocument(t *testing.T) {
	f, _ := open(t, map[string]string{"BFF_URL": ""})
	resp, body := f.do("GET", "/v1/openapi.json", "")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(body))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("load: %d, %v", resp.StatusCode, err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("document is not valid: %v", err)
	}
	for _, rt := range versions(routes) {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		op := doc.Paths.Value(path).GetOperation(method)
		if op == nil || op.Summary == "" || (len(*op.Security) == 0) != (len(rt.Roles) == 0) {
			t.Errorf("%s: got %+v", rt.Pattern, op)
			continue
		}
		if once := op.Parameters.GetByInAndName("header", "Idempotency-Key") != nil; once != rt.Once {
			t.Errorf("%s: header of idempotency %v, want %v", rt.Pattern, once, rt.Once)
		}
	}
	for path, form := range map[string]string{"/v1/orders/o1/page": "Page", "/v1/orders/o1": "Order",
		"/v1/items/a": "Item", "/v1/items?ids=a": "Items", "/v1/users/ada": "User", "/v1/items/none": "Problem"} {
		_, body := f.do("GET", path, "", "Authorization", f.bearer(user, "ada"))
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		if err := doc.Components.Schemas[form].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%s is no %s: %v", path, form, err)
		}
	}
	if err := doc.Components.Schemas["Order"].Value.VisitJSON(map[string]any{"id": 7}, openapi3.EnableJSONSchema2020()); err == nil {
		t.Error("an order that is none has its form")
	}
}
