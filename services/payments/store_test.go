package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
	"msctl.dev/msctl/services/payments/bank"
)

// alone runs a test with nothing but the store.
func alone(test func(t *testing.T, s store)) func(*testing.T, string) {
	return func(t *testing.T, url string) { test(t, open(t, url)) }
}

// open returns a store whose leases do not end.
func open(t *testing.T, url string) store {
	t.Helper()
	d, err := db.Open(t.Context(), kittest.App(t, map[string]string{"PAYMENTS_DB_URL": url}), "payments-db", migrations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return store{d, time.Hour}
}

// factsMeet has replicas learn of one payment at once, some of the capture and some of the refund:
// each is told once at most, and the money is right.
func factsMeet(t *testing.T, s store) {
	for round := range 10 {
		sale := bank.Sale{Order: fmt.Sprint("o-", round), Amount: 5, Currency: "EUR", Card: "tok_ok"}
		if _, fresh, err := s.begin(t.Context(), sale); err != nil || !fresh {
			t.Fatalf("begin: %v, %v", fresh, err)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			outcome := []bank.Outcome{bank.Taken, bank.Returned}[i%2]
			wg.Go(func() {
				if _, err := s.learn(t.Context(), sale.Order, bank.Fact{Outcome: outcome}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		p, err := s.payment(t.Context(), sale.Order)
		if err != nil || p.Status != Refunded || p.Captured != 5 || p.Refunded != 5 {
			t.Errorf("got %+v, %v", p, err)
		}
	}
	for key, most := range map[string]int{"payment.captured": 10, "payment.refunded": 10} {
		var told, distinct int
		err := s.db.QueryRowContext(t.Context(), `SELECT COUNT(*), COUNT(DISTINCT body) FROM outbox
			WHERE key = $1`, key).Scan(&told, &distinct)
		if err != nil || told != distinct || told > most || key == "payment.refunded" && told != most {
			t.Errorf("%s was told %d times of %d payments, %v", key, told, distinct, err)
		}
	}
}

// lease gives a payment to one of many who want to work on it, and to another when it was put off.
func lease(t *testing.T, s store) {
	sale := bank.Sale{Order: "o-1", Amount: 5, Currency: "EUR", Card: "tok_ok"}
	if _, fresh, err := s.begin(t.Context(), sale); err != nil || !fresh {
		t.Fatalf("begin: %v, %v", fresh, err)
	}
	for _, want := range []int{0, 1, 1} {
		var wg sync.WaitGroup
		var mu sync.Mutex // guards got
		got := 0
		for range 8 {
			wg.Go(func() {
				_, ok, err := s.claim(t.Context(), "o-1")
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				} else if ok {
					got++
				}
			})
		}
		wg.Wait()
		if got != want {
			t.Errorf("%d got the lease, want %d", got, want)
		}
		if err := s.putOff(t.Context(), "o-1", 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	if ps, err := s.due(t.Context(), 5); err != nil || len(ps) != 1 || ps[0].tries != 1 {
		t.Errorf("due: got %+v, %v", ps, err)
	}
}
