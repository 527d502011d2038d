package verify

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// sql runs statements in one transaction. Parameters are bound, never written into the text.
func (t *Target) sql(ctx context.Context, a Action, p params) error {
	where, err := t.resource(a.SQL)
	if err != nil {
		return err
	}
	db, dialect, err := openDB(where, a.Schema)
	if err != nil {
		return fmt.Errorf("open %s: %w", a.SQL, err)
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open %s: %w", a.SQL, err)
	}
	defer tx.Rollback()
	for _, statement := range a.Run {
		text, args, err := dialect.bind(statement, p)
		if err != nil {
			return fmt.Errorf("sql %s: %w", a.SQL, err)
		}
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return fmt.Errorf("sql %s: %w", a.SQL, err)
		}
	}
	return tx.Commit()
}

// dialect is how a database writes and takes parameters.
type dialect struct {
	mark func(n int) string
	arg  func(any) any
}

var (
	postgres = dialect{func(n int) string { return "$" + strconv.Itoa(n) }, asText} // it knows the type itself
	sqlite   = dialect{func(n int) string { return "?" + strconv.Itoa(n) }, asValue}
	mysqlite = dialect{func(int) string { return "?" }, asValue}
)

// openDB opens the database behind a URL as services are given it, or a schema in it.
func openDB(where, schema string) (*sql.DB, dialect, error) {
	u, err := url.Parse(where)
	if err != nil {
		return nil, dialect{}, fmt.Errorf("its address is no URL") // err quotes the password
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		if schema != "" {
			q := u.Query()
			q.Set("search_path", schema)
			u.RawQuery = q.Encode()
		}
		db, err := sql.Open("pgx", u.String())
		return db, postgres, err
	case "sqlite":
		if ext := filepath.Ext(u.Path); schema != "" {
			u.Path = strings.TrimSuffix(u.Path, ext) + "." + schema + ext
		}
		file := url.URL{Scheme: "file", Path: u.Path, RawQuery: "_pragma=busy_timeout(8000)&_txlock=immediate"}
		db, err := sql.Open("sqlite", file.String())
		return db, sqlite, err
	case "mysql", "mariadb":
		password, _ := u.User.Password()
		c := mysql.NewConfig()
		c.User, c.Passwd, c.Net, c.Addr, c.DBName = u.User.Username(), password, "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		if schema != "" { // of MySQL a database is one
			c.DBName = schema
		}
		db, err := sql.Open("mysql", c.FormatDSN())
		return db, mysqlite, err
	}
	return nil, dialect{}, fmt.Errorf("a %s is no database that takes sql", u.Scheme)
}

// bind turns each {name} into a mark and an argument.
func (d dialect) bind(statement string, p params) (string, []any, error) {
	var args []any
	text, err := p.replace(statement, func(v any) string {
		args = append(args, d.arg(v))
		return d.mark(len(args))
	})
	return text, args, err
}

// asValue gives numbers as numbers, and objects as JSON.
func asValue(v any) any {
	n, ok := v.(json.Number)
	if !ok {
		switch v.(type) {
		case map[string]any, []any:
			return words(v)
		}
		return v
	}
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return f
}

// asText gives everything but nothing as text.
func asText(v any) any {
	if v == nil {
		return nil
	}
	return words(v)
}
