package main

import (
	"fmt"
	"slices"
	"time"
)

// Step is where an order stands, and what kind of event brought it there.
type Step string

// The way of an order is placed, reserved, paid, confirmed. From everywhere on it a way leads back:
// compensating undoes what was done, last first, and ends as rejected or cancelled.
const (
	Placed       Step = "placed"
	Reserved     Step = "reserved"
	Paying       Step = "paying" // nobody knows yet whether it is paid
	Paid         Step = "paid"
	Confirmed    Step = "confirmed"
	Compensating Step = "compensating"
	Refunded     Step = "refunded"
	Rejected     Step = "rejected"
	Cancelled    Step = "cancelled"
)

// follows says which steps may come after one; "" is an order that is not there.
var follows = map[Step][]Step{
	"":           {Placed},
	Placed:       {Reserved, Compensating},
	Reserved:     {Paying, Paid, Compensating},
	Paying:       {Paid, Compensating},
	Paid:         {Confirmed, Compensating},
	Confirmed:    {Compensating},
	Compensating: {Refunded, Rejected, Cancelled},
	Refunded:     {Rejected, Cancelled},
}

// Event is one thing that happened to an order.
type Event struct {
	Order    string    `json:"-"`
	Seq      int64     `json:"seq"`      // 1 at first
	Position int64     `json:"position"` // among the events of all orders
	Kind     Step      `json:"kind"`
	At       time.Time `json:"at"`
	Body     Body      `json:"body"`
}

// Body is what an event tells beside its kind.
type Body struct {
	User     string `json:"user_id,omitempty"` // of placed, as the next three
	Content  string `json:"content,omitempty"` // fingerprint of what the client sent
	Currency string `json:"currency,omitempty"`
	Lines    []Line `json:"lines,omitempty"`

	Reason string `json:"reason,omitempty"` // of compensating, as the next two
	Ends   Step   `json:"ends,omitempty"`   // rejected or cancelled
	Refund bool   `json:"refund,omitempty"` // money may have been taken
}

// Line is one item of an order, with name and price as they were when it was placed.
type Line struct {
	Item     string `json:"item_id"`
	Name     string `json:"name"`
	Quantity int64  `json:"quantity"`
	Price    int64  `json:"price"` // of one, in the currency's smallest unit
}

// Order is the fold of its events. The zero value is one that is not there.
type Order struct {
	ID        string    `json:"id"`
	Step      Step      `json:"step"`
	Placed    Body      `json:"placed"`
	Undo      Body      `json:"undo"` // why and how it is compensated
	Version   int64     `json:"version"`
	PlacedAt  time.Time `json:"placed_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// apply returns the order after e. An event that cannot follow is an error.
func (o Order) apply(e Event) (Order, error) {
	if e.Seq != o.Version+1 || !slices.Contains(follows[o.Step], e.Kind) {
		return o, fmt.Errorf("apply event %d of order %s: %s cannot follow event %d, %q",
			e.Seq, e.Order, e.Kind, o.Version, o.Step)
	}
	switch e.Kind {
	case Placed:
		o.ID, o.Placed, o.PlacedAt = e.Order, e.Body, e.At
	case Compensating:
		o.Undo = e.Body
	}
	o.Step, o.Version, o.UpdatedAt = e.Kind, e.Seq, e.At
	return o, nil
}

// fold returns the order that the events, in their order, tell of.
func fold(es []Event) (o Order, err error) {
	for _, e := range es {
		if o, err = o.apply(e); err != nil {
			return o, err
		}
	}
	return o, nil
}

// status is the step in a client's words.
func (o Order) status() string {
	if o.ended() {
		return string(o.Step)
	}
	return "pending"
}

// ended reports whether the saga has nothing left to do.
func (o Order) ended() bool {
	return o.Step == Confirmed || o.Step == Rejected || o.Step == Cancelled
}

func (o Order) total() (sum int64) {
	for _, l := range o.Placed.Lines {
		sum += l.Quantity * l.Price
	}
	return sum
}

// undo is the event that begins the way back from where the order stands. Nothing was asked of
// payments before the reservation was written down.
func (o Order) undo(ends Step, reason string) Body {
	return Body{Ends: ends, Reason: reason, Refund: o.Step != Placed}
}
