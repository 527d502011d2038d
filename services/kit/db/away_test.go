package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

// TestAway ends connections to a Postgres in many ways: each time a service is told that the database is
// away, and a moment later it is there. What is wrong with a statement stays an error of the service.
func TestAway(t *testing.T) {
	server := postgres(t)
	open(t, server) // its tables are there from here on
	const cut = `SELECT count(*) AS cut FROM things`
	query := func(d *db.DB) error { var n int; return d.QueryRow(cut).Scan(&n) }
	change := func(d *db.DB) error {
		return d.Tx(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE things SET n = n + 1 WHERE id = 'none'`)
			return err
		})
	}
	tests := []struct {
		name string
		lose string // the statement without an answer
		do   func(d *db.DB) error
		want bool
	}{
		{"cut in the middle of a query", cut, query, true},
		{"cut in the middle of a transaction", cut, func(d *db.DB) error {
			return d.Tx(context.Background(), func(tx *db.Tx) error { _, err := tx.Exec(cut); return err })
		}, true},
		{"used in a transaction after it was cut", cut, func(d *db.DB) error {
			return d.Tx(context.Background(), func(tx *db.Tx) error {
				_, _ = tx.Exec(cut)
				_, err := tx.Exec(`SELECT 1`)
				return err
			})
		}, true},
		{"cut in the middle of BEGIN", "begin", change, true},
		{"cut in the middle of COMMIT", "commit", change, true},
		{"ended by the server", cut, func(d *db.DB) error {
			_, err := d.Exec(`SELECT pg_terminate_backend(pg_backend_pid())`)
			return err
		}, true},
		{"no such table", cut, func(d *db.DB) error { _, err := d.Exec(`SELECT 1 FROM nothing`); return err }, false},
		{"no number", cut, func(d *db.DB) error { _, err := d.Exec(`SELECT 'x'::BIGINT`); return err }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, kittest.LossySQL(t, server, tt.lose, 1))
			err := tt.do(d)
			if got := kit.Away(err); err == nil || got != tt.want {
				t.Errorf("got %v, away %v; want %v", err, got, tt.want)
			}
			_ = query(d) // where nothing was cut so far
			if err := query(d); err != nil {
				t.Errorf("a moment later: %v", err)
			}
		})
	}
}

// TestServerAway stops the server under a service that has no connection left.
func TestServerAway(t *testing.T) {
	need.Native(t, "postgres")
	server, stop := kittest.PostgresUntil(t, need.Program("initdb"), need.Program("postgres"))
	d := open(t, server)
	stop()
	for range 2 { // with the connections that it knows, and with none
		if err := d.Ping(); err == nil || !kit.Away(err) {
			t.Errorf("got %v, want that it is away", err)
		}
	}
}

// TestHangs has a Postgres that stands still and keeps its connections. A statement ends with its caller's time,
// which says so; a new connection is given up after a while, and the database is then away: its caller has time left.
func TestHangs(t *testing.T) {
	server := postgres(t)
	open(t, server)
	at, still := kittest.Still(t, server)
	d := open(t, at+"&connect_timeout=1") // and is ready with one connection
	still(true)
	try := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return d.Tx(ctx, func(tx *db.Tx) error { _, err := tx.ExecContext(ctx, `SELECT 1`); return err })
	}
	if err := try(50 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || kit.Away(err) {
		t.Errorf("with a connection: %v, away %v; want that time is over", err, kit.Away(err))
	}
	if err := try(50 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || kit.Away(err) {
		t.Errorf("in the middle of connecting: %v, away %v; want that time is over", err, kit.Away(err))
	}
	if err := try(time.Minute); !kit.Away(err) || kit.AsProblem(err).Status != 503 {
		t.Errorf("without a connection: %v, away %v; want that it is away", err, kit.Away(err))
	}
	still(false)
	if err := try(time.Minute); err != nil {
		t.Errorf("a moment later: %v", err)
	}
}

// TestLate runs a transaction beyond its caller's time, between two statements: that is what is told, and not that
// the transaction was rolled back, which looks like a mistake of the service.
func TestLate(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		d := open(t, url)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := d.Tx(ctx, func(tx *db.Tx) error {
			for { // the rollback comes a moment after the end of ctx
				if _, err := tx.ExecContext(context.WithoutCancel(ctx), `SELECT 1`); err != nil {
					return err
				}
			}
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that time is over", err)
		}
	})
}
