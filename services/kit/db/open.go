package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/XSAM/otelsql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/otel/attribute"
	"modernc.org/sqlite"

	"msctl.dev/msctl/services/kit"
)

// locker gives the right to migrate to one process at a time.
type locker func(ctx context.Context) (unlock func(), err error)

func openPostgres(raw, schema string, traced bool) (*sql.DB, locker, error) {
	cfg, err := pgx.ParseConfig(raw)
	if err != nil {
		return nil, nil, errors.New("the address is not one of postgres")
	}
	if schema != "" {
		cfg.RuntimeParams["search_path"] = schema
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	d := openConnector(silentConnector{stdlib.GetConnector(*cfg)}, "postgresql", traced)
	d.SetMaxOpenConns(10)
	d.SetMaxIdleConns(4)
	d.SetConnMaxIdleTime(time.Minute)
	return d, func(ctx context.Context) (func(), error) { return lockPostgres(ctx, d, schema) }, nil
}

// silentConnector says [kit.ErrSilent] where a server does not answer, and the caller still has time.
type silentConnector struct{ driver.Connector }

func (c silentConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, fmt.Errorf("%w: %v", kit.ErrSilent, err)
	}
	return conn, err
}

// migrateLock is the advisory lock of this kit: any number that others are unlikely to use.
const migrateLock = 0x6d7363746c

// lockPostgres waits for the lock, and makes the schema while it has it.
func lockPostgres(ctx context.Context, d *sql.DB, schema string) (func(), error) {
	conn, err := d.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrateLock); err != nil {
		conn.Close()
		return nil, fmt.Errorf("lock: %w", err)
	}
	unlock := func() {
		free := context.WithoutCancel(ctx)
		if _, err := conn.ExecContext(free, "SELECT pg_advisory_unlock($1)", migrateLock); err != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // a closed session holds no lock
		}
		conn.Close()
	}
	if schema == "" {
		return unlock, nil
	}
	name := pgx.Identifier{schema}.Sanitize()
	if _, err := conn.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+name); err != nil {
		unlock()
		return nil, fmt.Errorf("make schema %s: %w", schema, err)
	}
	return unlock, nil
}

func openSQLite(u *url.URL, schema string, traced bool) (*sql.DB, locker, error) {
	path := filepath.FromSlash(u.Host + u.Path)
	if path == "" {
		return nil, nil, errors.New("the address names no file")
	}
	if schema != "" {
		ext := filepath.Ext(path)
		path = strings.TrimSuffix(path, ext) + "." + schema + ext
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, err
	}
	d := openConnector(sqliteConnector(path, "immediate"), "sqlite", traced)
	d.SetMaxOpenConns(4) // each has memory of its own
	d.SetMaxIdleConns(4)
	return d, func(ctx context.Context) (func(), error) { return lockSQLite(ctx, path) }, nil
}

// lockSQLite holds an exclusive transaction on a file beside the database: the system frees it when
// the process dies.
func lockSQLite(ctx context.Context, path string) (func(), error) {
	d := sql.OpenDB(sqliteConnector(path+"-migrate", "exclusive"))
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("lock: %w", err)
	}
	return func() { _ = tx.Rollback(); d.Close() }, nil
}

// sqliteConnector opens a file with a write-ahead log. A statement that finds another process
// writing waits for up to ten seconds. A connection keeps 256 KiB of pages, not the usual 2 MiB: the
// system has the file in its own cache, and a service has several connections.
func sqliteConnector(path, txlock string) driver.Connector {
	q := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)",
			"foreign_keys(1)", "cache_size(-256)"},
		"_time_format": {"sqlite"},
		"_txlock":      {txlock},
	}
	if txlock == "exclusive" {
		q["_pragma"] = []string{"busy_timeout(60000)"}
	}
	return dsnConnector{&sqlite.Driver{}, "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()}
}

// dsnConnector is a driver with its data source name.
type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c dsnConnector) Driver() driver.Driver                        { return c.driver }

func openConnector(c driver.Connector, system string, traced bool) *sql.DB {
	if !traced {
		return sql.OpenDB(c)
	}
	return otelsql.OpenDB(c, traceOptions(system)...)
}

func systemAttr(system string) attribute.KeyValue { return attribute.String("db.system.name", system) }
