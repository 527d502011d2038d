package main

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

func noRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// TestOneReplicaExpires lets a replica with the lease die: another leaves the work to it, until the
// lease is over.
func TestOneReplicaExpires(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		app, ctx := kittest.App(t, env), t.Context()
		d, err := db.Open(ctx, app, "inventory-db", migrations)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		s := store{d}
		if _, err := s.receive(ctx, Receipt{"r1", Line{"mug", 10}}); err != nil {
			t.Fatal(err)
		}
		past := Reservation{Order: "o1", State: Held, Lines: []Line{{"mug", 4}}, Expires: time.Now().Add(-time.Minute)}
		if _, err := s.reserve(ctx, past); err != nil {
			t.Fatal(err)
		}
		reserved := func() int64 {
			ls, err := s.levels(ctx, []string{"mug"})
			if err != nil || len(ls) != 1 {
				t.Fatal(ls, err)
			}
			return ls[0].Reserved
		}
		other, started := newExpirer(app, s), time.Now()
		if leads, err := s.lease(ctx, "dead", started); err != nil || !leads {
			t.Fatalf("lease: %v, %v", leads, err)
		}
		if err := other.sweep(ctx); err != nil || reserved() != 4 {
			t.Errorf("while another leads: %d are reserved, %v; want 4", reserved(), err)
		}
		if leads, err := s.lease(ctx, "dead", started.Add(-2*expireLease)); err != nil || !leads { // it was long ago
			t.Fatalf("lease: %v, %v", leads, err)
		}
		if err := other.sweep(ctx); err != nil || reserved() != 0 {
			t.Errorf("after the lease: %d are reserved, %v; want 0", reserved(), err)
		}
	})
}
