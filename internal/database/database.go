// Package database opens the database behind a URL as services are given it.
package database

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// Dialect is how a database writes the n-th parameter of a statement, from 1, and whether it knows the type of
// one itself, so that all are given as text.
type Dialect struct {
	Mark  func(n int) string
	Typed bool
}

var (
	postgres = Dialect{func(n int) string { return "$" + strconv.Itoa(n) }, true}
	sqlite   = Dialect{func(n int) string { return "?" + strconv.Itoa(n) }, false}
	mysqlite = Dialect{func(int) string { return "?" }, false}
)

// Open opens the database behind a URL, or a schema in it; of SQLite that is the file which the kit keeps beside.
// No error quotes the password. Close it when done.
func Open(where, schema string) (*sql.DB, Dialect, error) {
	u, err := url.Parse(where)
	if err != nil {
		return nil, Dialect{}, errors.New("its address is no URL") // err quotes the password
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
	return nil, Dialect{}, fmt.Errorf("a %s is no database that takes sql", u.Scheme)
}
