package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var ours embed.FS

// migrate brings the kit's tables and then the service's up to date. Replicas that start together
// take turns.
func (d *DB) migrate(ctx context.Context, o Options, lock locker) error {
	unlock, err := lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.apply(ctx, ours, "kit_version"); err != nil {
		return err
	}
	if o.Migrations == nil {
		return nil
	}
	return d.apply(ctx, o.Migrations, "schema_version")
}

func (d *DB) apply(ctx context.Context, files fs.FS, table string) error {
	dialect := goose.DialectPostgres
	if d.writer != nil {
		dialect = goose.DialectSQLite3
	}
	if sub, err := fs.Stat(files, "migrations"); err == nil && sub.IsDir() {
		if files, err = fs.Sub(files, "migrations"); err != nil {
			return err
		}
	}
	p, err := goose.NewProvider(dialect, d.DB, files, goose.WithTableName(table),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	done, err := p.Up(ctx)
	for _, r := range done {
		d.log.Info("migration applied", "table", table, "migration", r.Source.Path)
	}
	return err
}
