//go:build pact

package main

import (
	"fmt"
	"testing"

	"github.com/pact-foundation/pact-go/v2/consumer"
	"github.com/pact-foundation/pact-go/v2/matchers"

	"msctl.dev/msctl/services/kit/kittest"
)

// TestContractLegacy asks the warehouse of the old monolith what is on its way, in its own words.
func TestContractLegacy(t *testing.T) {
	p, err := consumer.NewV4Pact(consumer.MockHTTPProviderConfig{Consumer: "inventory", Provider: "legacy", PactDir: kittest.PactDir(t), Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	err = p.AddInteraction().UponReceiving("ask when more of an item comes").
		WithRequest("GET", "/warehouse/mug").
		WillRespondWith(200, func(b *consumer.V4ResponseBuilder) {
			b.JSONBody(matchers.StructMatcher{
				"WHEN": matchers.Regex("24.12.2026", `^\d\d\.\d\d\.\d{4}$`), "QTY": matchers.Regex("12", `^\d+$`),
			})
		}).
		ExecuteTest(t, func(c consumer.MockServerConfig) error {
			w, err := newWarehouse(kittest.App(t, map[string]string{
				"LEGACY_URL": fmt.Sprintf("http://%s:%d", c.Host, c.Port), "WAREHOUSE_TIMEOUT": "20s",
			}))
			if err != nil {
				return err
			}
			r, err := w.restock(t.Context(), "mug")
			if err != nil || r == nil || r.Quantity != 12 || r.At.Format("2006-01-02") != "2026-12-24" {
				return fmt.Errorf("restock is %+v, %v", r, err)
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
}
