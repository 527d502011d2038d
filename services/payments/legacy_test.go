package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"msctl.dev/msctl/services/kit/kittest"
)

// legacy starts the real bank and returns the URL of its service.
func legacy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "legacy")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "msctl.dev/msctl/services/legacy")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build legacy: %v\n%s", err, out)
	}
	cmd := exec.Command(program)
	cmd.Env = []string{"LEGACY_FILE=" + filepath.Join(dir, "legacy.db"), "HTTP_PORT=0"}
	return "http://" + spawn(t, cmd, "http")["http"]
}

// TestLegacy pays with every card of the real bank, and has each payment given back in the end. What
// payments says and what the bank has booked are the same throughout.
func TestLegacy(t *testing.T) {
	w := newWorld(t, kittest.SQLite(t))
	w.env["LEGACY_URL"] = legacy(t)
	w.begin(map[string]string{"BANK_TIMEOUT": "700ms"})
	for card, want := range map[string]string{
		"tok_ok": captured, "tok_flaky": captured, "tok_later": captured, "tok_slow": captured,
		"tok_refused": "refused 0-0 insufficient funds", "tok_nobody": "refused 0-0 unknown card",
	} {
		if p := w.capture(card, card); card == "tok_slow" {
			w.is(p, "pending 0-0")
		}
		w.until(card, want)
	}
	w.audit(4 * 1999)
	w.is(w.refund("never"), late)
	w.is(w.capture("never", "tok_ok"), late)
	for _, card := range []string{"tok_ok", "tok_flaky", "tok_later", "tok_slow"} {
		w.refund(card)
		w.until(card, refunded)
	}
	w.is(w.refund("tok_refused"), "refused 0-0 insufficient funds")
	w.audit(0)
}

// audit compares the payments with the bank's bookings, order by order, and their sum with total.
func (w *world) audit(total int64) {
	w.t.Helper()
	var bookings struct {
		Bookings []struct {
			Ref, Op, RC string
			Amount      int64
		}
	}
	kittest.Call(w.t, "GET", w.env["LEGACY_URL"]+"/bank/booked", nil, &bookings)
	booked := map[string]int64{}
	for _, b := range bookings.Bookings {
		switch {
		case b.RC != "00":
		case b.Op == "SALE":
			booked[b.Ref] += b.Amount
		default:
			booked[b.Ref] -= b.Amount
		}
	}
	var payments struct{ Payments []Payment }
	kittest.Call(w.t, "GET", w.base+"/payments", nil, &payments)
	var sum int64
	for _, p := range payments.Payments {
		if got := p.Captured - p.Refunded; got != booked[p.Order] {
			w.t.Errorf("payment of %s is %d, the bank has booked %d", p.Order, got, booked[p.Order])
		}
		sum += booked[p.Order]
	}
	if sum != total {
		w.t.Errorf("the bank has booked %d, want %d", sum, total)
	}
}
