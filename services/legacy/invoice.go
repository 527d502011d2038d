package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"msctl.dev/msctl/services/kit"
)

// invoice prints what the bank booked for an order.
func (b bank) invoice(w http.ResponseWriter, r *http.Request) error {
	order := r.PathValue("order")
	bs, err := b.store.bookings(r.Context(), order)
	if err != nil {
		return err
	}
	text := bill(order, bs)
	if text == "" {
		return kit.NotFound("there is no invoice for order %q", order)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text) // the client went away: nobody is left to tell
	return nil
}

// bill is "" where no money moved.
func bill(order string, bs []booking) string {
	var lines strings.Builder
	var balance int64
	for _, b := range bs {
		if b.RC != rcDone || b.Amount == 0 {
			continue
		}
		what, amount := "PAID", b.Amount
		if b.Op == refund {
			what, amount = "REFUNDED", -b.Amount
		}
		balance += amount
		fmt.Fprintf(&lines, "%-20s %15s EUR   T%09d\n", what, euros(amount), b.Txn)
	}
	if lines.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("INVOICE  %s\n\n%s%-20s %15s EUR\n", order, lines.String(), "BALANCE", euros(balance))
}

// euros writes cents the old way: 1999 is "19,99".
func euros(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d,%02d", sign, cents/100, cents%100)
}
