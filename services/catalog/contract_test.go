//go:build pact

package main

import (
	"fmt"
	"testing"

	"github.com/pact-foundation/pact-go/v2/matchers"
	message "github.com/pact-foundation/pact-go/v2/message/v4"
	"github.com/pact-foundation/pact-go/v2/models"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

// TestContractInventory hears of stock, and tells it with the item from then on.
func TestContractInventory(t *testing.T) {
	p, err := message.NewAsynchronousPact(message.Config{Consumer: "catalog", Provider: "inventory", PactDir: kittest.PactDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	err = p.AddAsynchronousMessage().
		GivenWithParameter(models.ProviderState{Name: "an item is in stock", Parameters: map[string]any{"id": "mug", "quantity": 5}}).
		ExpectsToReceive(stockChanged).
		WithMetadata(map[string]string{"exchange": kit.Events, "routing_key": stockChanged}).
		WithJSONContent(matchers.StructMatcher{
			"item_id": matchers.Like("mug"), "available": matchers.Integer(5), "version": matchers.Integer(1),
		}).
		ConsumedBy(func(m message.AsynchronousMessage) error { return restocks(t, m.Contents) }).
		Verify(t)
	if err != nil {
		t.Fatal(err)
	}
}

// restocks has the service handle the event, and reads the item.
func restocks(t *testing.T, body []byte) error {
	d, err := db.Open(t.Context(), kittest.App(t, map[string]string{"CATALOG_DB_URL": kittest.SQLite(t)}), "catalog-db", migrations)
	if err != nil {
		return err
	}
	defer d.Close()
	s := store{db: d, due: make(chan struct{}, 1)}
	if _, _, err := s.put(t.Context(), "mug", Content{Name: "A mug", Price: Price{1250, currency}}); err != nil {
		return err
	}
	if err := s.changes().Handle(t.Context(), kit.Message{ID: kit.NewID(), Exchange: kit.Events, Key: stockChanged, Body: body}); err != nil {
		return err
	}
	found, err := s.items(t.Context(), []string{"mug"})
	if mug := found["mug"]; err != nil || mug.Available == nil || *mug.Available != 5 {
		return fmt.Errorf("item is %+v, %v", mug, err)
	}
	return nil
}
