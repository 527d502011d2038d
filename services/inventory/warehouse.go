package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"

	"msctl.dev/msctl/services/kit"
)

const (
	warehouseAtOnce = 4                      // calls that may wait for the warehouse
	warehouseWait   = 300 * time.Millisecond // for one of them to end
	warehouseUsual  = 800 * time.Millisecond // for an answer
)

// Restock is a delivery that is on its way.
type Restock struct {
	At       time.Time `json:"at"`
	Quantity int64     `json:"quantity"`
}

// warehouse asks the old monolith what is on its way. It is slow: behind a bulkhead it can use up no
// more than a few of this service's requests.
type warehouse struct {
	legacy  *kit.Client
	gate    failsafe.Executor[*Restock]
	timeout time.Duration
	log     *slog.Logger
	on      func(pattern string) bool
}

// newWarehouse reads how long one call may take (WAREHOUSE_TIMEOUT).
func newWarehouse(app *kit.App) (*warehouse, error) {
	legacy, err := app.Client("legacy")
	if err != nil {
		return nil, err
	}
	timeout, err := app.Env.Duration("WAREHOUSE_TIMEOUT", warehouseUsual)
	if err != nil {
		return nil, err
	}
	b := bulkhead.NewBuilder[*Restock](warehouseAtOnce).WithMaxWaitTime(warehouseWait).Build()
	gate := failsafe.With[*Restock](b)
	return &warehouse{legacy, gate, timeout, app.Log, app.On}, nil
}

// restock returns what of the item is on its way, nil where nothing is. An error means that the
// warehouse is too busy, too slow, or away.
func (w *warehouse) restock(ctx context.Context, item string) (*Restock, error) {
	ask := func() (*Restock, error) { return w.patiently(ctx, item) }
	var r *Restock
	var err error
	if w.on("bulkhead") {
		r, err = w.gate.WithContext(ctx).Get(ask)
	} else {
		r, err = ask()
	}
	if err != nil {
		w.log.WarnContext(ctx, "restock unknown", "item", item, "err", err)
	}
	return r, err
}

// patiently asks for as long as one call may take.
func (w *warehouse) patiently(ctx context.Context, item string) (*Restock, error) {
	if w.on("timeout") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	return w.ask(ctx, item)
}

// ask puts the question in the warehouse's words, and its answer in ours.
func (w *warehouse) ask(ctx context.Context, item string) (*Restock, error) {
	var said struct {
		When string `json:"WHEN"` // 24.12.2026
		Qty  string `json:"QTY"`
	}
	err := w.legacy.JSON(ctx, http.MethodGet, "/warehouse/"+url.PathEscape(item), nil, &said)
	if p := (*kit.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	at, err := time.Parse("02.01.2006", said.When)
	if err != nil {
		return nil, fmt.Errorf("read day of delivery: %w", err)
	}
	n, err := strconv.ParseInt(said.Qty, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read quantity of delivery: %w", err)
	}
	return &Restock{At: at, Quantity: n}, nil
}
