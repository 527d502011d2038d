package main

import (
	"fmt"
	"time"

	"msctl.dev/msctl/services/payments/bank"
)

// Status says what is known of a payment.
type Status string

// The statuses of a payment.
const (
	Pending  Status = "pending" // nobody knows yet
	Captured Status = "captured"
	Refused  Status = "refused"
	Refunded Status = "refunded"
)

// Payment is what became of one order's money. Captured minus refunded is what the bank has booked.
type Payment struct {
	Order        string    `json:"order_id"`
	Status       Status    `json:"status"`
	Amount       int64     `json:"amount"` // in the currency's smallest unit
	Currency     string    `json:"currency"`
	Captured     int64     `json:"captured"`
	Refunded     int64     `json:"refunded"`
	Reason       string    `json:"reason"` // of one that is refused
	RefundWanted bool      `json:"refund_wanted,omitempty"`
	UpdatedAt    time.Time `json:"-"`

	card   string
	header string // JSON: trace and correlation id of who asked first
	tries  int
}

// tooLate is the reason of a payment whose refund came before its capture.
const tooLate = "the order was refunded before it was paid"

// open reports whether there is something left to ask the bank.
func (p Payment) open() bool { return p.Status == Pending || p.RefundWanted }

func (p Payment) sale() bank.Sale {
	return bank.Sale{Order: p.Order, Amount: p.Amount, Currency: p.Currency, Card: p.card}
}

// learn returns the payment as it is once the bank told f. Facts may come late and twice: one that
// is known changes nothing, and one that cannot be is an error.
func (p Payment) learn(f bank.Fact) (Payment, error) {
	knows := map[bank.Outcome][]Status{
		bank.Taken:    {Captured, Refunded},
		bank.Returned: {Refunded},
		bank.Refused:  {Refused},
		bank.Void:     {Refused},
	}
	for _, s := range knows[f.Outcome] {
		if p.Status == s {
			return p, nil
		}
	}
	switch {
	case f.Outcome == bank.Taken && p.Status == Pending:
		p.Status, p.Captured = Captured, p.Amount
	case f.Outcome == bank.Returned && (p.Status == Pending || p.Status == Captured):
		p.Status, p.Captured, p.Refunded, p.RefundWanted = Refunded, p.Amount, p.Amount, false
	case f.Outcome == bank.Refused && p.Status == Pending:
		p.Status, p.Reason, p.RefundWanted = Refused, f.Reason, false
	case f.Outcome == bank.Void && p.Status == Pending:
		p.Status, p.Reason, p.RefundWanted = Refused, tooLate, false
	default:
		return p, fmt.Errorf("settle payment of %s: it is %s and the bank says %s", p.Order, p.Status, f.Outcome)
	}
	return p, nil
}
