package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/db"
)

// What happens to an order that its user is told of.
const (
	orderConfirmed = "order.confirmed"
	orderRejected  = "order.rejected"
	orderCancelled = "order.cancelled"
)

// Order is what an event tells of an order.
type Order struct {
	ID       string `json:"order_id"`
	User     string `json:"user_id"`
	UserName string `json:"user_name"`
	Reason   string `json:"reason"`
	Total    struct {
		Amount   int64  `json:"amount"` // in the currency's smallest unit
		Currency string `json:"currency"`
	} `json:"total"`
}

// request is what a client would ask for to tell the user: of one order and one thing that happened
// to it there is one notification, however often the event comes.
func (o Order) request(happened, shop string) Request {
	name := o.UserName
	if name == "" {
		name = o.User
	}
	return Request{
		ID:       "order-" + o.ID + "-" + happened,
		User:     o.User,
		Template: "order-" + happened,
		Variables: map[string]string{
			"name": name, "order": o.ID, "reason": o.Reason,
			"total": fmt.Sprintf("%d.%02d %s", o.Total.Amount/100, o.Total.Amount%100, o.Total.Currency),
			"link":  strings.TrimRight(shop, "/") + "/orders/" + url.PathEscape(o.ID),
		},
	}
}

// orderChanged accepts the notification of an order event, in one with the note that the event was
// handled. An event that makes no notification goes to the failed queue.
func (s store) orderChanged(ctx context.Context, m kit.Message, shop string) error {
	var o Order
	if err := m.Decode(&o); err != nil {
		return bus.Permanent(err)
	}
	r := o.request(strings.TrimPrefix(m.Key, "order."), shop)
	if why, bad := refused(r.check()); bad {
		return bus.Permanent(fmt.Errorf("notify of %s: %s", m.Key, why))
	}
	c, err := newCandidate(ctx, r)
	if err != nil {
		return err
	}
	err = s.db.Once(ctx, eventQueue, m, func(tx *db.Tx) error {
		_, err := c.accept(ctx, tx)
		return err
	})
	if p := (*kit.Problem)(nil); errors.As(err, &p) {
		return bus.Permanent(err) // the request id was used for something else
	}
	s.due.Ring()
	return err
}
