package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/payments/bank"
)

const (
	settleEvery  = 250 * time.Millisecond // how soon what is due is seen
	settleAtOnce = 16
	backoffMost  = 5 * time.Second
	writeFor     = 5 * time.Second // for the database, once the bank has answered
)

// settler finds out what becomes of payments. It never gives up: money must be known.
type settler struct {
	app     *kit.App
	store   store
	bank    *bank.Client
	backoff time.Duration // after the first call that the bank did not answer; it doubles
}

// capture takes an order's money, or tells what became of it before.
func (w settler) capture(ctx context.Context, sale bank.Sale) (Payment, error) {
	p, fresh, err := w.store.begin(ctx, sale)
	if err != nil {
		return p, err
	}
	if fresh {
		return w.settle(ctx, p, w.sell)
	}
	if !w.app.On("idempotent-receiver") {
		return p, w.sellAnew(ctx, sale)
	}
	return w.goOn(ctx, p)
}

// sellAnew is what a capture that comes again would be to who does not know it: a sale of its own, by a
// reference that the bank has not heard of.
func (w settler) sellAnew(ctx context.Context, sale bank.Sale) error {
	id := kit.NewID()
	sale.Order = fmt.Sprintf("%.50s-%s", sale.Order, id[len(id)-12:])
	_, err := w.bank.Sell(ctx, sale)
	return err
}

// refund gives an order's money back, now or as soon as it is known to have been taken.
func (w settler) refund(ctx context.Context, order string) (Payment, error) {
	p, err := w.store.wantRefund(ctx, order)
	if err != nil {
		return p, err
	}
	return w.goOn(ctx, p)
}

// goOn settles what is open and nobody works on.
func (w settler) goOn(ctx context.Context, p Payment) (Payment, error) {
	if !p.open() {
		return p, nil
	}
	mine, ok, err := w.store.claim(ctx, p.Order)
	if err != nil || !ok {
		return p, err
	}
	return w.settle(ctx, mine, w.ask)
}

// asking is a question to the bank about a payment.
type asking func(ctx context.Context, p Payment) (bank.Fact, error)

// settle asks the bank, first by that question, until nothing is open, and returns what the payment
// is then. While the bank does not answer it stays as it is, and is due again later.
func (w settler) settle(ctx context.Context, p Payment, first asking) (Payment, error) {
	for ask := first; p.open(); ask = w.ask {
		f, err := ask(ctx, p)
		if err != nil {
			return p, w.later(ctx, p, err)
		}
		next, err := w.learn(ctx, p, f)
		if err != nil { // it may be stored all the same, and is not put off then
			return p, errors.Join(err, w.later(ctx, p, err))
		}
		p = next
	}
	return p, nil
}

// learn commits what the bank told also where nobody waits for it any more.
func (w settler) learn(ctx context.Context, p Payment, f bank.Fact) (Payment, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeFor)
	defer cancel()
	next, err := w.store.learn(ctx, p.Order, f)
	if err == nil {
		w.app.Log.InfoContext(ctx, "payment settled", "order", p.Order, "status", string(next.Status))
	}
	return next, err
}

// sell asks for the money of a payment that the bank has not heard of.
func (w settler) sell(ctx context.Context, p Payment) (bank.Fact, error) {
	return w.bank.Sell(ctx, p.sale())
}

// ask does what a payment is in need of.
func (w settler) ask(ctx context.Context, p Payment) (bank.Fact, error) {
	if p.Status == Captured {
		return w.bank.Refund(ctx, p.sale())
	}
	f, err := w.bank.Inquire(ctx, p.sale())
	switch {
	case err != nil || f.Outcome != bank.Unknown:
		return f, err
	case p.RefundWanted:
		return w.bank.Cancel(ctx, p.sale())
	}
	return w.sell(ctx, p)
}

// later notes that the bank is to be asked again.
func (w settler) later(ctx context.Context, p Payment, why error) error {
	wait := min(w.backoff<<min(p.tries, 10), max(w.backoff, backoffMost))
	w.app.Log.WarnContext(ctx, "payment put off", "order", p.Order, "attempt", p.tries+1,
		"after", wait.String(), "err", why)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeFor)
	defer cancel()
	return w.store.putOff(ctx, p.Order, p.tries+1, wait)
}

// run settles what is due until ctx ends: what the bank did not answer, and what a crash left.
func (w settler) run(ctx context.Context) error {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		if err := w.drain(ctx); err != nil && ctx.Err() == nil {
			w.app.Log.Warn("settler waiting", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// drain settles all that is due. What is in work is finished when ctx ends.
func (w settler) drain(ctx context.Context) error {
	work, done := w.app.Draining(ctx)
	defer done()
	for ctx.Err() == nil {
		ps, err := w.store.due(ctx, settleAtOnce)
		if err != nil {
			return err
		}
		var g errgroup.Group
		for _, p := range ps {
			g.Go(func() error { return w.resume(work, p) })
		}
		if err := g.Wait(); err != nil || len(ps) < settleAtOnce {
			return err
		}
	}
	return nil
}

// resume settles one payment under the trace of who asked for it first.
func (w settler) resume(ctx context.Context, p Payment) error {
	m := kit.Message{Header: map[string]string{}}
	if err := json.Unmarshal([]byte(p.header), &m.Header); err != nil {
		return fmt.Errorf("read header of %s: %w", p.Order, err)
	}
	_, err := w.goOn(m.Context(ctx), p)
	return err
}
