package main

import (
	"context"
	"fmt"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
)

// Task is the body of a message in email.queue or push.queue.
type Task struct {
	Notification string `json:"notification_id"`
	Request      string `json:"request_id"` // whoever delivers does so once for each
	User         string `json:"user_id"`
	Channel      string `json:"channel"`
	To           string `json:"to"` // an e-mail address or a device's token
	Text
}

// Text is what templates rendered.
type Text struct {
	Language string `json:"language"`
	Subject  string `json:"subject"`
	Body     string `json:"body"`
}

// The events that this service hears of.
const (
	notificationSent   = "notification.sent"
	notificationFailed = "notification.failed"
	userUpdated        = "user.updated"

	eventQueue = "notifications.events"
)

// Result is the body of notification.sent and notification.failed.
type Result struct {
	Notification string `json:"notification_id"`
	Request      string `json:"request_id"`
	Channel      string `json:"channel"`
	Reason       string `json:"reason,omitempty"`
	Attempts     int    `json:"attempts,omitempty"`
}

// events consumes what became of deliveries, what changed about users, and what happened to orders.
// shop is the address that links to orders begin with.
func (s store) events(shop string) bus.Consumer {
	return bus.Consumer{
		Queue: eventQueue,
		Events: []string{notificationSent, notificationFailed, userUpdated,
			orderConfirmed, orderRejected, orderCancelled},
		Waits: true,
		Handle: func(ctx context.Context, m kit.Message) error {
			switch m.Key {
			case notificationSent:
				return s.result(ctx, m, Sent)
			case notificationFailed:
				return s.result(ctx, m, Failed)
			case userUpdated:
				return s.userChanged(ctx, m)
			case orderConfirmed, orderRejected, orderCancelled:
				return s.orderChanged(ctx, m, shop)
			}
			return bus.Permanent(fmt.Errorf("handle %s: not one of this service's events", m.Key))
		},
	}
}

func (s store) result(ctx context.Context, m kit.Message, status Status) error {
	var r Result
	if err := m.Decode(&r); err != nil {
		return bus.Permanent(err)
	}
	return s.db.Once(ctx, eventQueue, m, func(tx *db.Tx) error {
		d := Delivery{Channel: r.Channel, Status: status, Reason: r.Reason}
		return settle(ctx, tx, r.Notification, d)
	})
}

// userChanged makes what waits for that user due now: users answers again, and may say otherwise.
func (s store) userChanged(ctx context.Context, m kit.Message) error {
	var u struct {
		ID string `json:"id"`
	}
	if err := m.Decode(&u); err != nil {
		return bus.Permanent(err)
	}
	err := s.db.Once(ctx, eventQueue, m, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notifications SET due = $1
			WHERE user_id = $2 AND status = 'accepted' AND tries > 0`, time.Now().UnixMilli(), u.ID)
		return err
	})
	s.due.Ring()
	return err
}
