package main

import (
	"fmt"
	"slices"
	"strings"

	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
	ordersv1 "msctl.dev/msctl/services/proto/shop/orders/v1"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

// books are what the services say, read one after the other: they need not agree until all is at rest.
type books struct {
	orders        map[string]*ordersv1.Order
	model         *ordersv1.VerifyResponse
	payments      map[string]*paymentsv1.Payment
	bookings      map[string]int64 // reference -> what the bank took under it and did not give back
	levels        []*inventoryv1.Level
	notifications []notification
	mails         map[string]int // Message-ID -> how many
	unserved      string         // a channel that nobody serves here; "" is none
}

// booking is one line of the bank's books.
type booking struct {
	Ref    string
	Op     string
	Amount int64
	RC     string
	Txn    int64
}

// moved is what the bank took; what it gave back is below zero.
func (k booking) moved() int64 {
	switch {
	case k.RC != "00":
		return 0
	case k.Op == "REFUND":
		return -k.Amount
	}
	return k.Amount
}

type notification struct {
	ID         string     `json:"id"`
	Request    string     `json:"request_id"`
	Status     string     `json:"status"`
	Reason     string     `json:"reason"`
	Deliveries []delivery `json:"deliveries"`
}

type delivery struct {
	Channel string `json:"channel"`
	Status  string `json:"status"`
}

// waits reports a notification of which nothing is left but what waits for a channel that nobody serves
// here.
func (n notification) waits(unserved string) bool {
	return unserved != "" && n.Status == "queued" && !slices.ContainsFunc(n.Deliveries, func(d delivery) bool {
		return d.Status == "queued" && d.Channel != unserved
	})
}

// invariants are the five of the fleet, in their order.
func (b *books) invariants() []invariant {
	return []invariant{b.money(), b.stock(), b.told(), b.folded(), b.delivered()}
}

// money: captured minus refunded is an order's total if it is confirmed, and else 0; and the bank says
// the same.
func (b *books) money() invariant {
	i := invariant{Name: "money"}
	banked := b.banked()
	for id, o := range b.orders {
		want := int64(0)
		if o.Status == ordersv1.OrderStatus_ORDER_STATUS_CONFIRMED {
			want = o.Total
		}
		p := b.payments[id]
		kept := p.GetCaptured() - p.GetRefunded()
		i.must(o.Status != ordersv1.OrderStatus_ORDER_STATUS_PENDING, "order %s is pending (%s)", id, o.Step)
		i.must(kept == want, "order %s (%s): payments kept %d, want %d", id, short(o), kept, want)
		i.must(banked[id] == want, "order %s (%s): the bank kept %d, want %d", id, short(o), banked[id], want)
	}
	for id, p := range b.payments {
		i.must(b.orders[id] != nil || p.Captured == p.Refunded, "payment %s has no order", id)
	}
	return i
}

// banked is what the bank kept of each order.
func (b *books) banked() map[string]int64 {
	kept := map[string]int64{}
	for ref, amount := range b.bookings {
		kept[b.orderOf(ref)] += amount
	}
	return kept
}

// orderOf returns the order that the bank booked under a reference: its id, or its id with a dash and more
// behind, for a try that was another one to the bank. An id may begin with another one and a dash: the
// longest that is known has it. A reference of no order is returned as it is.
func (b *books) orderOf(ref string) string {
	for id := ref; ; {
		if b.orders[id] != nil || b.payments[id] != nil {
			return id
		}
		dash := strings.LastIndexByte(id, '-')
		if dash < 0 {
			return ref
		}
		id = id[:dash]
	}
}

func short(o *ordersv1.Order) string {
	const prefix = len("ORDER_STATUS_")
	return o.Status.String()[prefix:] + " " + o.Reason
}

// stock: available + reserved + sold is what was received, and what is sold is what was confirmed.
func (b *books) stock() invariant {
	i := invariant{Name: "stock"}
	sold := map[string]int64{}
	for _, o := range b.orders {
		if o.Status == ordersv1.OrderStatus_ORDER_STATUS_CONFIRMED {
			for _, l := range o.Lines {
				sold[l.ItemId] += l.Quantity
			}
		}
	}
	for _, l := range b.levels {
		i.must(l.Available+l.Reserved+l.Sold == l.Received && l.Available >= 0 && l.Reserved >= 0,
			"item %s: %d available + %d reserved + %d sold is not %d received", l.ItemId, l.Available, l.Reserved, l.Sold, l.Received)
		i.must(l.Sold == sold[l.ItemId], "item %s: %d sold, %d confirmed", l.ItemId, l.Sold, sold[l.ItemId])
		i.must(l.Reserved == 0, "item %s: %d reserved by nobody", l.ItemId, l.Reserved)
	}
	return i
}

// told: each confirmed order asked for exactly one confirmation, and no request made two mails.
func (b *books) told() invariant {
	i := invariant{Name: "confirmations"}
	asked := map[string]int{}
	for _, n := range b.notifications {
		asked[n.Request]++
	}
	for id, o := range b.orders {
		want := 0
		if o.Status == ordersv1.OrderStatus_ORDER_STATUS_CONFIRMED {
			want = 1
		}
		got := asked[fmt.Sprintf("order-%s-confirmed", id)]
		cancelled := o.Status == ordersv1.OrderStatus_ORDER_STATUS_CANCELLED // it may have been told before
		i.must(got == want || cancelled && got < 2, "order %s (%s): %d confirmations", id, short(o), got)
	}
	for id, n := range b.mails {
		i.must(n == 1, "mail %s came %d times", id, n)
	}
	return i
}

// folded: the read model is the fold of the events.
func (b *books) folded() invariant {
	i := invariant{Name: "read model", Looked: int(b.model.Orders)}
	for _, id := range b.model.Differ {
		i.Broken = append(i.Broken, fmt.Sprintf("order %s differs from its events", id))
	}
	if b.model.Behind > 0 {
		i.Broken = append(i.Broken, fmt.Sprintf("%d events behind", b.model.Behind))
	}
	return i
}

// delivered: each accepted notification ended.
func (b *books) delivered() invariant {
	i := invariant{Name: "notifications"}
	for _, n := range b.notifications {
		ended := n.Status == "sent" || n.Status == "suppressed" || n.Status == "failed" && n.Reason != ""
		i.must(ended || n.waits(b.unserved), "notification %s is %s %s", n.Request, n.Status, n.Reason)
	}
	return i
}
