//go:build pact

package bank

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/pact-foundation/pact-go/v2/consumer"
	"github.com/pact-foundation/pact-go/v2/matchers"
	"github.com/pact-foundation/pact-go/v2/models"

	"msctl.dev/msctl/services/kit/kittest"
)

// TestContractBank speaks to the bank in its own words: what payments sends, and how what comes back is
// understood. Text has no matchers: the numbers of bookings are those of a bank that has no others.
func TestContractBank(t *testing.T) {
	card := func(token string) Sale { return Sale{Order: "o-1", Amount: 2500, Currency: "EUR", Card: token} }
	answer := func(rc, txn, amount string) string {
		return "RC=" + rc + "|REF=o-1|TXN=" + txn + "|AMT=" + amount + "\r\n"
	}
	order := map[string]any{"order": "o-1", "amount": 2500}
	sell := func(s Sale) func(context.Context, *Client) (Fact, error) {
		return func(ctx context.Context, c *Client) (Fact, error) { return c.Sell(ctx, s) }
	}
	for _, c := range []struct {
		name, state string
		line        string
		answer      string
		ask         func(context.Context, *Client) (Fact, error)
		want        Outcome
	}{
		{
			"take money", "the bank has not heard of an order", saleLine(card("tok_ok")),
			answer("00", "T000000001", "000000002500"), sell(card("tok_ok")), Taken,
		},
		{
			"take money that there is not", "the bank has not heard of an order", saleLine(card("tok_refused")),
			answer("51", "T000000001", "000000002500"), sell(card("tok_refused")), Refused,
		},
		{
			"ask about an order that the bank has not heard of", "the bank has not heard of an order", inquiryLine("o-1"),
			answer("25", "", "000000000000"),
			func(ctx context.Context, c *Client) (Fact, error) { return c.Inquire(ctx, card("tok_ok")) }, Unknown,
		},
		{
			"ask about an order that was paid", "the bank has taken the money of an order", inquiryLine("o-1"),
			answer("00", "T000000001", "000000002500"),
			func(ctx context.Context, c *Client) (Fact, error) { return c.Inquire(ctx, card("tok_ok")) }, Taken,
		},
		{
			"make sure that nothing is taken", "the bank has not heard of an order", saleLine(Sale{Order: "o-1", Currency: "EUR", Card: "tok_ok"}),
			answer("00", "T000000001", "000000000000"),
			func(ctx context.Context, c *Client) (Fact, error) { return c.Cancel(ctx, card("tok_ok")) }, Void,
		},
		{
			"give money back", "the bank has taken the money of an order", refundLine("o-1"),
			answer("00", "T000000002", "000000002500"),
			func(ctx context.Context, c *Client) (Fact, error) { return c.Refund(ctx, card("tok_ok")) }, Returned,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := contract(t).GivenWithParameter(models.ProviderState{Name: c.state, Parameters: order}).
				UponReceiving(c.name).
				WithRequest("POST", "/bank/txn", func(b *consumer.V4RequestBuilder) {
					b.Body("text/plain; charset=us-ascii", []byte(c.line))
				}).
				WillRespondWith(200, func(b *consumer.V4ResponseBuilder) {
					b.Header("Content-Type", matchers.Regex("text/plain; charset=us-ascii", "^text/plain.*")).
						Body("text/plain; charset=us-ascii", []byte(c.answer))
				}).
				ExecuteTest(t, func(m consumer.MockServerConfig) error {
					bank := newClient(fmt.Sprintf("http://%s:%d/bank/txn", m.Host, m.Port), http.DefaultTransport, Patience{})
					f, err := c.ask(t.Context(), bank)
					if err != nil || f.Outcome != c.want {
						return fmt.Errorf("got %v, %v, want it %v", f, err, c.want)
					}
					return nil
				})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// contract begins one interaction with the bank.
func contract(t *testing.T) *consumer.V4UnconfiguredInteraction {
	t.Helper()
	p, err := consumer.NewV4Pact(consumer.MockHTTPProviderConfig{Consumer: "payments", Provider: "legacy", PactDir: kittest.PactDir(t), Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	return p.AddInteraction()
}
