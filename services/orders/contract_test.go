//go:build pact

package main

import (
	"fmt"
	"testing"

	"github.com/pact-foundation/pact-go/v2/consumer"
	"github.com/pact-foundation/pact-go/v2/matchers"
	pactmsg "github.com/pact-foundation/pact-go/v2/message/v4"
	"github.com/pact-foundation/pact-go/v2/models"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

type (
	obj    = matchers.StructMatcher
	params = map[string]any
)

var (
	like    = matchers.Like
	integer = matchers.Integer
	regex   = matchers.Regex
)

func given(name string, p params) models.ProviderState {
	return models.ProviderState{Name: name, Parameters: p}
}

// mugs is an order of two mugs that has come so far.
func mugs(step Step) Order {
	return Order{ID: "o-1", Step: step, Placed: Body{User: "ana", Currency: "EUR", Lines: []Line{{"mug", "A mug", 2, 1250}}}}
}

// TestContractCatalog asks catalog for names and prices.
func TestContractCatalog(t *testing.T) {
	p, err := consumer.NewV4Pact(consumer.MockHTTPProviderConfig{Consumer: "orders", Provider: "catalog", PactDir: kittest.PactDir(t), Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	err = p.AddInteraction().GivenWithParameter(given("an item exists", params{"id": "mug", "name": "A mug", "price": 1250})).
		UponReceiving("ask what is ordered for names and prices").
		WithRequest("GET", "/items", func(b *consumer.V4RequestBuilder) { b.Query("ids", matchers.S("mug")) }).
		WillRespondWith(200, func(b *consumer.V4ResponseBuilder) {
			b.Header("Content-Type", regex("application/json", "^application/json")).JSONBody(obj{"items": matchers.EachLike(obj{
				"id": like("mug"), "name": like("A mug"), "price": obj{"amount": integer(1250), "currency": regex("EUR", "^[A-Z]{3}$")},
			}, 1)})
		}).
		ExecuteTest(t, func(c consumer.MockServerConfig) error {
			client, err := kittest.App(t, map[string]string{"CATALOG_URL": fmt.Sprintf("http://%s:%d", c.Host, c.Port)}).Client("catalog")
			if err != nil {
				return err
			}
			body, err := catalog{client}.price(t.Context(), Request{User: "ana", Lines: []Wants{{"mug", 2}}})
			if got := (Order{Placed: body}).total(); err != nil || got != 2500 || body.Lines[0].Name != "A mug" {
				return fmt.Errorf("got %+v of %d, %v", body, got, err)
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
}

// heard has the service handle an event, where an order of ana's waits for its payment.
func heard(t *testing.T, provider, key string, state models.ProviderState, body obj, check func(store) error) {
	t.Helper()
	p, err := pactmsg.NewAsynchronousPact(pactmsg.Config{Consumer: "orders", Provider: provider, PactDir: kittest.PactDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	err = p.AddAsynchronousMessage().GivenWithParameter(state).
		ExpectsToReceive(key).
		WithMetadata(map[string]string{"exchange": kit.Events, "routing_key": key}).
		WithJSONContent(body).
		ConsumedBy(func(m pactmsg.AsynchronousMessage) error {
			s := open(t, kittest.SQLite(t))
			if err := waiting(t, s); err != nil {
				return err
			}
			err := s.news().Handle(t.Context(), kit.Message{ID: kit.NewID(), Exchange: kit.Events, Key: key, Body: m.Contents})
			if err != nil {
				return err
			}
			return check(s)
		}).
		Verify(t)
	if err != nil {
		t.Fatal(err)
	}
}

// waiting places an order that waits for what becomes of its payment.
func waiting(t *testing.T, s store) error {
	if _, err := s.place(t.Context(), "o-1", mugs(Placed).Placed, "tok_ok", false); err != nil {
		return err
	}
	return s.db.Tx(t.Context(), func(tx *db.Tx) error {
		o, err := s.order(t.Context(), tx, "o-1")
		for _, step := range []Step{Reserved, Paying} {
			if err == nil {
				o, err = s.append(t.Context(), tx, o, step, Body{})
			}
		}
		return err
	})
}

// TestContractPaymentEvents hears what became of a payment, and brings its order on.
func TestContractPaymentEvents(t *testing.T) {
	for key, c := range map[string]struct {
		reason string
		want   Step
	}{
		paymentCaptured: {"", Paid},
		paymentRefused:  {"insufficient funds", Compensating},
		paymentRefunded: {"", Compensating},
	} {
		t.Run(key, func(t *testing.T) {
			body := obj{"order_id": like("o-1")}
			if c.reason != "" {
				body["reason"] = like(c.reason)
			}
			heard(t, "payments", key, given("the bank answers late", params{"order": "o-1", "amount": 2500}), body, func(s store) error {
				o, err := s.order(t.Context(), s.db, "o-1")
				if err != nil || o.Step != c.want {
					return fmt.Errorf("order is %s, want %s; %v", o.Step, c.want, err)
				}
				return nil
			})
		})
	}
}

// TestContractUserUpdated keeps the names of users.
func TestContractUserUpdated(t *testing.T) {
	body := obj{"id": like("ana"), "name": like("Ana"), "version": integer(1)}
	heard(t, "users", userUpdated, given("a user exists", params{"id": "ana", "name": "Ana"}), body, func(s store) error {
		if got, known, err := name(t.Context(), s.db, "ana"); got != "Ana" || !known || err != nil {
			return fmt.Errorf("name is %q, %v", got, err)
		}
		return nil
	})
}
