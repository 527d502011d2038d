//go:build pact

package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	pactmsg "github.com/pact-foundation/pact-go/v2/message/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
	usersv1 "msctl.dev/msctl/services/proto/shop/users/v1"
)

// call is one gRPC call, as JSON of its messages.
type call struct {
	provider string
	method   string // full: "shop.users.v1.UsersService/BatchGet"
	name     string
	state    string
	params   params
	request  params
	code     codes.Code // of the answer
	reply    obj        // where the code is not OK: code, message, reason and domain
	ask      func(context.Context, *grpc.ClientConn) error
}

// run has ask make its call of a server that answers what the pact says, and holds what it sent against it.
func (c call) run(t *testing.T) {
	t.Helper()
	p, err := pactmsg.NewSynchronousPact(pactmsg.Config{Consumer: "orders", Provider: c.provider, PactDir: kittest.PactDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	said := "OK"
	if c.code != codes.OK {
		said = strings.Trim(fmt.Sprint(c.reply["code"]), `"`)
	}
	err = p.AddSynchronousMessage(c.method+": "+c.name).
		GivenWithParameter(given(c.state, c.params)).
		WithRequest(func(b *pactmsg.SynchronousMessageWithRequestBuilder) {
			b.WithJSONContent(c.request).WithMetadata(map[string]string{"grpc-method": "/" + c.method})
		}).
		WithResponse(func(b *pactmsg.SynchronousMessageWithResponseBuilder) {
			b.WithJSONContent(c.reply).WithMetadata(map[string]string{"grpc-status": said})
		}).
		ExecuteTest(t, func(m pactmsg.SynchronousMessage) error {
			said := kittest.PactCall{
				Provider: c.provider, Method: c.method, Request: m.Request.Contents, Code: c.code, Reply: m.Response[0].Contents,
			}
			return said.Answer(t, func(conn *grpc.ClientConn) error { return c.ask(t.Context(), conn) })
		})
	if err != nil {
		t.Fatal(err)
	}
}

// steps has a saga do the next step of an order, which must come to want.
func steps(o Order, want Step, reason string) func(context.Context, *grpc.ClientConn) error {
	return pays(o, "tok_ok", want, reason)
}

// pays is steps with that card.
func pays(o Order, card string, want Step, reason string) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, conn *grpc.ClientConn) error {
		s := saga{app: &kit.App{Name: "orders"}, inventory: inventoryv1.NewInventoryServiceClient(conn), payments: paymentsv1.NewPaymentsServiceClient(conn)}
		step, body, err := s.step(ctx, o, card)
		if err != nil || step != want || body.Reason != reason {
			return fmt.Errorf("came to %s %q, %v, want %s %q", step, body.Reason, err, want, reason)
		}
		return nil
	}
}

// refusal is the reply of a call that the provider will not do.
func refusal(code, reason, domain string) obj {
	return obj{"code": code, "message": like("it is refused"), "reason": reason, "domain": domain}
}

// TestContractInventory has stock held, sold and given back.
func TestContractInventory(t *testing.T) {
	const service = "shop.inventory.v1.InventoryService/"
	stock := params{"id": "mug", "quantity": 5}
	held := params{"order": "o-1", "item": "mug", "quantity": 2}
	lines := []any{params{"itemId": "mug", "quantity": "2"}}
	reservation := func(state string) obj {
		return obj{"reservation": obj{"orderId": like("o-1"), "state": "RESERVATION_STATE_" + state}}
	}
	undoing := mugs(Compensating)
	undoing.Undo = Body{Ends: Rejected}
	for _, c := range []call{
		{
			method: service + "Reserve", name: "hold what an order wants", state: "an item is in stock", params: stock,
			request: params{"orderId": "o-1", "lines": lines}, reply: reservation("HELD"), ask: steps(mugs(Placed), Reserved, ""),
		},
		{
			method: service + "Reserve", name: "hold more than there is", state: "an item is in stock", params: params{"id": "mug", "quantity": 1},
			request: params{"orderId": "o-1", "lines": lines}, code: codes.FailedPrecondition,
			reply: refusal("FAILED_PRECONDITION", "OUT_OF_STOCK", "inventory"), ask: steps(mugs(Placed), Compensating, "out_of_stock"),
		},
		{
			method: service + "Reserve", name: "hold what nobody knows", state: "there is no stock of an item", params: params{"id": "mug"},
			request: params{"orderId": "o-1", "lines": lines}, code: codes.FailedPrecondition,
			reply: refusal("FAILED_PRECONDITION", "UNKNOWN_ITEM", "inventory"), ask: steps(mugs(Placed), Compensating, "unknown_item"),
		},
		{
			method: service + "Commit", name: "sell what an order holds", state: "an order holds an item", params: held,
			request: params{"orderId": "o-1"}, reply: reservation("SOLD"), ask: steps(mugs(Paid), Confirmed, ""),
		},
		{
			method: service + "Release", name: "give back what an order holds", state: "an order holds an item", params: held,
			request: params{"orderId": "o-1"}, reply: reservation("RELEASED"), ask: steps(undoing, Rejected, ""),
		},
	} {
		c.provider = "inventory"
		t.Run(c.name, c.run)
	}
}

// TestContractPayments has money taken and given back.
func TestContractPayments(t *testing.T) {
	const service = "shop.payments.v1.PaymentsService/"
	wants := func(card string) params {
		return params{"orderId": "o-1", "amount": "2500", "currency": "EUR", "card": card}
	}
	order := func(card string) params { return params{"order": "o-1", "amount": 2500, "card": card} }
	payment := func(status string) obj {
		return obj{"payment": obj{"orderId": like("o-1"), "status": "PAYMENT_STATUS_" + status}}
	}
	short := payment("REFUSED")
	short["payment"].(obj)["reason"] = "insufficient funds"
	undoing := mugs(Compensating)
	undoing.Undo = Body{Ends: Cancelled, Refund: true}
	for _, c := range []call{
		{
			method: service + "Capture", name: "take the money of an order", state: "an order was not paid", params: order("tok_ok"),
			request: wants("tok_ok"), reply: payment("CAPTURED"), ask: steps(mugs(Reserved), Paid, ""),
		},
		{
			method: service + "Capture", name: "take the money of an order while the bank does not answer", state: "the bank does not answer about an order", params: order("tok_slow"),
			request: wants("tok_slow"), reply: payment("PENDING"), ask: pays(mugs(Reserved), "tok_slow", Paying, ""),
		},
		{
			method: service + "Capture", name: "take money that was refused before", state: "the money of an order was refused", params: order("tok_refused"),
			request: wants("tok_refused"), reply: short, ask: pays(mugs(Reserved), "tok_refused", Compensating, "payment_refused: insufficient funds"),
		},
		{
			method: service + "Refund", name: "give back the money of an order", state: "an order was paid", params: order("tok_ok"),
			request: params{"orderId": "o-1"}, reply: payment("REFUNDED"), ask: steps(undoing, Refunded, ""),
		},
	} {
		c.provider = "payments"
		t.Run(c.name, c.run)
	}
}

// TestContractUsers asks for the names of users.
func TestContractUsers(t *testing.T) {
	call{
		provider: "users", method: "shop.users.v1.UsersService/BatchGet", name: "ask for names", state: "a user exists", params: params{"id": "ana", "name": "Ana"},
		request: params{"ids": []string{"ana"}},
		reply:   obj{"users": []any{obj{"id": "ana", "name": like("Ana"), "version": regex("1", `^\d+$`)}}},
		ask: func(ctx context.Context, conn *grpc.ClientConn) error {
			s := open(t, kittest.SQLite(t))
			if err := s.learn(ctx, usersv1.NewUsersServiceClient(conn), "ana"); err != nil {
				return err
			}
			if got, _, err := name(ctx, s.db, "ana"); got != "Ana" || err != nil {
				return fmt.Errorf("name is %q, %v", got, err)
			}
			return nil
		},
	}.run(t)
}
