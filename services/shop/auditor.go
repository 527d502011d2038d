package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/grpc"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/rpc"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
	ordersv1 "msctl.dev/msctl/services/proto/shop/orders/v1"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

// auditor reads the books of all services, each by its own API.
type auditor struct {
	gate     *api
	legacy   *kit.Client
	mailbox  string // URL of the mail server's list; "" leaves mails out
	unserved string // "push" where push does not run
	conns    []*grpc.ClientConn
	orders   ordersv1.OrdersServiceClient
	payments paymentsv1.PaymentsServiceClient
	stock    inventoryv1.InventoryServiceClient
}

func newAuditor(app *kit.App) (a *auditor, err error) {
	a = &auditor{mailbox: app.Env("MAILBOX_URL")}
	if app.Env("PUSH_URL") == "" {
		a.unserved = "push"
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if a.gate, err = newAPI(app); err != nil {
		return a, err
	}
	if a.legacy, err = app.Client("legacy"); err != nil {
		return a, err
	}
	for _, name := range []string{"orders", "payments", "inventory"} {
		conn, err := rpc.Dial(app, name)
		if err != nil {
			return a, err
		}
		a.conns = append(a.conns, conn)
	}
	a.orders = ordersv1.NewOrdersServiceClient(a.conns[0])
	a.payments = paymentsv1.NewPaymentsServiceClient(a.conns[1])
	a.stock = inventoryv1.NewInventoryServiceClient(a.conns[2])
	return a, nil
}

func (a *auditor) close() {
	for _, c := range a.conns {
		c.Close()
	}
}

// read asks for everything. What changes meanwhile makes the books disagree, not the reading fail.
func (a *auditor) read(ctx context.Context) (*books, error) {
	b := &books{
		orders: map[string]*ordersv1.Order{}, payments: map[string]*paymentsv1.Payment{},
		bookings: map[string]int64{}, mails: map[string]int{}, unserved: a.unserved,
	}
	for _, part := range []func(context.Context, *books) error{
		a.readOrders, a.readPayments, a.readBank, a.readStock, a.readNotifications, a.readMails,
	} {
		if err := part(ctx, b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// How many things are asked for at once. A page of orders is less than 32 KiB: gRPC takes a whole MiB for a
// longer one, which orders then holds on to.
const (
	page       = 200
	pageOrders = 80
)

func (a *auditor) readOrders(ctx context.Context, b *books) (err error) {
	if b.model, err = a.orders.Verify(ctx, &ordersv1.VerifyRequest{}); err != nil {
		return fmt.Errorf("verify orders: %w", err)
	}
	for after := ""; ; {
		got, err := a.orders.List(ctx, &ordersv1.ListRequest{After: after, Limit: pageOrders})
		if err != nil {
			return fmt.Errorf("list orders: %w", err)
		}
		for _, o := range got.Orders {
			b.orders[o.Id], after = o, o.Id
		}
		if len(got.Orders) < pageOrders {
			return nil
		}
	}
}

func (a *auditor) readPayments(ctx context.Context, b *books) error {
	for after := ""; ; {
		got, err := a.payments.List(ctx, &paymentsv1.ListRequest{After: after, Limit: page})
		if err != nil {
			return fmt.Errorf("list payments: %w", err)
		}
		for _, p := range got.Payments {
			b.payments[p.OrderId], after = p, p.OrderId
		}
		if len(got.Payments) < page {
			return nil
		}
	}
}

func (a *auditor) readBank(ctx context.Context, b *books) error {
	for after := int64(0); ; {
		var got struct{ Bookings []booking }
		path := fmt.Sprintf("/bank/booked?after=%d&limit=%d", after, page)
		if err := a.legacy.JSON(ctx, http.MethodGet, path, nil, &got); err != nil {
			return fmt.Errorf("ask the bank: %w", err)
		}
		for _, k := range got.Bookings {
			if k.Txn <= after {
				return fmt.Errorf("ask the bank: %s answers booking %d again", path, k.Txn)
			}
			b.bookings[k.Ref] += k.moved()
			after = k.Txn
		}
		if len(got.Bookings) < page {
			return nil
		}
	}
}

func (a *auditor) readStock(ctx context.Context, b *books) error {
	for after := ""; ; {
		got, err := a.stock.Stock(ctx, &inventoryv1.StockRequest{After: after, Limit: page})
		if err != nil {
			return fmt.Errorf("list stock: %w", err)
		}
		b.levels = append(b.levels, got.Levels...)
		if len(got.Levels) < page {
			return nil
		}
		after = got.Levels[len(got.Levels)-1].ItemId
	}
}

func (a *auditor) readNotifications(ctx context.Context, b *books) error {
	for before := ""; ; {
		var got struct {
			Notifications []notification `json:"notifications"`
		}
		path := fmt.Sprintf("/v1/notifications?limit=%d&before=%s", page, before)
		if _, err := a.gate.patient(ctx, administrator, http.MethodGet, path, nil, &got, 200); err != nil {
			return fmt.Errorf("list notifications: %w", err)
		}
		b.notifications = append(b.notifications, got.Notifications...)
		if len(got.Notifications) < page {
			return nil
		}
		before = got.Notifications[page-1].ID
	}
}

// readMails counts the mails that the mail server still keeps, by their Message-ID.
func (a *auditor) readMails(ctx context.Context, b *books) error {
	if a.mailbox == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(a.mailbox, "/")+"/messages", nil)
	if err != nil {
		return err
	}
	resp, err := a.gate.http.Do(req)
	if err != nil {
		return fmt.Errorf("list mails: %w", err)
	}
	defer resp.Body.Close()
	var got []struct {
		Headers map[string][]string `json:"headers"`
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("list mails: " + resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return fmt.Errorf("list mails: %w", err)
	}
	for _, m := range got {
		for _, id := range m.Headers["Message-Id"] {
			b.mails[id]++
		}
	}
	return nil
}
