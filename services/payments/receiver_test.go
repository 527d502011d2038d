package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl/services/kit/kittest"
)

// TestReceiverSwitchedOff asks for one order's money twice, and the bank books it twice: that is what the
// idempotent receiver is for.
func TestReceiverSwitchedOff(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flags.json")
	flags := `{"flags": {"payments.idempotent-receiver": {"state": "ENABLED", "variants": {"off": false}, "defaultVariant": "off"}}}`
	if err := os.WriteFile(file, []byte(flags), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, kittest.SQLite(t)).begin(map[string]string{"FLAGS_FILE": file, "OTEL_SERVICE_NAME": "payments"})
	for range 2 {
		w.is(w.capture("o-1", "tok_ok"), captured)
	}
	w.bank.mu.Lock()
	defer w.bank.mu.Unlock()
	if got := w.bank.booked; len(got) != 2 || got[0] != "SALE o-1 1999" || !strings.HasPrefix(got[1], "SALE o-1-") {
		t.Errorf("the bank has booked %q, want two sales", got)
	}
}
