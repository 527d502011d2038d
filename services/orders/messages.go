package main

import (
	"context"
	"fmt"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

// OrderEvent is the body of order.placed, order.confirmed, order.rejected and order.cancelled.
type OrderEvent struct {
	Order    string    `json:"order_id"`
	User     string    `json:"user_id"`
	UserName string    `json:"user_name"`
	Status   string    `json:"status"`
	Reason   string    `json:"reason"`
	Total    Money     `json:"total"`
	Lines    []Line    `json:"lines"`
	Version  int64     `json:"version"`
	At       time.Time `json:"at"`
}

// Money is an amount in the smallest unit of its currency.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// tell puts the event that others are told of an order's step into the outbox, if there is one.
func tell(ctx context.Context, tx *db.Tx, o Order) error {
	if o.Step != Placed && !o.ended() {
		return nil
	}
	who, _, err := name(ctx, tx, o.Placed.User)
	if err != nil {
		return err
	}
	m, err := kit.NewEvent(ctx, "order."+string(o.Step), OrderEvent{Order: o.ID, User: o.Placed.User,
		UserName: who, Status: o.status(), Reason: o.Undo.Reason, Lines: o.Placed.Lines,
		Total: Money{o.total(), o.Placed.Currency}, Version: o.Version, At: o.UpdatedAt})
	if err != nil {
		return err
	}
	return tx.Publish(ctx, m)
}

// The events that this service hears of.
const (
	userUpdated     = "user.updated"
	paymentCaptured = "payment.captured"
	paymentRefused  = "payment.refused"
	paymentRefunded = "payment.refunded"

	eventQueue = "orders.events"
)

// outcomes is what an event says of a payment.
var outcomes = map[string]paymentsv1.PaymentStatus{
	paymentCaptured: paymentsv1.PaymentStatus_PAYMENT_STATUS_CAPTURED,
	paymentRefused:  paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUSED,
	paymentRefunded: paymentsv1.PaymentStatus_PAYMENT_STATUS_REFUNDED,
}

// news consumes what became of payments, and what changed about users.
func (s store) news() bus.Consumer {
	return bus.Consumer{
		Queue:  eventQueue,
		Events: []string{userUpdated, paymentCaptured, paymentRefused, paymentRefunded},
		Waits:  true,
		Handle: func(ctx context.Context, m kit.Message) error {
			if m.Key == userUpdated {
				return s.userChanged(ctx, m)
			}
			if _, ok := outcomes[m.Key]; ok {
				return s.paymentChanged(ctx, m)
			}
			return bus.Permanent(fmt.Errorf("handle %s: not one of this service's events", m.Key))
		},
	}
}

// userChanged needs no inbox: the version tells a second delivery.
func (s store) userChanged(ctx context.Context, m kit.Message) error {
	var u struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Version int64  `json:"version"`
	}
	if err := m.Decode(&u); err != nil {
		return bus.Permanent(err)
	}
	return s.rename(ctx, u.ID, u.Name, u.Version)
}

// paymentChanged brings an order on that waits for its payment. For any other it is no news.
func (s store) paymentChanged(ctx context.Context, m kit.Message) error {
	var p struct {
		Order  string `json:"order_id"`
		Reason string `json:"reason"`
	}
	if err := m.Decode(&p); err != nil {
		return bus.Permanent(err)
	}
	err := s.db.Once(ctx, eventQueue, m, func(tx *db.Tx) error {
		n, err := db.Changed(tx.ExecContext(ctx, `UPDATE sagas SET seq = seq WHERE order_id = $1`, p.Order))
		if err != nil || n == 0 {
			return err
		}
		o, err := s.order(ctx, tx, p.Order)
		if err != nil || o.Step != Reserved && o.Step != Paying {
			return err
		}
		kind, body := outcome(outcomes[m.Key], p.Reason)
		if o, err = s.append(ctx, tx, o, kind, body); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE sagas SET seq = $1, tries = 0,
			due = CASE WHEN owner = '' THEN $2 ELSE due END WHERE order_id = $3`,
			o.Version, time.Now().UnixMilli(), o.ID)
		return err
	})
	s.due.Ring()
	return s.stirred(err)
}
