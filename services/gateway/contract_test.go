//go:build pact

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pact-foundation/pact-go/v2/consumer"
	"github.com/pact-foundation/pact-go/v2/matchers"
	"github.com/pact-foundation/pact-go/v2/models"

	"msctl.dev/msctl/services/kit/kittest"
)

type (
	shape  = matchers.StructMatcher
	params = map[string]any
)

var (
	like    = matchers.Like
	integer = matchers.Integer
	each    = matchers.EachLike
	regex   = matchers.Regex
	moment  = regex("2026-01-02T03:04:05Z", `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
)

// exchange is one request that the gateway hands on, and what it needs back. Method and path are those of the
// service; a client asks for the same behind /v1.
type exchange struct {
	name   string
	state  string
	params params
	role   string // of the client; "" has no token
	method string
	path   string // with its query
	body   string // what the client sends, as JSON
	status int
	answer any    // matchers; nil: the body does not matter
	text   string // a matcher's example of an answer that is no JSON
	client string // path that the client asks for, where it is not /v1 and path
	form   string // version of the answer that the service is asked for; "": it has one
}

// edge is the gateway in front of the mock of one provider, which takes the place of all services.
type edge struct {
	*fixture
	provider string
	mock     *atomic.Pointer[url.URL]
}

func newEdge(t *testing.T, provider string, env map[string]string) *edge {
	t.Helper()
	e := &edge{provider: provider, mock: &atomic.Pointer[url.URL]{}}
	forward := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(e.mock.Load()) }}
	e.fixture = start(t, func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		r.Body = io.NopCloser(strings.NewReader(e.body)) // the fixture has read it
		e.mu.Unlock()
		forward.ServeHTTP(w, r)
	}, env)
	return e
}

// pact is the file of this edge. Run by hand the tests write none.
func (e *edge) pact() *consumer.V4HTTPMockProvider {
	e.t.Helper()
	p, err := consumer.NewV4Pact(consumer.MockHTTPProviderConfig{
		Consumer: "gateway", Provider: e.provider, PactDir: kittest.PactDir(e.t), Host: "127.0.0.1",
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return p
}

// run has a client ask the gateway, and the provider's mock answer.
func (e *edge) run(x exchange) {
	e.t.Helper()
	i := e.pact().AddInteraction()
	if x.state != "" {
		i = i.GivenWithParameter(models.ProviderState{Name: x.state, Parameters: x.params})
	}
	path, query, _ := strings.Cut(x.path, "?")
	err := i.UponReceiving(x.name).
		WithRequest(consumer.Method(x.method), path, func(b *consumer.V4RequestBuilder) {
			values, _ := url.ParseQuery(query)
			for name, list := range values {
				b.Query(name, matchers.S(list[0]))
			}
			if x.role != "" {
				b.Header("X-User-ID", matchers.S("ana")).Header("X-User-Role", matchers.S(x.role))
			}
			if x.form != "" {
				b.Header("API-Version", matchers.S(x.form))
			}
			if x.body != "" {
				b.Body("application/json", []byte(x.body))
			}
		}).
		WillRespondWith(x.status, func(b *consumer.V4ResponseBuilder) { x.answers(b) }).
		ExecuteTest(e.t, func(c consumer.MockServerConfig) error {
			e.mock.Store(&url.URL{Scheme: "http", Host: fmt.Sprintf("%s:%d", c.Host, c.Port)})
			return e.ask(x)
		})
	if err != nil {
		e.t.Errorf("%s: %v", x.name, err)
	}
}

func (x exchange) answers(b *consumer.V4ResponseBuilder) {
	switch {
	case x.text != "":
		b.Header("Content-Type", regex("text/plain; charset=utf-8", `^text/plain`)).Body("text/plain; charset=utf-8", []byte(x.text))
	case x.status >= 400:
		b.Header("Content-Type", matchers.S("application/problem+json")).JSONBody(refusal(x.status))
	case x.answer != nil:
		b.Header("Content-Type", regex("application/json", `^application/json`)).JSONBody(x.answer)
	}
}

// refusal is what a service says when it refuses.
func refusal(status int) shape {
	return shape{"status": status, "code": like("not-found"), "detail": like("there is none")}
}

// ask is the client's request. The gateway must pass on the status, and a problem as one.
func (e *edge) ask(x exchange) error {
	var headers []string
	if x.role != "" {
		headers = append(headers, "Authorization", e.bearer(x.role, "ana"))
	}
	if x.body != "" {
		headers = append(headers, "Content-Type", "application/json")
	}
	path := x.client
	if path == "" {
		path = "/v1" + x.path
	}
	resp, body := e.do(x.method, path, x.body, headers...)
	if resp.StatusCode != x.status {
		return fmt.Errorf("%s %s: %d %s, want %d", x.method, path, resp.StatusCode, body, x.status)
	}
	if x.status >= 400 && resp.Header.Get("Content-Type") != "application/problem+json" {
		return fmt.Errorf("%s %s: %s is no problem", x.method, path, body)
	}
	return nil
}

// all runs every exchange of one edge as a test of its own.
func (e *edge) all(list ...exchange) {
	for _, x := range list {
		e.t.Run(x.name, func(t *testing.T) {
			of := &edge{&fixture{t: t, url: e.url, redis: e.redis}, e.provider, e.mock}
			of.run(x)
		})
	}
}

var userShape = shape{
	"id": "ana", "name": like("Ana"), "language": regex("pt-BR", `^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`), "version": integer(1),
	"channels": like(shape{}), "created_at": moment, "updated_at": moment,
}

// TestContractUsers reads, makes and changes users.
func TestContractUsers(t *testing.T) {
	ana := params{"id": "ana", "name": "Ana"}
	newEdge(t, "users", nil).all(
		exchange{name: "read a user", state: "a user exists", params: ana, role: "user", method: http.MethodGet, path: "/users/ana", status: 200, answer: userShape},
		exchange{name: "read a user that there is not", state: "no user exists", params: params{"id": "nobody"}, role: "admin", method: http.MethodGet, path: "/users/nobody", status: 404},
		exchange{name: "list users", state: "a user exists", params: ana, role: "admin", method: http.MethodGet, path: "/users?limit=1", status: 200, answer: shape{"users": each(shape{
			"id": like("ana"), "name": like("Ana"), "version": integer(1),
		}, 1)}},
		exchange{name: "make a user", state: "no user exists", params: params{"id": "ana"}, role: "admin", method: http.MethodPost, path: "/users",
			body: `{"id":"ana","name":"Ana","language":"pt-BR","channels":{"email":{"on":true,"to":"ana@x.example"}}}`, status: 201, answer: userShape},
		exchange{name: "change a user", state: "a user exists", params: ana, role: "user", method: http.MethodPut, path: "/users/ana",
			body: `{"name":"Ana Maria","language":"pt-BR","channels":{}}`, status: 200, answer: shape{"id": "ana", "name": "Ana Maria", "version": integer(2)}},
		exchange{name: "change a user badly", state: "a user exists", params: ana, role: "user", method: http.MethodPut, path: "/users/ana", body: `{"name":""}`, status: 422},
	)
}

// TestContractOrders places, reads and cancels orders, in both versions of the API.
func TestContractOrders(t *testing.T) {
	confirmed := params{"id": "o-1", "user": "ana", "item": "mug", "quantity": 2}
	line := shape{"item_id": like("mug"), "name": like("A mug"), "quantity": integer(2)}
	order := shape{
		"id": "o-1", "status": regex("confirmed", "^(pending|confirmed|rejected|cancelled)$"), "reason": like(""), "version": integer(4),
		"user_id": "ana", "total": integer(2500), "currency": regex("EUR", "^[A-Z]{3}$"), "lines": each(line, 1), "placed_at": moment, "updated_at": moment,
	}
	second := shape{
		"id": "o-1", "status": like("confirmed"), "user": shape{"id": "ana", "name": like("Ana")},
		"total": shape{"amount": integer(2500), "currency": like("EUR")}, "lines": each(line, 1),
	}
	newEdge(t, "orders", nil).all(
		exchange{name: "read an order", state: "an order is confirmed", params: confirmed, role: "user", form: "1", method: http.MethodGet, path: "/orders/o-1", status: 200, answer: order},
		exchange{name: "read an order in version 2", state: "an order is confirmed", params: confirmed, role: "user", form: "2", method: http.MethodGet, path: "/orders/o-1", client: "/v2/orders/o-1", status: 200, answer: second},
		exchange{name: "read an order that there is not", state: "no order exists", params: params{"id": "none"}, role: "user", form: "1", method: http.MethodGet, path: "/orders/none", status: 404},
		exchange{name: "list orders", state: "an order is confirmed", params: confirmed, role: "user", form: "1", method: http.MethodGet, path: "/orders?user=ana&limit=10", status: 200, answer: shape{"orders": each(shape{
			"id": like("o-1"), "status": like("confirmed"), "user_id": "ana", "total": integer(2500),
		}, 1)}},
		exchange{name: "read what happened to an order", state: "an order is confirmed", params: confirmed, role: "user", form: "1", method: http.MethodGet, path: "/orders/o-1/events", status: 200, answer: shape{"events": each(shape{
			"seq": integer(1), "kind": like("placed"), "at": moment,
		}, 1)}},
		exchange{name: "place an order", state: "an order can be placed", params: params{"id": "o-1", "item": "mug"}, role: "user", form: "1", method: http.MethodPost, path: "/orders",
			body: `{"id":"o-1","lines":[{"item_id":"mug","quantity":2}],"card":"tok_ok"}`, status: 201, answer: order},
		exchange{name: "cancel an order", state: "an order is confirmed", params: confirmed, role: "user", form: "1", method: http.MethodPost, path: "/orders/o-1/cancel", status: 200, answer: shape{
			"id": "o-1", "status": regex("cancelled", "^(pending|confirmed|cancelled)$"),
		}},
	)
}

// TestContractCatalog reads and writes items.
func TestContractCatalog(t *testing.T) {
	mug := params{"id": "mug", "name": "A mug", "price": 1250}
	price := shape{"amount": integer(1250), "currency": regex("EUR", "^[A-Z]{3}$")}
	item := shape{"id": "mug", "name": like("A mug"), "description": like("It holds tea."), "price": price, "version": integer(1)}
	newEdge(t, "catalog", nil).all(
		exchange{name: "read an item", state: "an item exists", params: mug, method: http.MethodGet, path: "/items/mug", status: 200, answer: item},
		exchange{name: "read an item that there is not", state: "no item exists", params: params{"id": "none"}, method: http.MethodGet, path: "/items/none", status: 404},
		exchange{name: "read many items", state: "an item exists", params: mug, method: http.MethodGet, path: "/items?ids=mug,none", status: 200, answer: shape{"items": each(item, 1), "missing": []string{"none"}}},
		exchange{name: "make an item", state: "no item exists", params: params{"id": "mug"}, role: "admin", method: http.MethodPut, path: "/items/mug",
			body: `{"name":"A mug","description":"It holds tea.","price":{"amount":1250,"currency":"EUR"}}`, status: 201, answer: item},
	)
}

// TestContractInventory reads stock.
func TestContractInventory(t *testing.T) {
	stock := params{"id": "mug", "quantity": 5}
	level := shape{"item_id": like("mug"), "available": integer(5), "reserved": integer(0), "sold": integer(0), "version": integer(1)}
	newEdge(t, "inventory", nil).all(
		exchange{name: "read the stock of items", state: "an item is in stock", params: stock, method: http.MethodGet, path: "/stock?ids=mug", status: 200, answer: shape{"levels": each(level, 1)}},
		exchange{name: "read the stock of an item, and when more comes", state: "an item is in stock", params: stock, method: http.MethodGet, path: "/stock/mug", status: 200, answer: shape{
			"item_id": "mug", "available": integer(5), "restock": shape{"at": moment, "quantity": integer(20)},
		}},
		exchange{name: "read the stock of an item that there is not", state: "there is no stock of an item", params: params{"id": "none"}, method: http.MethodGet, path: "/stock/none", status: 404},
	)
}

// TestContractTemplates reads, adds and renders templates.
func TestContractTemplates(t *testing.T) {
	welcome := params{"id": "welcome", "language": "en", "channel": "email", "subject": "Hi {{name}}", "body": "Welcome, {{name}}."}
	text := shape{"subject": like("Hi {{name}}"), "body": like("Welcome, {{name}}.")}
	template := shape{
		"id": "welcome", "version": integer(1), "variables": each("name", 1), "created_at": moment, "default": like("en"),
		"languages": shape{"en": shape{"email": text}},
	}
	newEdge(t, "templates", nil).all(
		exchange{name: "read a template", state: "a template exists", params: welcome, role: "user", method: http.MethodGet, path: "/templates/welcome", status: 200, answer: template},
		exchange{name: "read a version of a template", state: "a template exists", params: welcome, role: "user", method: http.MethodGet, path: "/templates/welcome/versions/1", status: 200, answer: template},
		exchange{name: "read all versions of a template", state: "a template exists", params: welcome, role: "user", method: http.MethodGet, path: "/templates/welcome/versions", status: 200, answer: shape{"versions": each(template, 1)}},
		exchange{name: "list templates", state: "a template exists", params: welcome, role: "user", method: http.MethodGet, path: "/templates?limit=1", status: 200, answer: shape{"templates": each(shape{
			"id": like("welcome"), "version": integer(1),
		}, 1)}},
		exchange{name: "read a template that there is not", state: "no template exists", params: params{"id": "none"}, role: "user", method: http.MethodGet, path: "/templates/none", status: 404},
		exchange{name: "add the first version of a template", state: "no template exists", params: params{"id": "welcome"}, role: "admin", method: http.MethodPut, path: "/templates/welcome",
			body: `{"default":"en","languages":{"en":{"email":{"subject":"Hi {{name}}","body":"Welcome, {{name}}."}}}}`, status: 201, answer: template},
		exchange{name: "render a template for a client", state: "a template exists", params: welcome, role: "user", method: http.MethodPost, path: "/templates/welcome/render",
			body: `{"channel":"email","language":"en","variables":{"name":"Ana"}}`, status: 200, answer: shape{"language": "en", "subject": "Hi Ana", "body": "Welcome, Ana."}},
	)
}

// TestContractNotifications has users told of things, and looks at what failed.
func TestContractNotifications(t *testing.T) {
	sent := params{"id": "n-1", "request": "r-1", "user": "ana", "template": "welcome", "status": "sent"}
	failed := params{"id": "f-1", "queue": "email.queue", "message": "m-1", "reason": "the device is gone"}
	notification := shape{
		"id": like("n-1"), "request_id": like("r-1"), "user_id": like("ana"), "template": like("welcome"), "created_at": moment, "updated_at": moment,
		"status": regex("sent", "^(accepted|queued|sent|failed|suppressed)$"),
	}
	newEdge(t, "notifications", nil).all(
		exchange{name: "tell a user something", role: "admin", method: http.MethodPost, path: "/notifications",
			body: `{"request_id":"r-1","user_id":"ana","template":"welcome","channels":["email"],"variables":{"name":"Ana"}}`, status: 202, answer: shape{
				"id": like("n-1"), "request_id": "r-1", "status": "accepted",
			}},
		exchange{name: "tell a user nothing", role: "admin", method: http.MethodPost, path: "/notifications", body: `{"request_id":"r-2","user_id":"","template":""}`, status: 422},
		exchange{name: "read a notification", state: "a notification exists", params: sent, role: "user", method: http.MethodGet, path: "/notifications/n-1", status: 200, answer: notification},
		exchange{name: "list the notifications of a user", state: "a notification exists", params: sent, role: "admin", method: http.MethodGet, path: "/notifications?user=ana&limit=5", status: 200, answer: shape{"notifications": each(notification, 1)}},
		exchange{name: "list failed messages", state: "a message failed", params: failed, role: "admin", method: http.MethodGet, path: "/failed?limit=5", status: 200, answer: shape{"failed": each(shape{
			"id": like("f-1"), "queue": like("email.queue"), "reason": like("the device is gone"), "failed_at": moment,
		}, 1)}},
		exchange{name: "send a failed message again", state: "a message failed", params: failed, role: "admin", method: http.MethodPost, path: "/failed/f-1/requeue", status: 202, answer: shape{"requeued": 1}},
	)
}

// TestContractBFF reads the page of an order.
func TestContractBFF(t *testing.T) {
	newEdge(t, "bff", nil).all(
		exchange{name: "read the page of an order", state: "the parts of a page can be read", params: params{"order": "o-1"}, role: "user", method: http.MethodGet, path: "/orders/o-1/page", status: 200, answer: shape{
			"order":    shape{"id": "o-1", "status": like("confirmed")},
			"items":    each(shape{"id": like("mug"), "name": like("A mug")}, 1),
			"customer": shape{"id": like("ana"), "name": like("Ana")},
			"stock":    each(shape{"item_id": like("mug"), "available": integer(5)}, 1),
			"degraded": []string{},
		}},
	)
}

// TestContractLegacy reads what is still in the old monolith, in its own words.
func TestContractLegacy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flags.json")
	setFlags(t, file, legacy, 0)
	old := params{"id": "mug", "name": "A mug", "price": "12,50"}
	item := shape{"ITEM_NO": like("mug"), "TITLE": like("A mug"), "PRICE_EUR": regex("12,50", `^(\d{1,3}(\.\d{3})*|\d+),\d\d$`)}
	newEdge(t, "legacy", map[string]string{"FLAGS_FILE": file}).all(
		exchange{name: "read an item of the old catalogue", state: "the old catalogue has an item", params: old, method: http.MethodGet, path: "/catalogue.php?item=mug", client: "/v1/items/mug", status: 200, answer: item},
		exchange{name: "read an item that the old catalogue lacks", state: "the old catalogue lacks an item", params: params{"id": "none"}, method: http.MethodGet, path: "/catalogue.php?item=none", client: "/v1/items/none", status: 404},
		exchange{name: "list items of the old catalogue", state: "the old catalogue has an item", params: old, method: http.MethodGet, path: "/catalogue.php?after=&limit=10", client: "/v1/items?limit=10", status: 200, answer: shape{"ITEMS": each(item, 1)}},
		exchange{name: "read a coupon", method: http.MethodGet, path: "/coupons/WELCOME10", status: 200, answer: shape{
			"CODE": "WELCOME10", "PERCENT": integer(10), "VALID_TO": regex("31.12.2099", `^\d\d\.\d\d\.\d{4}$`),
		}},
		exchange{name: "read a coupon that there is not", method: http.MethodGet, path: "/coupons/NONE", status: 404},
	)
}
