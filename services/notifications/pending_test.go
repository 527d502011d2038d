package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

// TestLostClaim has a database that makes the second of three claims, and answers with an error. The first is not
// lost by that, and the second is due again at once, not when its lease ends.
func TestLostClaim(t *testing.T) {
	app := kittest.App(t, map[string]string{"NOTIFY_DB_URL": kittest.SQLite(t)})
	d, err := db.Open(t.Context(), app, "notify-db", migrations)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := store{db: d, due: kit.NewBell()}
	for i, name := range []string{"r-1", "r-2", "r-3"} {
		if _, err := s.accept(t.Context(), request(name)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ExecContext(t.Context(), `UPDATE notifications SET due = $1 WHERE request_id = $2`, i, name); err != nil {
			t.Fatal(err)
		}
	}
	// FAIL keeps what the statement has done.
	if _, err := d.ExecContext(t.Context(), `CREATE TRIGGER lost AFTER UPDATE ON notifications
		WHEN NEW.request_id = 'r-2' AND NEW.due > OLD.due BEGIN SELECT RAISE(FAIL, 'the answer is lost'); END`); err != nil {
		t.Fatal(err)
	}
	if ps, err := s.claim(t.Context()); err == nil || names(ps) != "r-1 " {
		t.Errorf("claimed %q, %v; want r-1 and an error", names(ps), err)
	}
	if _, err := d.ExecContext(t.Context(), `DROP TRIGGER lost`); err != nil {
		t.Fatal(err)
	}
	if ps, err := s.claim(t.Context()); err != nil || names(ps) != "r-2 r-3 " {
		t.Errorf("then claimed %q, %v; want r-2 and r-3", names(ps), err)
	}
	if ps, err := s.claim(t.Context()); err != nil || len(ps) > 0 {
		t.Errorf("at last claimed %q, %v; all have a lease of %v", names(ps), err, dispatchLease)
	}
}

// TestPutOffEnds has a database whose one writer does not come to an end: a notification that is to be put off
// keeps its lease, and the dispatcher does not wait with it.
func TestPutOffEnds(t *testing.T) {
	app := kittest.App(t, map[string]string{"NOTIFY_DB_URL": kittest.SQLite(t)})
	d, err := db.Open(t.Context(), app, "notify-db", migrations)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := store{db: d, due: kit.NewBell()}
	if _, err := s.accept(t.Context(), request("r-1")); err != nil {
		t.Fatal(err)
	}
	ps, err := s.claim(t.Context())
	if err != nil || len(ps) != 1 {
		t.Fatalf("claimed %q, %v; want r-1", names(ps), err)
	}
	w := dispatcher{app: app, store: s, backoff: time.Millisecond}
	over, put := errors.New("over"), make(chan error, 1)
	err = d.Tx(t.Context(), func(*db.Tx) error {
		go func() { put <- w.putOff(t.Context(), ps[0], "later", over) }()
		select {
		case err := <-put:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("put off: %v, want that time is over", err)
			}
		case <-time.After(time.Minute):
			t.Error("it is held")
		}
		return over
	})
	if !errors.Is(err, over) {
		t.Error(err)
	}
}

func names(ps []pending) (all string) {
	for _, p := range ps {
		all += p.Request.ID + " "
	}
	return all
}
