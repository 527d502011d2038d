//go:build pact

package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pact-foundation/pact-go/v2/consumer"
	"github.com/pact-foundation/pact-go/v2/matchers"
	pactmsg "github.com/pact-foundation/pact-go/v2/message/v4"
	"github.com/pact-foundation/pact-go/v2/models"
	"google.golang.org/grpc"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
	ordersv1 "msctl.dev/msctl/services/proto/shop/orders/v1"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

type (
	object = matchers.StructMatcher
	params = map[string]any
)

var (
	like   = matchers.Like
	each   = matchers.EachLike
	number = matchers.Regex("5", `^-?\d+$`) // as gRPC's JSON writes 64 bits
)

// mock is a provider that answers over HTTP as its pact says.
func mock(t *testing.T, provider string) *consumer.V4HTTPMockProvider {
	t.Helper()
	p, err := consumer.NewV4Pact(consumer.MockHTTPProviderConfig{Consumer: "shop", Provider: provider, PactDir: kittest.PactDir(t), Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// web has ask call the mock of a provider.
func web(t *testing.T, provider, state string, with params, name, method, path string,
	request func(*consumer.V4RequestBuilder), answer object, ask func(url string) error,
) {
	t.Helper()
	i := mock(t, provider).AddInteraction()
	if state != "" {
		i = i.GivenWithParameter(models.ProviderState{Name: state, Parameters: with})
	}
	err := i.UponReceiving(name).WithRequest(consumer.Method(method), path, request).
		WillRespondWith(200, func(b *consumer.V4ResponseBuilder) { b.JSONBody(answer) }).
		ExecuteTest(t, func(c consumer.MockServerConfig) error { return ask(fmt.Sprintf("http://%s:%d", c.Host, c.Port)) })
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// gate is the shop's client of the gateway, with a token for each of those.
func gate(t *testing.T, url string, who ...caller) *api {
	t.Helper()
	a, err := newAPI(kittest.App(t, map[string]string{"GATEWAY_URL": url}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range who {
		a.tokens[c.role+" "+c.subject] = "a.b.c"
	}
	return a
}

// TestContractGateway asks the gateway for a token, and which items there are.
func TestContractGateway(t *testing.T) {
	gate := func(url string) *api { return gate(t, url) }
	web(t, "gateway", "", nil, "ask for a token", "POST", "/v1/token", func(b *consumer.V4RequestBuilder) {
		b.JSONBody(params{"role": "admin", "subject": "shop"})
	}, object{"access_token": like("a.b.c")}, func(url string) error {
		token, err := gate(url).token(t.Context(), administrator)
		if err != nil || token != "a.b.c" {
			return fmt.Errorf("token is %q, %v", token, err)
		}
		return nil
	})
	web(t, "gateway", "the catalogue has an item", params{"id": "mug"}, "ask which items there are", "GET", "/v1/items", func(b *consumer.V4RequestBuilder) {
		b.Query("ids", matchers.S("mug,none"))
	}, object{"items": each(object{"id": like("mug")}, 1), "missing": []string{"none"}}, func(url string) error {
		a := gate(url)
		a.tokens["admin shop"] = "a.b.c"
		var there struct {
			Missing []string `json:"missing"`
		}
		_, err := a.patient(t.Context(), administrator, "GET", "/v1/items?ids=mug,none", nil, &there, 200)
		if err != nil || len(there.Missing) != 1 {
			return fmt.Errorf("missing are %v, %v", there.Missing, err)
		}
		return nil
	})
}

// errand is a request with a token, and what the shop needs back.
type errand struct {
	name         string
	who          caller
	state        string // beside that who has a token
	with         params
	method, path string
	query        params
	header       params
	body         any
	status       int
	answer       object // nil: the status is enough
	do           func(*api) error
}

// run has the shop do it, with a token that the provider gives when the pact is verified.
func (e errand) run(t *testing.T) {
	t.Helper()
	i := mock(t, "gateway").AddInteraction().
		GivenWithParameter(models.ProviderState{Name: "a caller has a token", Parameters: params{"role": e.who.role, "subject": e.who.subject}})
	if e.state != "" {
		i = i.GivenWithParameter(models.ProviderState{Name: e.state, Parameters: e.with})
	}
	err := i.UponReceiving(e.name).WithRequest(consumer.Method(e.method), e.path, func(b *consumer.V4RequestBuilder) {
		b.Header("Authorization", matchers.FromProviderState("Bearer ${token}", "Bearer a.b.c"))
		for name, value := range e.header {
			b.Header(name, matchers.S(value.(string)))
		}
		for name, value := range e.query {
			b.Query(name, matchers.S(value.(string)))
		}
		if e.body != nil {
			b.JSONBody(e.body)
		}
	}).WillRespondWith(e.status, func(b *consumer.V4ResponseBuilder) {
		if e.answer != nil {
			b.JSONBody(e.answer)
		}
	}).ExecuteTest(t, func(c consumer.MockServerConfig) error {
		return e.do(gate(t, fmt.Sprintf("http://%s:%d", c.Host, c.Port), e.who))
	})
	if err != nil {
		t.Errorf("%s: %v", e.name, err)
	}
}

// TestContractGatewaySeed looks what is there already, and makes what is not: users, items and templates.
func TestContractGatewaySeed(t *testing.T) {
	ana := shopper{ID: "ana", Name: "Ana", Language: "pt-BR", Channels: map[string]map[string]any{"email": {"on": true, "to": "ana@x.example"}}}
	mug := item{Name: "A mug", Description: "It holds tea.", Price: money{1250, "EUR"}}
	welcome := params{"default": "en", "languages": params{"en": params{"email": params{"subject": "Hi {{name}}", "body": "Welcome, {{name}}."}}}}
	ask := func(method, path string, in any, status int) func(*api) error {
		return func(a *api) error {
			_, err := a.patient(t.Context(), administrator, method, path, in, nil, status)
			return err
		}
	}
	for _, e := range []errand{
		{name: "look for a user", state: "a user exists", with: params{"id": "ana"}, method: "GET", path: "/v1/users/ana", status: 200},
		{name: "look for a user that there is not", state: "no user exists", with: params{"id": "nobody"}, method: "GET", path: "/v1/users/nobody", status: 404},
		{name: "make a user", state: "no user exists", with: params{"id": "ana"}, method: "POST", path: "/v1/users", body: ana, status: 201},
		{name: "make an item", state: "no item exists", with: params{"id": "mug"}, method: "PUT", path: "/v1/items/mug", body: mug.profile(), status: 201},
		{name: "look for a template", state: "a template exists", with: params{"id": "welcome"}, method: "GET", path: "/v1/templates/welcome", status: 200},
		{name: "look for a template that there is not", state: "no template exists", with: params{"id": "none"}, method: "GET", path: "/v1/templates/none", status: 404},
		{name: "make a template", state: "no template exists", with: params{"id": "welcome"}, method: "PUT", path: "/v1/templates/welcome", body: welcome, status: 201},
	} {
		e.who, e.do = administrator, ask(e.method, e.path, e.body, e.status)
		e.run(t)
	}
}

// TestContractGatewayOrders places an order, follows it, and reads what people were told.
func TestContractGatewayOrders(t *testing.T) {
	ana := caller{"user", "ana"}
	mug := order{ID: "o-1", Card: "tok_ok", Lines: []line{{"mug", 2}}}
	status := matchers.Regex("confirmed", "^(pending|confirmed|rejected)$")
	errand{
		name: "place an order", who: ana, state: "an order can be placed", with: params{"id": "o-1", "item": "mug"},
		method: "POST", path: "/v1/orders", header: params{"Idempotency-Key": "o-1"}, body: mug, status: 201, answer: object{"status": status},
		do: func(a *api) error {
			p := placed{wish: wish{who: ana, body: mug}}
			p.send(t.Context(), a, time.Now(), time.Second)
			if p.err != nil || !p.accepted || p.status != "confirmed" {
				return fmt.Errorf("the order is %q, %v", p.status, p.err)
			}
			return nil
		},
	}.run(t)
	errand{
		name: "follow an order", who: ana, state: "an order is confirmed", with: params{"id": "o-1", "item": "mug", "quantity": 2, "user": "ana"},
		method: "GET", path: "/v1/orders/o-1", status: 200, answer: object{"status": status},
		do: func(a *api) error {
			p := placed{wish: wish{who: ana, body: mug}, status: "pending"}
			p.follow(t.Context(), a, time.Now(), 5*time.Second)
			if p.err != nil || p.status != "confirmed" {
				return fmt.Errorf("the order is %q, %v", p.status, p.err)
			}
			return nil
		},
	}.run(t)
	errand{
		name: "list what people were told", who: administrator, state: "a notification exists",
		with:   params{"id": "n-1", "request": "r-1", "status": "sent", "template": "welcome", "user": "ana"},
		method: "GET", path: "/v1/notifications", query: params{"limit": "200", "before": ""}, status: 200,
		answer: object{"notifications": each(object{"id": like("n-1"), "request_id": like("r-1"), "status": matchers.Regex("sent", "^(accepted|queued|sent|failed|suppressed)$")}, 1)},
		do: func(a *api) error {
			b := &books{}
			err := (&auditor{gate: a}).readNotifications(t.Context(), b)
			if err != nil || len(b.notifications) != 1 || b.notifications[0].Request != "r-1" {
				return fmt.Errorf("notifications are %v, %v", b.notifications, err)
			}
			return nil
		},
	}.run(t)
}

// TestContractLegacy tells the monolith of old items, and reads the bank's books.
func TestContractLegacy(t *testing.T) {
	client := func(url string) *kit.Client {
		c, err := kittest.App(t, map[string]string{"LEGACY_URL": url}).Client("legacy")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	old := params{"ITEM_NO": "mug", "TITLE": "A mug", "PRICE_EUR": "12,50"}
	web(t, "legacy", "", nil, "add an item to the old catalogue", "POST", "/catalogue.php", func(b *consumer.V4RequestBuilder) {
		b.JSONBody(old)
	}, object{"ITEM_NO": "mug"}, func(url string) error {
		s := seeder{legacy: client(url)}
		return s.old(t.Context(), world{Items: []item{{ID: "mug", Name: "A mug", Price: money{1250, "EUR"}, Old: true}}})
	})
	web(t, "legacy", "the bank has taken the money of an order", params{"order": "o-1", "amount": 2500}, "read the books of the bank", "GET", "/bank/booked", func(b *consumer.V4RequestBuilder) {
		b.Query("after", matchers.S("0")).Query("limit", matchers.S("200"))
	}, object{"bookings": each(object{
		"ref": like("o-1"), "op": matchers.Regex("SALE", "^(SALE|REFUND)$"), "amount": matchers.Integer(2500), "rc": matchers.Regex("00", `^\d\d$`), "txn": matchers.Integer(1),
	}, 1)}, func(url string) error {
		b := &books{bookings: map[string]int64{}}
		err := (&auditor{legacy: client(url)}).readBank(t.Context(), b)
		if err != nil || b.bookings["o-1"] != 2500 {
			return fmt.Errorf("bookings are %v, %v", b.bookings, err)
		}
		return nil
	})
}

// call has ask make one gRPC call of a server that answers what the pact says.
func call(t *testing.T, provider, method, name, state string, with, request params, reply object, ask func(*grpc.ClientConn) error) {
	t.Helper()
	p, err := pactmsg.NewSynchronousPact(pactmsg.Config{Consumer: "shop", Provider: provider, PactDir: kittest.PactDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	err = p.AddSynchronousMessage(method+": "+name).
		GivenWithParameter(models.ProviderState{Name: state, Parameters: with}).
		WithRequest(func(b *pactmsg.SynchronousMessageWithRequestBuilder) {
			b.WithJSONContent(request).WithMetadata(map[string]string{"grpc-method": "/" + method})
		}).
		WithResponse(func(b *pactmsg.SynchronousMessageWithResponseBuilder) {
			b.WithJSONContent(reply).WithMetadata(map[string]string{"grpc-status": "OK"})
		}).
		ExecuteTest(t, func(m pactmsg.SynchronousMessage) error {
			said := kittest.PactCall{Provider: provider, Method: method, Request: m.Request.Contents, Reply: m.Response[0].Contents}
			return said.Answer(t, ask)
		})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestContractInventory receives the first stock, and lists what there is.
func TestContractInventory(t *testing.T) {
	const service = "shop.inventory.v1.InventoryService/"
	level := object{"itemId": like("mug"), "available": number, "reserved": number, "sold": number, "received": number}
	call(t, "inventory", service+"Receive", "receive stock", "there is no stock of an item", params{"id": "mug"},
		params{"receiptId": "seed-mug", "itemId": "mug", "quantity": "5"}, object{"level": level}, func(c *grpc.ClientConn) error {
			s := seeder{stock: inventoryv1.NewInventoryServiceClient(c)}
			return s.levels(context.Background(), world{Items: []item{{ID: "mug", Stock: 5}}})
		})
	call(t, "inventory", service+"Stock", "list all stock", "an item is in stock", params{"id": "mug", "quantity": 5},
		params{"limit": 200}, object{"levels": each(level, 1)}, func(c *grpc.ClientConn) error {
			b := &books{}
			err := (&auditor{stock: inventoryv1.NewInventoryServiceClient(c)}).readStock(context.Background(), b)
			if err != nil || len(b.levels) != 1 || b.levels[0].Available != 5 {
				return fmt.Errorf("levels are %v, %v", b.levels, err)
			}
			return nil
		})
}

// TestContractOrders lists orders, and has them compared with their events.
func TestContractOrders(t *testing.T) {
	const service = "shop.orders.v1.OrdersService/"
	confirmed := params{"id": "o-1", "user": "ana", "item": "mug", "quantity": 2}
	// The auditor always does both: the other call is answered by nobody here, so each is made alone.
	call(t, "orders", service+"List", "list all orders", "an order is confirmed", confirmed, params{"limit": 200},
		object{"orders": each(object{
			"id": like("o-1"), "status": matchers.Regex("ORDER_STATUS_CONFIRMED", "^ORDER_STATUS_[A-Z]+$"), "total": number,
			"lines": each(object{"itemId": like("mug"), "quantity": number}, 1),
		}, 1)}, func(c *grpc.ClientConn) error {
			got, err := ordersv1.NewOrdersServiceClient(c).List(context.Background(), &ordersv1.ListRequest{Limit: page})
			if err != nil || len(got.GetOrders()) != 1 || got.Orders[0].Lines[0].Quantity != 5 {
				return fmt.Errorf("orders are %v, %v", got, err)
			}
			return nil
		})
	call(t, "orders", service+"Verify", "compare orders with their events", "an order is confirmed", confirmed, params{},
		object{"orders": number, "behind": number}, func(c *grpc.ClientConn) error {
			got, err := ordersv1.NewOrdersServiceClient(c).Verify(context.Background(), &ordersv1.VerifyRequest{})
			if err != nil || got.GetOrders() != 5 {
				return fmt.Errorf("got %v, %v", got, err)
			}
			return nil
		})
}

// TestContractPayments lists payments.
func TestContractPayments(t *testing.T) {
	call(t, "payments", "shop.payments.v1.PaymentsService/List", "list all payments", "an order was paid",
		params{"order": "o-1", "amount": 2500, "card": "tok_ok"}, params{"limit": 200},
		object{"payments": each(object{"orderId": like("o-1"), "captured": number, "refunded": number}, 1)}, func(c *grpc.ClientConn) error {
			b := &books{payments: map[string]*paymentsv1.Payment{}}
			err := (&auditor{payments: paymentsv1.NewPaymentsServiceClient(c)}).readPayments(context.Background(), b)
			if err != nil || b.payments["o-1"].GetCaptured() != 5 {
				return fmt.Errorf("payments are %v, %v", b.payments, err)
			}
			return nil
		})
}
