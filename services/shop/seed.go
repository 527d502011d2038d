package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/rpc"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
)

//go:embed seed.json
var seedFile []byte

// world is what the shop begins with.
type world struct {
	Items     []item                     `json:"items"`
	Shoppers  []shopper                  `json:"shoppers"`
	Templates map[string]json.RawMessage `json:"templates"`
}

type item struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Price       money  `json:"price"`
	Stock       int64  `json:"stock,omitempty"` // of inventory
	Old         bool   `json:"old,omitempty"`   // legacy sold it before the monolith was split
}

type money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// shopper is a user as users takes them.
type shopper struct {
	ID       string                    `json:"id"`
	Name     string                    `json:"name"`
	Language string                    `json:"language"`
	Channels map[string]map[string]any `json:"channels"`
}

func beginning() (world, error) {
	var w world
	if err := json.Unmarshal(seedFile, &w); err != nil {
		return w, fmt.Errorf("read seed: %w", err)
	}
	return w, nil
}

// seed makes what is missing and leaves alone what is there.
func seed(ctx context.Context, app *kit.App, out io.Writer) error {
	w, err := beginning()
	if err != nil {
		return err
	}
	gate, err := newAPI(app)
	if err != nil {
		return err
	}
	conn, err := rpc.Dial(app, "inventory")
	if err != nil {
		return err
	}
	defer conn.Close()
	s := seeder{gate: gate, stock: inventoryv1.NewInventoryServiceClient(conn)}
	if s.legacy, err = app.Client("legacy"); err != nil {
		return err
	}
	for _, step := range []func(context.Context, world) error{s.templates, s.users, s.items, s.levels, s.old} {
		if err := step(ctx, w); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "seeded %d items, %d users, %d templates: %d were new\n", len(w.Items), len(w.Shoppers),
		len(w.Templates), s.made)
	return nil
}

// seeder counts what was not there before.
type seeder struct {
	gate   *api
	stock  inventoryv1.InventoryServiceClient
	legacy *kit.Client
	made   int
}

func (s *seeder) templates(ctx context.Context, w world) error {
	for id, body := range w.Templates {
		status, err := s.gate.patient(ctx, administrator, http.MethodGet, "/v1/templates/"+id, nil, nil, 200, 404)
		if err == nil && status == http.StatusNotFound {
			s.made++
			_, err = s.gate.patient(ctx, administrator, http.MethodPut, "/v1/templates/"+id, body, nil, 200, 201)
		}
		if err != nil {
			return fmt.Errorf("seed template %s: %w", id, err)
		}
	}
	return nil
}

func (s *seeder) users(ctx context.Context, w world) error {
	for _, u := range w.Shoppers {
		status, err := s.gate.patient(ctx, administrator, http.MethodGet, "/v1/users/"+u.ID, nil, nil, 200, 404)
		if err == nil && status == http.StatusNotFound {
			s.made++
			_, err = s.gate.patient(ctx, administrator, http.MethodPost, "/v1/users", u, nil, 201, 409)
		}
		if err != nil {
			return fmt.Errorf("seed user %s: %w", u.ID, err)
		}
	}
	return nil
}

// items writes those that catalog does not have. A price that somebody has changed stays.
func (s *seeder) items(ctx context.Context, w world) error {
	for _, i := range w.Items {
		var there struct {
			Missing []string `json:"missing"`
		}
		path := "/v1/items?ids=" + i.ID
		_, err := s.gate.patient(ctx, administrator, http.MethodGet, path, nil, &there, 200)
		if err == nil && len(there.Missing) > 0 {
			s.made++
			put := item{Name: i.Name, Description: i.Description, Price: i.Price}
			_, err = s.gate.patient(ctx, administrator, http.MethodPut, "/v1/items/"+i.ID, put.profile(), nil, 200, 201)
		}
		if err != nil {
			return fmt.Errorf("seed item %s: %w", i.ID, err)
		}
	}
	return nil
}

func (i item) profile() map[string]any {
	return map[string]any{"name": i.Name, "description": i.Description, "price": i.Price}
}

// levels receives the first stock, under a receipt that inventory knows the second time.
func (s *seeder) levels(ctx context.Context, w world) error {
	for _, i := range w.Items {
		_, err := s.stock.Receive(ctx, &inventoryv1.ReceiveRequest{
			ReceiptId: "seed-" + i.ID, ItemId: i.ID, Quantity: i.Stock})
		if err != nil {
			return fmt.Errorf("seed stock of %s: %w", i.ID, err)
		}
	}
	return nil
}

// old tells the monolith of the items that it sold, in its own words.
func (s *seeder) old(ctx context.Context, w world) error {
	for _, i := range w.Items {
		if !i.Old {
			continue
		}
		price := fmt.Sprintf("%d,%02d", i.Price.Amount/100, i.Price.Amount%100)
		in := map[string]string{"ITEM_NO": i.ID, "TITLE": i.Name, "PRICE_EUR": price}
		if err := s.legacy.JSON(ctx, http.MethodPost, "/catalogue.php", in, nil); err != nil {
			return fmt.Errorf("seed old item %s: %w", i.ID, err)
		}
	}
	return nil
}
