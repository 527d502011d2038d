package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/services/kit"
)

// load places orders at a steady rate, whether or not earlier ones were answered.
type load struct {
	rate     float64
	duration time.Duration
	seed     uint64
	settle   time.Duration
	asJSON   bool
	unasked  bool // -no-check
	out      io.Writer
	errs     io.Writer // what it waits for
}

// Bounds: it runs against the fleet of one machine.
const (
	maxRate   = 1000
	maxLength = time.Hour
	inFlight  = 512
	mostApart = 8 * time.Second // between two tries: many who try again at once keep an overload going
)

func (l *load) flags(fs *flag.FlagSet) {
	fs.Float64Var(&l.rate, "rate", 10, "orders a second, at most 1000")
	fs.DurationVar(&l.duration, "duration", 10*time.Second, "for how long, at most an hour")
	fs.Uint64Var(&l.seed, "seed", 1, "of the mix of orders")
	fs.DurationVar(&l.settle, "settle", time.Minute, "how long an order may wait for its answer, and then to be settled, and all to come to rest")
	fs.BoolVar(&l.asJSON, "json", false, "print the result as JSON")
	fs.BoolVar(&l.unasked, "no-check", false, "leave out the invariants")
}

func (l *load) valid() error {
	switch {
	case !(l.rate > 0 && l.rate <= maxRate):
		return fmt.Errorf("--rate %v is not above 0 and at most %d", l.rate, maxRate)
	case l.duration <= 0 || l.duration > maxLength:
		return fmt.Errorf("--duration %v is not above 0 and at most %v", l.duration, maxLength)
	case l.rate*l.duration.Seconds() < 1:
		return errors.New("this rate and duration make no order")
	}
	return nil
}

// wish is an order that somebody wants to place.
type wish struct {
	kind string
	who  caller
	at   time.Duration // since the begin
	body order
}

type order struct {
	ID    string `json:"id"`
	Lines []line `json:"lines"`
	Card  string `json:"card"`
}

type line struct {
	Item     string `json:"item_id"`
	Quantity int64  `json:"quantity"`
}

// Kinds of wishes. Of a hundred orders about 80 can be had.
const (
	fine    = "fine"
	tooMuch = "out of stock"
	poor    = "refused card"
	flaky   = "flaky bank"
)

// wishes makes the mix: the same seed and world make the same orders, under new ids.
func (l *load) wishes(w world) []wish {
	rng := rand.New(rand.NewPCG(l.seed, 0))
	run := kit.NewID()
	count := int(l.rate * l.duration.Seconds())
	all := make([]wish, count)
	for i := range all {
		who := caller{"user", w.Shoppers[rng.IntN(len(w.Shoppers))].ID}
		all[i] = wish{kind: fine, who: who, at: time.Duration(float64(i) / l.rate * float64(time.Second))}
		all[i].body = order{ID: fmt.Sprintf("%s-%05d", run, i), Card: "tok_ok", Lines: basket(rng, w)}
		switch p := rng.IntN(100); {
		case p < 10:
			all[i].kind, all[i].body.Lines[0].Item, all[i].body.Lines[0].Quantity = tooMuch, "moon-rock", 1000
		case p < 18:
			all[i].kind, all[i].body.Card = poor, "tok_refused"
		case p < 20:
			all[i].kind, all[i].body.Card = flaky, "tok_flaky"
		}
	}
	return all
}

// basket takes one to four things, some of them more often than others.
func basket(rng *rand.Rand, w world) []line {
	var ls []line
	taken := map[string]bool{}
	for range 1 + rng.IntN(4) {
		i := w.Items[min(rng.IntN(len(w.Items)), rng.IntN(len(w.Items)))]
		if taken[i.ID] || i.Stock < 1000 {
			continue
		}
		taken[i.ID] = true
		ls = append(ls, line{i.ID, 1 + rng.Int64N(3)})
	}
	if ls == nil {
		ls = []line{{w.Items[0].ID, 1}}
	}
	return ls
}

// placed is what became of a wish.
type placed struct {
	wish
	accepted bool          // the fleet took it: it must not be lost
	status   string        // "confirmed", "rejected", "pending"; "" where it was never answered
	tries    int           // 1: answered at once
	answered time.Duration // since the moment at which it should have been sent
	settled  time.Duration // the same, until it was no longer pending
	err      error
}

func (l *load) run(ctx context.Context, app *kit.App) error {
	w, err := beginning()
	if err != nil {
		return err
	}
	gate, err := newAPI(app)
	if err != nil {
		return err
	}
	ws := l.wishes(w)
	if err := l.tokens(ctx, gate, ws); err != nil {
		return err
	}
	begun := time.Now()
	all, err := l.place(ctx, gate, ws)
	if err != nil {
		return err
	}
	took := time.Since(begun)
	result := sum(all, took)
	if l.unasked {
		return errors.Join(l.print(result), result.err())
	}
	c := check{within: l.settle, out: io.Discard, errs: l.errs}
	if result.Invariants, err = c.until(ctx, app); err != nil {
		return err
	}
	return errors.Join(l.print(result), result.err())
}

// tokens asks for all of them before the clock runs.
func (l *load) tokens(ctx context.Context, gate *api, ws []wish) error {
	for _, w := range ws {
		if _, err := gate.token(ctx, w.who); err != nil {
			return err
		}
	}
	return nil
}

// place sends each wish at its time, and returns when all are answered and settled, or given up.
func (l *load) place(ctx context.Context, gate *api, ws []wish) ([]placed, error) {
	all := make([]placed, len(ws))
	slots := make(chan struct{}, inFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	begun := time.Now()
	for i, w := range ws {
		if err := kit.Pause(ctx, time.Until(begun.Add(w.at))); err != nil {
			return nil, err
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		wg.Go(func() {
			defer func() { <-slots }()
			p := placed{wish: w}
			p.send(ctx, gate, begun.Add(w.at), l.settle)
			p.follow(ctx, gate, begun.Add(w.at), l.settle)
			all[i] = p
		})
	}
	wg.Wait()
	return all, ctx.Err()
}

// send tries until the fleet has answered, under one id: whether an answer was lost or never made, the
// next one is for the same order.
func (p *placed) send(ctx context.Context, gate *api, due time.Time, settle time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, mostApart) {
		p.tries++
		got, err := gate.ask(ctx, p.who, http.MethodPost, "/v1/orders", p.body,
			"Idempotency-Key", p.body.ID, kit.CorrelationHeader, p.body.ID)
		if p.err = err; err == nil {
			p.answered = time.Since(due)
			if got.status < 300 {
				p.accepted = true
				p.err = p.read(got.body)
				return
			}
			if p.err = fmt.Errorf("%d %s", got.status, strings.TrimSpace(string(got.body))); !got.again() {
				return
			}
		}
		if kit.Pause(ctx, max(rand.N(2*wait), got.after)) != nil {
			return
		}
	}
}

// follow asks for a pending order until it is settled.
func (p *placed) follow(ctx context.Context, gate *api, due time.Time, settle time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for p.status == "pending" {
		if kit.Pause(ctx, 250*time.Millisecond) != nil {
			return
		}
		got, err := gate.ask(ctx, p.who, http.MethodGet, "/v1/orders/"+p.body.ID, nil)
		if err == nil && got.status == http.StatusOK {
			p.err = p.read(got.body)
		}
	}
	p.settled = time.Since(due)
}

func (p *placed) read(body []byte) error {
	var o struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(body, &o); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	p.status = o.Status
	return nil
}
