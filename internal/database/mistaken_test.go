package database

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestMistaken tells a statement that is wrong from a database that does not answer.
func TestMistaken(t *testing.T) {
	for err, want := range map[error]bool{
		&pgconn.PgError{Code: "42601"}:                 true, // syntax error
		&pgconn.PgError{Code: "42P01"}:                 true, // undefined table
		&pgconn.PgError{Code: "57P01"}:                 false,
		&pgconn.PgError{Code: "53300"}:                 false, // too many connections
		&mysql.MySQLError{Number: 1064}:                true,
		&mysql.MySQLError{Number: 1146}:                true,
		&mysql.MySQLError{Number: 1226}:                false, // a limit of connections
		io.ErrUnexpectedEOF:                            false,
		errors.New("SQL logic error (1)"):              false,
		&pgconn.ConnectError{Config: &pgconn.Config{}}: false,
	} {
		if got := Mistaken(fmt.Errorf("ask: %w", err)); got != want {
			t.Errorf("%v: got %t", err, got)
		}
	}
}

// TestMistakenSQLite asks a file of SQLite: for nonsense, and where there is no such folder.
func TestMistakenSQLite(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		file, query string
		want        bool
	}{
		{"a.db", "SELEKT 1", true},
		{"a.db", "SELECT * FROM absent", true},
		{"none/a.db", "SELECT * FROM nothing", false},
	} {
		db, _, err := Open("sqlite://"+filepath.Join(dir, c.file), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = db.ExecContext(t.Context(), c.query); err == nil || Mistaken(err) != c.want {
			t.Errorf("%s: %s: %v", c.file, c.query, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
