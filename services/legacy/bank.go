package main

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"msctl.dev/msctl/services/kit"
)

// The cards that the bank knows.
const (
	cardOK      = "tok_ok"
	cardRefused = "tok_refused" // insufficient funds
	cardSlow    = "tok_slow"    // answers late, and has booked all the same
	cardFlaky   = "tok_flaky"   // books the first try and hangs up without an answer
	cardLater   = "tok_later"   // asks to try later, twice
)

// slowFor is how long a sale on tok_slow takes to be answered.
const slowFor = 2 * time.Second

// bank takes and gives back money. It answers 200 whatever happens; the line says what did.
type bank struct{ store store }

func (b bank) transact(w http.ResponseWriter, r *http.Request) error {
	line, err := io.ReadAll(io.LimitReader(r.Body, maxTxn+1))
	if err != nil {
		return kit.BadRequest("read transaction: %v", err)
	}
	t, err := parse(string(line))
	if err != nil {
		answerLine(w, booking{RC: rcUnreadable})
		return nil
	}
	// What has begun is booked, whether or not somebody waits for the answer.
	done, first, err := b.book(context.WithoutCancel(r.Context()), t)
	if err != nil {
		return err
	}
	switch {
	case t.pan == cardFlaky && first:
		panic(http.ErrAbortHandler) // which cuts the connection
	case t.pan == cardSlow && kit.Pause(r.Context(), slowFor) != nil:
		panic(http.ErrAbortHandler)
	}
	answerLine(w, done)
	return nil
}

// book does what the transaction asks for; first: it was not asked for before.
func (b bank) book(ctx context.Context, t txn) (done booking, first bool, err error) {
	switch t.op {
	case sale:
		return b.store.sell(ctx, t)
	case refund:
		done, err = b.store.refund(ctx, t.ref)
	default:
		done, err = b.store.inquire(ctx, t.ref)
	}
	return done, false, err
}

// judge is the response code of a sale that nobody asked for before. Nothing at all can always be
// paid: it uses up the reference, so that no sale under it can come later.
func judge(t txn) string {
	switch {
	case t.amount == 0:
		return rcDone
	case t.pan == cardRefused:
		return rcFunds
	case t.pan == cardOK, t.pan == cardSlow, t.pan == cardFlaky, t.pan == cardLater:
		return rcDone
	}
	return rcCard
}

func answerLine(w http.ResponseWriter, b booking) {
	w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
	_, _ = io.WriteString(w, b.answer()) // who hung up asks again
}

// booked lists bookings in the order of their numbers, from the one behind ?after=, for audits.
func (b bank) booked(w http.ResponseWriter, r *http.Request) error {
	limit, err := kit.Limit(r, 200, 1000)
	if err != nil {
		return err
	}
	after, err := strconv.ParseInt(cmp.Or(r.FormValue("after"), "0"), 10, 64)
	if err != nil {
		return kit.BadRequest("after is not the number of a booking")
	}
	bs, err := b.store.booked(r.Context(), after, limit)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"bookings": bs})
	return nil
}
