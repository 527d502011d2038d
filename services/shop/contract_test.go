//go:build pact

package main

import (
	"context"
	"fmt"
	"testing"

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

// web has ask call the mock of a provider.
func web(t *testing.T, provider, state string, with params, name, method, path string,
	request func(*consumer.V4RequestBuilder), answer object, ask func(url string) error,
) {
	t.Helper()
	p, err := consumer.NewV4Pact(consumer.MockHTTPProviderConfig{Consumer: "shop", Provider: provider, PactDir: kittest.PactDir(t), Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	i := p.AddInteraction()
	if state != "" {
		i = i.GivenWithParameter(models.ProviderState{Name: state, Parameters: with})
	}
	err = i.UponReceiving(name).WithRequest(consumer.Method(method), path, request).
		WillRespondWith(200, func(b *consumer.V4ResponseBuilder) { b.JSONBody(answer) }).
		ExecuteTest(t, func(c consumer.MockServerConfig) error { return ask(fmt.Sprintf("http://%s:%d", c.Host, c.Port)) })
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestContractGateway asks the gateway for a token, and which items there are.
func TestContractGateway(t *testing.T) {
	gate := func(url string) *api {
		a, err := newAPI(kittest.App(t, map[string]string{"GATEWAY_URL": url}))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
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
