package main

import (
	"slices"
	"testing"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
	"msctl.dev/msctl/services/payments/bank"
	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

// TestLearnedAndLost loses the connection to Postgres while it is written down what the bank has told: the lease,
// which is longer than the test waits, is given back, the bank is asked again, and has booked once.
func TestLearnedAndLost(t *testing.T) {
	need.Native(t, "initdb", "postgres")
	server := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
	open(t, server) // a migration is not what is lost
	for order, text := range map[string]string{
		"o-1": "UPDATE payments SET tries = tries",
		"o-2": "UPDATE payments SET status",
		"o-3": "INSERT INTO outbox",
	} {
		t.Run(text, func(t *testing.T) {
			w := newWorld(t, kittest.LossySQL(t, server, text, 1)).begin(map[string]string{"PAYMENTS_LEASE": "1h"})
			_, _ = w.api.Capture(t.Context(), &paymentsv1.CaptureRequest{OrderId: order, Amount: 1999, Currency: "EUR", Card: "tok_ok"})
			w.until(order, captured)
			w.booked("SALE " + order + " 1999")
		})
	}
}

// TestClaimedAndLost has Postgres store a lease, and its answer is lost: it is given back, to whoever comes next.
func TestClaimedAndLost(t *testing.T) {
	need.Native(t, "initdb", "postgres")
	server := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
	for order, tt := range map[string]struct {
		lost  string // what a command has in it whose answer is lost: a value, for what is prepared before has none
		claim func(sound, s store, sale bank.Sale) error
	}{
		"o-begin": {"commit", func(_, s store, sale bank.Sale) error {
			_, _, err := s.begin(t.Context(), sale)
			return err
		}},
		"o-claim": {"o-claim", func(sound, s store, sale bank.Sale) error {
			if _, _, err := sound.begin(t.Context(), sale); err != nil {
				t.Fatal(err)
			}
			if err := sound.putOff(t.Context(), sale.Order, 0, 0); err != nil {
				t.Fatal(err)
			}
			_, _, err := s.claim(t.Context(), sale.Order)
			return err
		}},
	} {
		sound := open(t, server)
		err := tt.claim(sound, open(t, kittest.LossySQL(t, server, tt.lost, 1)), bank.Sale{Order: order, Amount: 5, Currency: "EUR", Card: "tok_ok"})
		if !kit.Away(err) {
			t.Errorf("%s: %v, want that the database is away", order, err)
		}
		due, err := sound.due(t.Context(), 9)
		if err != nil || !slices.ContainsFunc(due, func(p Payment) bool { return p.Order == order }) {
			t.Errorf("%s: due are %+v, %v", order, due, err)
		}
	}
}
