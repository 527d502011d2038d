package kittest

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Postgres starts a server of its own by the programs initdb and postgres, and returns the URL of
// an empty database. It ends with the test.
func Postgres(t testing.TB, initdb, postgres string) string {
	t.Helper()
	url, _ := PostgresUntil(t, initdb, postgres)
	return url
}

// PostgresUntil is [Postgres] with a function that stops the server before the test ends.
func PostgresUntil(t testing.TB, initdb, postgres string) (url string, stop func()) {
	t.Helper()
	dir := folder(t, "pg")
	data := filepath.Join(dir, "d")
	run := command(dir, initdb, "-D", data, "-A", "trust", "-U", "test", "-E", "UTF8",
		"--locale=C", "--no-sync")
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := freePort(t)
	p := spawn(t, dir, nil, postgres, "-D", data, "-p", strconv.Itoa(port), "-k", dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=16MB")
	stop = sync.OnceFunc(func() { p.end(syscall.SIGQUIT) })
	t.Cleanup(stop) // killed, it would leave its shared memory behind
	url = fmt.Sprintf("postgres://test@127.0.0.1:%d/postgres?sslmode=disable", port)
	d, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	p.until(t, func() bool { return d.PingContext(context.Background()) == nil })
	return url, stop
}
