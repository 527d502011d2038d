// Package db opens a service's database by the scheme of its URL: postgres (pgx) or sqlite. The
// service's SQL is the same for both: placeholders $1, $2, …; TEXT, BIGINT, BOOLEAN and TIMESTAMP
// (always UTC); ON CONFLICT and RETURNING. It brings the outbox and inbox that make messages and
// data change together.
package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/XSAM/otelsql"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/trace"
	sqlitedriver "modernc.org/sqlite"

	"msctl.dev/msctl/services/kit"
)

// DB is an open database. Read with the methods of sql.DB; write in [DB.Tx].
type DB struct {
	*sql.DB
	log    *slog.Logger
	kick   kit.Bell      // asks the relay to look now
	writer chan struct{} // sqlite: held by the one writer of this process; nil on postgres
	on     func(pattern string) bool
	early  func() bool                   // see relay
	direct atomic.Pointer[kit.Publisher] // takes messages at once where the outbox is switched off; nil: there is none
}

// sendFor bounds the publishing of messages that are in no outbox.
const sendFor = 500 * time.Millisecond

// Options of [OpenWith].
type Options struct {
	// Schema keeps a service apart from another that uses the same database: a schema on
	// postgres, a file of its own beside the database's on sqlite. "" is the database itself.
	Schema string
	// Migrations holds NNNNN_name.sql files for goose, at its root or in "migrations".
	Migrations fs.FS
}

// Open opens the database that the stack calls name ("users-db" is at USERS_DB_URL), brings its
// tables up to date, and adds it to the readiness checks. Close it when done.
func Open(ctx context.Context, app *kit.App, name string, migrations fs.FS) (*DB, error) {
	return OpenWith(ctx, app, name, Options{Migrations: migrations})
}

// OpenWith is [Open] with more choice.
func OpenWith(ctx context.Context, app *kit.App, name string, o Options) (*DB, error) {
	raw, err := app.Env.URL(name)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read URL of %s: it is not a URL", name) // err quotes the password
	}
	d := &DB{log: app.Log, kick: kit.NewBell(), on: app.On,
		early: func() bool { return app.Seeded("sent-early") }}
	var lock locker
	switch u.Scheme {
	case "postgres", "postgresql":
		d.DB, lock, err = openPostgres(raw, o.Schema, app.Traced)
	case "sqlite":
		d.writer = make(chan struct{}, 1)
		d.DB, lock, err = openSQLite(u, o.Schema, app.Traced)
	default:
		err = fmt.Errorf("scheme %q is neither postgres nor sqlite", u.Scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	if err := d.migrate(ctx, o, lock); err != nil {
		d.Close()
		return nil, fmt.Errorf("migrate %s: %w", name, err)
	}
	app.Check(name, d.PingContext)
	return d, nil
}

// traceOptions keeps spans to statements that belong to a request or message.
func traceOptions(system string) []otelsql.Option {
	return []otelsql.Option{
		otelsql.WithAttributes(systemAttr(system)),
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			DisableErrSkip: true, OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true,
			OmitConnectorConnect: true, SpanFilter: hasParent,
		}),
	}
}

// Tx runs fn in a transaction and commits it unless fn returns an error. Where the database asks
// for it (deadlock, serialization, busy), everything is run again, at most twice: fn may change
// nothing but the database. After that it is [kit.ErrBusy].
func (d *DB) Tx(ctx context.Context, fn func(tx *Tx) error) error {
	var err error
	for range 3 {
		if err = d.once(ctx, fn); err == nil || !again(err) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", kit.ErrBusy, err)
}

func (d *DB) once(ctx context.Context, fn func(tx *Tx) error) error {
	if d.writer != nil {
		select {
		case d.writer <- struct{}{}:
			defer func() { <-d.writer }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	raw, err := d.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", ended(ctx, err))
	}
	defer raw.Rollback() // after a commit it does nothing
	tx := &Tx{Tx: raw, noInbox: !d.on("inbox"), noOutbox: d.direct.Load() != nil && !d.on("outbox")}
	if err := fn(tx); err != nil {
		return ended(ctx, err)
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit: %w", ended(ctx, err))
	}
	if tx.published {
		d.kick.Ring()
	}
	if len(tx.loose) > 0 {
		d.send(ctx, tx.loose)
	}
	return nil
}

// ended is err, known as that of a connection that has ended where pgx says so in words of its own, as it does when
// BEGIN or COMMIT has got no answer; and as that of a ctx that has ended where database/sql has rolled back for it.
func ended(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, pgconn.ErrConnClosed):
		return fmt.Errorf("%w: %w", driver.ErrBadConn, err)
	case errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// send publishes messages that are in no outbox: what the broker does not take now is lost.
func (d *DB) send(ctx context.Context, ms []kit.Message) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendFor)
	defer cancel()
	if err := (*d.direct.Load()).Publish(ctx, ms...); err != nil {
		d.log.WarnContext(ctx, "messages lost", "err", err)
	}
}

// again reports whether the same transaction may succeed when it is run again.
func again(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	var lite *sqlitedriver.Error
	const busy, locked = 5, 6
	return errors.As(err, &lite) && (lite.Code()&0xff == busy || lite.Code()&0xff == locked)
}

// Duplicate reports whether err says that a row with that key is there already.
func Duplicate(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite *sqlitedriver.Error
	const primaryKey, unique = 1555, 2067
	return errors.As(err, &lite) && (lite.Code() == primaryKey || lite.Code() == unique)
}

func hasParent(ctx context.Context, _ otelsql.Method, _ string, _ []driver.NamedValue) bool {
	return trace.SpanContextFromContext(ctx).IsValid()
}
