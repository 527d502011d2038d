package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/services/kit"
)

const (
	orderWait = 2 * time.Second        // for the order, without which there is no page
	partWait  = 300 * time.Millisecond // for each of the other parts, unless PART_TIMEOUT says otherwise
)

// Page is an order with what a shop shows around it. A part that did not come is null, and named in
// Degraded.
type Page struct {
	Order    json.RawMessage `json:"order"`
	Items    json.RawMessage `json:"items"`
	Customer *Customer       `json:"customer"`
	Stock    json.RawMessage `json:"stock"`
	Degraded []string        `json:"degraded"`
}

// Customer is who ordered.
type Customer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// part is one of the parts that the page can do without.
type part struct {
	name string
	read func(context.Context) error
}

// page serves what bff does where it does not run: in parallel, each part with its own deadline.
func (g *gateway) page() kit.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		p := Page{Degraded: []string{}}
		ctx, cancel := context.WithTimeout(r.Context(), orderWait)
		defer cancel()
		err := g.ask(ctx, "orders", "/orders/"+url.PathEscape(r.PathValue("id")), &p.Order)
		if err != nil {
			return err
		}
		var order struct {
			User  string `json:"user_id"`
			Lines []struct {
				Item string `json:"item_id"`
			} `json:"lines"`
		}
		if err := json.Unmarshal(p.Order, &order); err != nil {
			return err
		}
		var ids []string
		for _, l := range order.Lines {
			ids = append(ids, l.Item)
		}
		g.gather(r.Context(), &p, g.parts(&p, order.User, "?ids="+url.QueryEscape(strings.Join(ids, ","))))
		kit.WriteJSON(w, http.StatusOK, p)
		return nil
	}
}

// parts are those of a page beside the order. Each writes to its own field.
func (g *gateway) parts(p *Page, user, ids string) []part {
	return []part{
		{"items", func(ctx context.Context) error {
			var out struct{ Items json.RawMessage }
			err := g.ask(ctx, "catalog", "/items"+ids, &out)
			p.Items = out.Items
			return err
		}},
		{"customer", func(ctx context.Context) error {
			var out Customer
			err := g.ask(ctx, "users", "/users/"+url.PathEscape(user), &out)
			if err == nil {
				p.Customer = &out
			}
			return err
		}},
		{"stock", func(ctx context.Context) error {
			var out struct{ Levels json.RawMessage }
			err := g.ask(ctx, "inventory", "/stock"+ids, &out)
			p.Stock = out.Levels
			return err
		}},
	}
}

// gather reads the parts and notes which are missing.
func (g *gateway) gather(ctx context.Context, p *Page, parts []part) {
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, g.partWait)
			defer cancel()
			errs[i] = part.read(ctx)
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			p.Degraded = append(p.Degraded, parts[i].name)
			g.app.Log.WarnContext(ctx, "page degraded", "part", parts[i].name, "err", err)
		}
	}
}
