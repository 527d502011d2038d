package db_test

import (
	"context"
	"testing"

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
