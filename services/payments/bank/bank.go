// Package bank is the only place that knows how the bank speaks, and how much to trust it: the
// anti-corruption layer. Outside there are sales, facts and errors; an error means that nobody knows
// what happened, and that asking again is safe.
package bank

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"msctl.dev/msctl/services/kit"
)

// Sale is what one order wants of the bank. The bank knows it by the order, so it takes and gives
// back the money of one once, however often it is asked.
type Sale struct {
	Order    string
	Amount   int64  // in the currency's smallest unit
	Currency string // ISO 4217
	Card     string // a token of the bank
}

// CheckOrder returns what is wrong with an order's id where the bank would not read it.
func CheckOrder(id string) error {
	var bad kit.Invalid
	checkOrder(&bad, id)
	return bad.Err()
}

func checkOrder(bad *kit.Invalid, id string) {
	bad.Must(refForm.MatchString(id), "order_id", "must match "+refForm.String())
}

// Check returns everything about s that the bank would not read.
func (s Sale) Check() error {
	var bad kit.Invalid
	checkOrder(&bad, s.Order)
	bad.Must(s.Amount > 0 && s.Amount <= maxAmount, "amount", "must be above 0 and of twelve digits at most")
	bad.Must(currencies[s.Currency] != "", "currency", "is none that the bank takes")
	bad.Must(cardForm.MatchString(s.Card), "card", "must match "+cardForm.String())
	return bad.Err()
}

// Outcome is what the bank has done for an order.
type Outcome int

// The outcomes.
const (
	Unknown  Outcome = iota // it has not heard of the order; a sale may still be on its way
	Taken                   // it has taken the money
	Refused                 // it will never take the money
	Void                    // no money was taken, and none can be any more
	Returned                // it took the money and gave it back
)

func (o Outcome) String() string {
	return [...]string{"unknown", "taken", "refused", "void", "returned"}[o]
}

// Fact is an outcome and, of one that is refused, the reason for people.
type Fact struct {
	Outcome Outcome
	Reason  string
}

// Patience is how long to wait for the bank. The zero value waits as the comments say.
type Patience struct {
	Try     time.Duration // for one answer: 700 ms
	Call    time.Duration // for all tries of one call together: twice Try and 100 ms
	Backoff time.Duration // before the second try: 50 ms; it doubles
}

// Client calls the bank at /bank of the service legacy. It is safe for concurrent use.
type Client struct {
	url      string
	patience Patience
	http     *http.Client
	retry    failsafe.Executor[reply]
	off      func() bool // reports that what the bank says is not held against what was asked; nil: it is
	anew     func() bool // a mistake to be found: a line that is sent again is another one to the bank
}

// New makes a client. The kit's transport below it stops calling a bank that keeps failing, for a
// second at a time; here are the time for each try, and the retries.
func New(app *kit.App, p Patience) (*Client, error) {
	legacy, err := app.Client("legacy")
	if err != nil {
		return nil, err
	}
	c := newClient(legacy.Base.JoinPath("bank", "txn").String(), legacy.Transport, p)
	c.off = func() bool { return !app.On("anti-corruption") }
	c.anew = func() bool { return app.Seeded("charge-anew") }
	return c, nil
}

func newClient(url string, transport http.RoundTripper, p Patience) *Client {
	if p.Try == 0 {
		p.Try = 700 * time.Millisecond
	}
	if p.Call == 0 {
		p.Call = 2*p.Try + 100*time.Millisecond
	}
	if p.Backoff == 0 {
		p.Backoff = 50 * time.Millisecond
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{url: url, patience: p, retry: failsafe.With[reply](newRetry(p)),
		http: &http.Client{Transport: transport, CheckRedirect: stay}}
}

// newRetry tries three times, with jitter, while at most a fifth of the calls in flight are retries
// (or three are): a bank that has trouble is not given more of it.
func newRetry(p Patience) retrypolicy.RetryPolicy[reply] {
	return retrypolicy.NewBuilder[reply]().
		WithMaxRetries(2).
		WithBackoff(p.Backoff, 8*p.Backoff).
		WithJitterFactor(0.5).
		WithBudget(budget.New()).
		AbortOnErrors(circuitbreaker.ErrOpen, context.Canceled).
		ReturnLastFailure().
		Build()
}

// Sell takes the money.
func (c *Client) Sell(ctx context.Context, s Sale) (Fact, error) {
	r, err := c.ask(ctx, s.Order, saleLine(s))
	if err != nil {
		return Fact{}, err
	}
	f, err := r.sold(s)
	if errors.Is(err, errReused) { // maybe by a Cancel
		return c.Inquire(ctx, s)
	}
	return f, err
}

// Inquire tells what became of a sale.
func (c *Client) Inquire(ctx context.Context, s Sale) (Fact, error) {
	r, err := c.ask(ctx, s.Order, inquiryLine(s.Order))
	if err != nil {
		return Fact{}, err
	}
	return r.sold(s)
}

// Cancel makes sure that a sale which the bank has not heard of never comes to be, also where it is
// still on its way: it sells nothing at all under the order. Where the sale was quicker the answer is
// what became of that.
func (c *Client) Cancel(ctx context.Context, s Sale) (Fact, error) {
	nothing := s
	nothing.Amount = 0
	r, err := c.ask(ctx, s.Order, saleLine(nothing))
	if err != nil {
		return Fact{}, err
	}
	if r.code == "94" {
		return c.Inquire(ctx, s)
	}
	return r.sold(s)
}

// Refund gives the money back.
func (c *Client) Refund(ctx context.Context, s Sale) (Fact, error) {
	r, err := c.ask(ctx, s.Order, refundLine(s.Order))
	if err != nil {
		return Fact{}, err
	}
	return r.returned(s)
}

// ask sends a line until it is answered or patience ends.
func (c *Client) ask(ctx context.Context, order, line string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Call)
	defer cancel()
	r, err := c.retry.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[reply]) (reply, error) {
		if c.anew != nil && c.anew() && e.IsRetry() {
			other := fmt.Sprintf("%s-%d", order, e.Attempts())
			return c.try(e.Context(), other, strings.Replace(line, order, other, 1))
		}
		return c.try(e.Context(), order, line)
	})
	if err != nil {
		return reply{}, fmt.Errorf("ask the bank about %s: %w", order, err)
	}
	return r, nil
}

// try asks once.
func (c *Client) try(ctx context.Context, order, line string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Try)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(line))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=us-ascii")
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxLine))
	if err != nil {
		return reply{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return reply{}, fmt.Errorf("read answer of the bank: status %d", resp.StatusCode)
	}
	r, err := read(order, string(text))
	if err != nil && c.off != nil && c.off() {
		return reply{code: "00", amount: amountOf(line)}, nil
	}
	if err == nil && r.code == "91" {
		err = errLater
	}
	return r, err
}
